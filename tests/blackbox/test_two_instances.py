"""Two whole instances on the same PostgreSQL and Redis: one service, whichever of them is asked."""

import pytest
from harness.launcher import POSTGRESQL, REDIS
from harness.ports import fresh_address
from harness.product import fresh_name
from harness.talk import all_at_once, end, fresh_chat_id, history, in_background, make_npc, say, send
from harness.waiting import wait_until


@pytest.fixture(scope="module", params=[POSTGRESQL, REDIS])
def pair(launcher, request):
    with launcher.group() as group:
        env = launcher.store_env(request.param)
        first = group.product({**env, "ADMIN_KEY": "the admin's key of both".replace(" ", "-")})
        second = group.product({**env, "ADMIN_KEY": first.env["ADMIN_KEY"]}, stub=first.stub)
        # Both find an empty database, and both want to make its tables.
        first.begin()
        second.begin()
        for product in (first, second):
            product.wait_ready()
        yield first, second


def at(product, client):
    """The same key at the other instance."""
    return product.client_of(client.key, "somebody")


def test_a_chat_goes_on_at_the_other(pair):
    first, second = pair
    client = first.sign_up().client
    npc_id = make_npc(client)
    chat_id = fresh_chat_id("moving")
    for number, product in enumerate((first, second, first, second)):
        say(at(product, client), npc_id, f"message {number}", chat_id)
    assert len(first.stub.last_messages()) == 8
    end(at(second, client), chat_id).expect(200)
    assert len(history(client, chat_id)) == 8
    say(client, npc_id, "hello", chat_id)
    assert len(first.stub.last_messages()) == 2


def test_one_message_at_a_time_over_both(pair):
    first, second = pair
    client = first.sign_up().client
    chat_id = fresh_chat_id("both")
    first.stub.behave(latency=1.5)
    slow = in_background(say, client, None, "slow", chat_id)
    first.stub.wait_for(1)
    send(at(second, client), None, "in between", chat_id).expect_error(409)
    slow.result()
    first.stub.behave()
    say(at(second, client), None, "next", chat_id)
    assert [turn["text"] for turn in history(client, chat_id)][::2] == ["slow", "next"]


def test_many_at_once_over_both(pair):
    client = pair[0].sign_up().client
    chat_id = fresh_chat_id("crowd")
    pair[0].stub.behave(latency=0.5)
    clients = [client, at(pair[1], client)]
    statuses = all_at_once(lambda n: send(clients[n % 2], None, f"message {n}", chat_id).status, range(10))
    assert sorted(statuses) == [200] + [409] * 9
    assert len(history(client, chat_id)) == 2


def test_a_plan_is_one_over_both(pair):
    """Chats at once and tokens; without Redis each instance keeps accounts of its own."""
    first, second = pair
    if "REDIS_URL" not in first.env:
        pytest.skip("there is no Redis")
    user = first.sign_up()
    first.admin.put(f"/users/{user.name}/plan", json_body={"concurrent_chats": 2, "tokens_per_day": 1000}).expect(200)
    first.stub.behave(latency=1.5)
    clients = [user.client, at(second, user.client)]
    answering = [in_background(send, client, None, "slow") for client in clients]
    first.stub.wait_for(2)
    for client in clients:
        assert "chats" in send(client, None, "one too many").expect_error(429).detail
    for answer in answering:
        answer.result(10).expect(200)
    # Each of them takes over a quarter of the day's tokens.
    first.stub.behave(answer="word " * 250)
    statuses = [send(clients[number % 2], None, "hello").status for number in range(6)]
    assert statuses == [200] * 3 + [429] * 3


def test_a_changed_npc_is_changed_at_the_other_soon(pair):
    first, second = pair
    client = first.sign_up().client
    npc_id = make_npc(client, char_descr="You're a monk.")
    other = at(second, client)
    assert "a monk" in say(other, npc_id, "hello")["response"]
    client.put(f"/npcs/{npc_id}", json_body={"char_descr": "You're an abbot."}).expect(200)
    assert other.get(f"/npcs/{npc_id}").json["char_descr"] == "You're an abbot."
    wait_until(lambda: "an abbot" in say(other, npc_id, "hello")["response"], 15, "the change to be known everywhere")


def test_a_revoked_key_ends_at_the_other_within_its_caches_time(pair):
    first, second = pair
    user = first.sign_up()
    other = at(second, user.client)
    other.post("/verify_token/").expect(200)
    body = {"username": user.name, "password": user.password}
    new = first.anyone.from_address(fresh_address()).post("/api_key/", json_body=body).expect(200).json["api_key"]
    user.client.post("/verify_token/").expect_error(401)
    second.client_of(new, user.name).post("/verify_token/").expect(200)
    wait_until(lambda: other.post("/verify_token/").status == 401, 12, "the end of the key at the other edge")


def test_a_name_goes_to_one_of_them(pair):
    name = fresh_name("both")

    def sign_up(number):
        body = {"username": name, "password": "correct horse battery"}
        return pair[number % 2].anyone.from_address(fresh_address()).post("/signup/", json_body=body).status

    assert sorted(all_at_once(sign_up, range(6))) == [200] + [400] * 5


def test_failures_count_over_both(pair):
    user = pair[0].sign_up()
    body = {"username": user.name, "password": "a wrong password"}
    for number in range(10):
        pair[number % 2].anyone.from_address(fresh_address()).post("/api_key/", json_body=body).expect_error(401)
    pair[0].anyone.from_address(fresh_address()).post("/api_key/", json_body=body).expect_error(429)
