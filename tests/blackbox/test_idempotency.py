"""Idempotency-Key: a request that is sent twice is carried out once."""

import sqlite3

import psycopg2
import pytest
import redis
from harness.streams import streaming
from harness.talk import fresh_chat_id, history, in_background, make_npc, say
from harness.waiting import wait_until


def send_once(client, key, npc_id=None, **fields):
    path, body = ("/chat/", {}) if npc_id is None else ("/chat_npc/", {"npc_id": npc_id})
    return client.post(path, json_body={"message": "hello", **body, **fields}, headers={"Idempotency-Key": key})


def turns(client, chat_id):
    return [turn["text"] for turn in history(client, chat_id)]


@pytest.fixture
def user(product):
    return product.sign_up()


def test_a_repeat_gets_the_first_answer(any_product):
    user = any_product.sign_up()
    npc_id = make_npc(user.client)
    first = send_once(user.client, "k-1", npc_id).expect(200)
    for _ in range(3):
        repeat = send_once(user.client, "k-1", npc_id).expect(200)
        assert repeat.json == first.json
    assert len(any_product.stub.requests()) == 1
    assert len(turns(user.client, first.json["chat_id"])) == 2
    # Another key is another request.
    assert send_once(user.client, "k-2", npc_id).expect(200).json["chat_id"] != first.json["chat_id"]


def test_a_repeat_of_a_stream_is_one_delta(product, user):
    npc_id = make_npc(user.client)
    body = {"npc_id": npc_id, "message": "hello", "stream": True}
    headers = {"Idempotency-Key": "streamed"}
    with streaming(user.client, "/chat_npc/", body, headers=headers) as stream:
        first = stream.events()
    with streaming(user.client, "/chat_npc/", body, headers=headers) as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        repeat = stream.events()
    assert len(first) > 3 and len(repeat) == 2
    assert repeat[0].json == {"delta": first[-1].json["response"]} and repeat[-1].json == first[-1].json
    assert len(product.stub.requests()) == 1


def test_another_body_is_refused(product, user):
    send_once(user.client, "body").expect(200)
    for fields in ({"message": "other"}, {"stream": True}, {"model": "gpt-4o"}):
        send_once(user.client, "body", **fields).expect_error(422, naming="Idempotency-Key")
    assert len(product.stub.requests()) == 1


def test_a_key_is_the_users_and_the_routes(product, user):
    first = send_once(user.client, "mine").expect(200).json
    npc_id = make_npc(user.client)
    assert send_once(user.client, "mine", npc_id).expect(200).json["chat_id"] != first["chat_id"]
    other = product.sign_up().client
    assert send_once(other, "mine").expect(200).json["chat_id"] != first["chat_id"]
    assert len(product.stub.requests()) == 3


def test_a_repeat_while_the_first_runs(product, user):
    product.stub.behave({"latency": 0.7, "count": 1})
    running = in_background(send_once, user.client, "running")
    product.stub.wait_for(1)
    refused = send_once(user.client, "running").expect_error(409)
    assert refused.headers["Retry-After"] == "1"
    send_once(user.client, "running", message="other").expect_error(422)
    first = running.result(timeout=10).expect(200)
    assert send_once(user.client, "running").expect(200).json == first.json
    assert len(product.stub.requests()) == 1


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_who_leaves_finds_the_answer(product, user, streamed):
    """With a key the turn ends, is stored, and answers the repeat."""
    npc_id, chat_id = make_npc(user.client), fresh_chat_id()
    product.stub.behave({"latency": 0.6, "chunk_gap": 0.02, "count": 1})
    impatient = type(user.client)(user.client.port, user.key, timeout=0.3)
    fields = {"chat_id": chat_id, **({"stream": True} if streamed else {})}
    with pytest.raises(TimeoutError):
        send_once(impatient, "left", npc_id, **fields)
    assert len(product.stub.requests()) == 1
    wait_until(lambda: send_once(user.client, "left", npc_id, **fields).status != 409, 10, "the end of the turn")
    answer = send_once(user.client, "left", npc_id, **fields).expect(200)
    response = turns(user.client, chat_id)[1]
    assert len(turns(user.client, chat_id)) == 2 and response in answer.json["response"] if not streamed else True
    assert product.stub.requests()[0]["outcome"] == "answered" and len(product.stub.requests()) == 1


def test_who_leaves_a_stream_in_the_middle_finds_all_of_it(product, user):
    product.stub.behave({"chunk_gap": 0.1, "answer": "one two three four five six seven eight", "count": 1})
    chat_id = fresh_chat_id()
    body = {"message": "hello", "stream": True, "chat_id": chat_id}
    headers = {"Idempotency-Key": "middle"}
    with streaming(user.client, "/chat/", body, headers=headers) as stream:
        assert stream.read_event()

    def repeat():
        with streaming(user.client, "/chat/", body, headers=headers) as again:
            return again.events() if again.status == 200 else None
    events = wait_until(repeat, 10, "the answer")
    assert events[0].json["delta"] == "one two three four five six seven eight"
    assert turns(user.client, chat_id) == ["hello", "one two three four five six seven eight"]


@pytest.fixture
def forget():
    """Has the store forget every answer that it keeps for repeats, as where a sidecar died before it kept it."""
    def forget(product):
        if "REDIS_URL" in product.env:
            with redis.Redis.from_url(product.env["REDIS_URL"]) as client:
                assert client.delete(*client.keys("npcchat:*:once:*"))
        elif "DATABASE_URL" in product.env:
            database = psycopg2.connect(product.env["DATABASE_URL"])
            with database, database.cursor() as cursor:
                cursor.execute("DELETE FROM npcchat.idempotency")
                assert cursor.rowcount
            database.close()
        else:
            with sqlite3.connect(product.state / "npcchat.db", timeout=10) as database:
                assert database.execute("DELETE FROM idempotency").rowcount
    return forget


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("chat", ["named", "new"])
def test_a_stored_turn_whose_answer_was_lost(any_product, forget, chat, streamed):
    """It is stored, and its repeat is given what is stored."""
    client = any_product.sign_up().client
    body = {"message": "hello", **({"chat_id": fresh_chat_id()} if chat == "named" else {}),
            **({"stream": True} if streamed else {})}

    def ask():
        if not streamed:
            return client.post("/chat/", json_body=body, headers={"Idempotency-Key": "lost"}).expect(200).json
        with streaming(client, "/chat/", body, headers={"Idempotency-Key": "lost"}) as stream:
            events = stream.events()
        assert "".join(event.json["delta"] for event in events[:-1]) == events[-1].json["response"]
        return events[-1].json

    first = ask()
    say(client, None, "and another", chat_id=first["chat_id"])
    forget(any_product)
    repeat = ask()
    assert (repeat["response"], repeat["chat_id"]) == (first["response"], first["chat_id"])
    assert len(any_product.stub.requests()) == 2 and len(turns(client, first["chat_id"])) == 4
    # Another body is another request.
    forget(any_product)
    body["message"] = "other"
    ask()
    assert len(any_product.stub.requests()) == 3


def test_a_failure_is_not_kept(product, user):
    product.stub.behave({"status": 400, "count": 1})
    send_once(user.client, "failed").expect_error(502)
    send_once(user.client, "failed").expect(200)
    send_once(user.client, "invalid", message="").expect_error(422)
    send_once(user.client, "invalid").expect(200)


def test_an_answer_outlives_a_restart(fresh, stores):
    product = fresh.start(stores)
    user = product.sign_up()
    first = send_once(user.client, "kept").expect(200).json
    product.restart()
    assert send_once(user.client, "kept").expect(200).json == first
    assert len(product.stub.requests()) == 1


def test_a_repeat_takes_no_tokens(product, user):
    product.admin.put(f"/users/{user.name}/plan", json_body={"tokens_per_day": 40}).expect(200)
    product.stub.behave(answer="word " * 100)
    first = send_once(user.client, "cheap").expect(200).json
    send_once(user.client, "dear").expect_error(429)
    assert send_once(user.client, "cheap").expect(200).json == first


@pytest.mark.parametrize("key", ["x" * 256, "with space", "t\u00fcr"])
def test_keys_that_are_none(product, user, key):
    send_once(user.client, key).expect_error(422, naming="Idempotency-Key")


def test_without_a_key_nothing_is_kept(product, user):
    say(user.client, None, "hello")
    say(user.client, None, "hello")
    send_once(user.client, "").expect(200)
    send_once(user.client, "").expect(200)
    assert len(product.stub.requests()) == 4
