"""Plans in tokens: a minute's, a day's, and chats at once; and what GET /usage says of it all."""

import json
import os
import signal
import time

import pytest
from harness.launcher import EMBEDDED, REDIS
from harness.streams import streaming
from harness.talk import all_at_once, end, fresh_chat_id, in_background, make_npc, say, send
from harness.waiting import wait_until

ANSWER = "word " * 40  # 50 tokens, as the stub counts


def user_with(product, **plan):
    user = product.sign_up()
    product.admin.put(f"/users/{user.name}/plan", json_body=plan).expect(200)
    return user


def tokens_of(answer):
    return answer["usage"]["prompt_tokens"] + answer["usage"]["completion_tokens"]


def usage(client, query=""):
    return client.get(f"/usage{query}").expect(200).json


# --- limits ---


def test_tokens_of_a_minute(product):
    product.stub.behave(answer=ANSWER)
    one = tokens_of(say(product.sign_up().client, None, "hello"))
    user = user_with(product, tokens_per_minute=3 * one)
    used = 0
    answers = []
    while len(answers) < 10 and (not answers or answers[-1].status == 200):
        answers.append(send(user.client, None, "hello"))
        used += tokens_of(answers[-1].json) if answers[-1].status == 200 else 0
    # All that there is, and no more than the end of one answer beyond it.
    assert 3 <= len(answers) - 1 <= 4 and used <= 4 * one
    refused = answers[-1].expect_error(429)
    assert 1 <= int(refused.headers["Retry-After"]) <= 60 and "minute" in refused.detail
    assert len(product.stub.requests()) == 1 + len(answers) - 1


def test_what_comes_back_can_be_used(product):
    product.stub.behave(answer=ANSWER)
    # 20 tokens a second.
    user = user_with(product, tokens_per_minute=1200)
    product.stub.behave(answer="word " * 960)
    say(user.client, None, "tell me all")
    refused = send(user.client, None, "and more").expect_error(429)
    wait = int(refused.headers["Retry-After"])
    product.stub.behave(answer="Enough.")
    start = time.monotonic()
    wait_until(lambda: send(user.client, None, "and more").status == 200, wait + 3, "tokens to come back", interval=0.2)
    assert time.monotonic() - start <= wait + 1


def test_tokens_of_a_day(product):
    product.stub.behave(answer=ANSWER)
    user = user_with(product, tokens_per_day=100)
    statuses = [send(user.client, None, "hello").status for _ in range(5)]
    assert statuses[0] == 200 and statuses[-1] == 429 and statuses == sorted(statuses)
    refused = send(user.client, None, "hello").expect_error(429)
    left = 86400 - time.time() % 86400
    assert abs(int(refused.headers["Retry-After"]) - left) < 30 and "today" in refused.detail


def test_a_day_outlives_a_restart(fresh, stores):
    product = fresh.start(stores)
    product.stub.behave(answer=ANSWER)
    user = user_with(product, tokens_per_day=150)
    while send(user.client, None, "hello").status == 200:
        pass
    product.restart()
    send(user.client, None, "hello").expect_error(429)


def test_chats_at_once(product):
    user = user_with(product, concurrent_chats=2)
    product.stub.behave({"answer": "slow", "latency": 1, "count": 2})
    running = [in_background(send, user.client, None, "hello") for _ in range(2)]
    product.stub.wait_for(2)
    refused = send(user.client, None, "hello").expect_error(429)
    assert refused.headers["Retry-After"] == "1"
    send(product.sign_up().client, None, "another user").expect(200)
    for one in running:
        one.result(timeout=10).expect(200)
    # Who has the answer can go on at once.
    for _ in range(20):
        say(user.client, None, "hello")


def test_one_chat_at_once_and_the_next_at_once(product):
    user = user_with(product, concurrent_chats=1)
    npc_id = make_npc(user.client)
    for number in range(30):
        say(user.client, npc_id if number % 2 else None, "hello")


def test_a_stream_takes_its_place_until_its_end(product):
    user = user_with(product, concurrent_chats=1)
    product.stub.behave({"chunk_gap": 0.1, "count": 1})
    with streaming(user.client, "/chat/", {"message": "hello", "stream": True}) as stream:
        assert stream.read_event()
        send(user.client, None, "hello").expect_error(429)
        stream.events()
    say(user.client, None, "hello")


def test_who_leaves_gives_the_place_back(product):
    user = user_with(product, concurrent_chats=1)
    product.stub.behave({"malformed": "hang", "count": 1})
    impatient = type(user.client)(user.client.port, user.key, timeout=0.3)
    with pytest.raises(TimeoutError):
        send(impatient, None, "gone")
    wait_until(lambda: send(user.client, None, "hello").status == 200, 5, "the place to be free")


def test_a_failed_call_gives_back_what_it_took(product):
    product.stub.behave(status=500)
    user = user_with(product, tokens_per_minute=300, tokens_per_day=300, concurrent_chats=1)
    for _ in range(4):
        send(user.client, None, "hello").expect_error(502)
    product.stub.behave(answer="Fine.")
    say(user.client, None, "hello")
    assert usage(user.client)["total"]["requests"] == 1


def test_a_refusal_by_the_chat_gives_back_what_it_took(product):
    user = user_with(product, tokens_per_minute=700, concurrent_chats=2)
    chat_id = fresh_chat_id()
    product.stub.behave({"latency": 0.7, "answer": "slow", "count": 1}, {"answer": "quick"})
    running = in_background(send, user.client, None, "hello", chat_id)
    product.stub.wait_for(1)
    for _ in range(5):
        send(user.client, None, "hello", chat_id).expect_error(409)
    running.result(timeout=10).expect(200)
    say(user.client, None, "hello")


def test_a_refusal_by_the_plan_leaves_the_chat_free(product):
    user = user_with(product, tokens_per_day=60)
    chat_id = say(user.client, None, "hello")["chat_id"]
    product.stub.behave(answer=ANSWER)
    while send(user.client, None, "hello", chat_id).status == 200:
        pass
    product.admin.put(f"/users/{user.name}/plan", json_body={}).expect(200)
    say(user.client, None, "hello", chat_id)


def test_a_memory_is_made_on_credit(product):
    user = user_with(product, tokens_per_day=100)
    npc_id = make_npc(user.client)
    chat_id = say(user.client, npc_id, "hello")["chat_id"]
    product.stub.behave(answer=ANSWER)
    while send(user.client, npc_id, "hello", chat_id).status == 200:
        pass
    before = usage(user.client)["total"]["requests"]
    end(user.client, chat_id).expect(200)
    assert usage(user.client)["total"]["requests"] == before + 1


def test_the_admin_is_not_limited(product):
    all_at_once(lambda _: say(product.admin, None, "hello"), range(10))


def test_two_sidecars_admit_what_one_would(fresh):
    """Both use the same stores."""
    first = fresh.start(REDIS)
    second = fresh.product({**{name: first.env[name] for name in ("DATABASE_URL", "REDIS_URL", "ADMIN_KEY")}},
                           stub=first.stub)
    second.admin_key = first.admin_key
    second.start()
    first.stub.behave(answer="slow", latency=1)
    user = user_with(first, concurrent_chats=3)
    clients = [user.client, second.anyone.with_key(user.key)]
    answers = all_at_once(lambda number: send(clients[number % 2], None, "hello"), range(12), workers=12)
    assert sorted(answer.status for answer in answers) == [200] * 3 + [429] * 9
    first.stub.behave(answer=ANSWER)
    # So with tokens: what is used here is missing there.
    first.admin.put(f"/users/{user.name}/plan", json_body={"tokens_per_day": 400}).expect(200)
    while send(clients[0], None, "hello").status == 200:
        pass
    wait_until(lambda: send(clients[1], None, "hello").status == 429, 15, "the other to know the plan")


def test_a_sidecar_that_is_killed_keeps_no_place_for_long(fresh):
    product = fresh.start(REDIS)
    user = user_with(product, concurrent_chats=1)
    product.stub.behave({"malformed": "hang", "count": 1})
    running = in_background(send, user.client, None, "lost")
    product.stub.wait_for(1)
    os.kill(product.sidecar_pid(), signal.SIGKILL)
    running.result(timeout=10)
    product.restart()
    wait_until(lambda: send(user.client, None, "hello").status == 200, 25, "the place to be free", interval=0.5)


# --- models ---


def test_models_of_a_plan(product):
    user = user_with(product, models=["gpt-4o"])
    assert say(user.client, None, "hello")["model"] == "gpt-4o"
    assert say(user.client, None, "hello", model="gpt-4o")["model"] == "gpt-4o"
    send(user.client, None, "hello", model="gpt-4o-mini").expect_error(403)
    send(user.client, None, "hello", model="no-such-model").expect_error(404)
    product.admin.put(f"/users/{user.name}/plan", json_body={"models": ["gpt-4o-mini", "gpt-4o"]}).expect(200)
    assert say(user.client, None, "hello")["model"] == "gpt-4o-mini"
    product.admin.put(f"/users/{user.name}/plan", json_body={}).expect(200)
    say(user.client, None, "hello", model="meta-llama/Meta-Llama-3.1-8B-Instruct")


# --- usage ---


def test_usage_adds_up(product):
    user = product.sign_up()
    empty = usage(user.client)
    assert empty["days"] == [] and empty["username"] == user.name and empty["plan"] == {}
    assert empty["total"] == {"requests": 0, "prompt_tokens": 0, "completion_tokens": 0, "cost": 0}
    answers = [say(user.client, None, f"hello {number}", model=model)
               for number, model in enumerate(("gpt-4o", "gpt-4o", "gpt-4o-mini"))]
    report = usage(user.client)
    assert report["total"]["requests"] == 3
    assert report["total"]["prompt_tokens"] == sum(answer["usage"]["prompt_tokens"] for answer in answers)
    assert report["total"]["completion_tokens"] == sum(answer["usage"]["completion_tokens"] for answer in answers)
    [day] = report["days"]
    assert day["day"] == time.strftime("%Y-%m-%d", time.gmtime())
    assert {one["model"]: one["requests"] for one in day["models"]} == {"gpt-4o": 2, "gpt-4o-mini": 1}
    assert usage(product.sign_up().client)["days"] == []


def test_usage_of_streams_and_of_those_who_left(product):
    user = product.sign_up()
    with streaming(user.client, "/chat/", {"message": "hello", "stream": True}) as stream:
        last = stream.events()[-1].json
    assert usage(user.client)["total"]["completion_tokens"] == last["usage"]["completion_tokens"]
    product.stub.behave(chunk_gap=0.1, answer="word " * 100)
    with streaming(user.client, "/chat/", {"message": "hello", "stream": True}) as stream:
        for _ in range(5):
            assert stream.read_event()
    wait_until(lambda: usage(user.client)["total"]["requests"] == 2, 5, "the usage of who has left")
    left = usage(user.client)["total"]["completion_tokens"] - last["usage"]["completion_tokens"]
    assert 4 <= left < 90


def test_usage_outlives_a_restart(fresh, stores):
    product = fresh.start(stores)
    user = product.sign_up()
    say(user.client, None, "hello")
    product.stop()  # at once: what was not written yet is written now
    product.restart()
    assert usage(user.client)["total"]["requests"] == 1


def test_days_that_are_asked_for(product):
    user = product.sign_up()
    say(user.client, None, "hello")
    today = time.strftime("%Y-%m-%d", time.gmtime())
    assert usage(user.client, f"?from={today}&to={today}")["total"]["requests"] == 1
    assert usage(user.client, "?from=2025-01-01&to=2025-12-31")["days"] == []
    assert usage(user.client, "?to=2025-01-31")["from"] == "2025-01-02"
    for query, field in (("?from=2025-02-30", "from"), ("?to=today", "to"), ("?from=2025-02-02&to=2025-02-01", "from"),
                         ("?from=2024-01-01&to=2025-12-31", "from")):
        user.client.get(f"/usage{query}").expect_error(422, naming=field)


def test_usage_has_the_tables_prices(fresh):
    product = fresh.prepare(EMBEDDED)
    path = product.folder / "models.json"
    path.write_text(json.dumps({"models": [
        {"name": "dear", "price": {"input": 1000, "output": 2000}, "targets": [{"base_url": product.stub.url()}]},
        {"name": "free", "targets": [{"base_url": product.stub.url()}]}]}))
    product.env["MODELS_FILE"] = str(path)
    product.start()
    client = product.sign_up().client
    dear = say(client, None, "hello", model="dear")["usage"]
    say(client, None, "hello", model="free")
    cost = {one["model"]: one["cost"] for one in usage(client)["days"][0]["models"]}
    assert abs(cost["dear"] - (dear["prompt_tokens"] * 1e-3 + dear["completion_tokens"] * 2e-3)) < 1e-6
    assert cost["free"] == 0 and usage(client)["total"]["cost"] == cost["dear"]
