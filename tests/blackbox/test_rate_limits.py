"""Limits: one bucket for each user over all routes that call a model, and one for each address at the door."""

import time

import pytest
from harness.launcher import EMBEDDED
from harness.ports import fresh_address
from harness.product import fresh_name
from harness.talk import all_at_once, end, make_npc, send
from harness.waiting import wait_until


@pytest.fixture
def limited(launcher):
    """With the limit that there is unless it is set: 5 a minute. METRICS_ALLOW is tested elsewhere with it."""
    return launcher.shared(EMBEDDED, RATE_LIMIT=None, METRICS_ALLOW="127.9.9.0/24")


@pytest.fixture
def quick(launcher):
    """30 a minute, so that one more is allowed after two seconds."""
    return launcher.shared(EMBEDDED, RATE_LIMIT="30")


def test_the_limit_unless_told(limited):
    client = limited.sign_up().client
    statuses = [send(client, None, "hello").status for _ in range(6)]
    assert statuses == [200] * 5 + [429]
    refused = send(client, None, "hello").expect_error(429)
    assert refused.detail == "Rate limit exceeded"
    assert 10 <= int(refused.headers["Retry-After"]) <= 13


def test_answers_say_how_the_user_stands(limited):
    client = limited.sign_up().client
    npc_id = make_npc(client)
    for remaining, target in ((4, None), (3, npc_id), (2, None)):
        headers = send(client, target, "hello").expect(200).headers
        assert headers.get_all("RateLimit-Policy") == ['"minute";q=5;w=60']
        assert headers["RateLimit"].startswith(f'"minute";r={remaining};t=')
        assert headers.get_all("x-ratelimit-limit-requests") == ["5"]
        assert headers.get_all("x-ratelimit-remaining-requests") == [str(remaining)]
    while (refused := send(client, None, "hello")).status == 200:
        pass
    headers = refused.expect_error(429).headers
    assert headers["RateLimit"] == f'"minute";r=0;t={headers["Retry-After"]}'
    assert headers["x-ratelimit-remaining-requests"] == "0" and headers["x-ratelimit-reset-requests"].startswith("1m")

    for answer in (send(limited.admin, None, "hello"), client.post("/verify_token/")):
        assert not [name for name in answer.expect(200).headers if "ratelimit" in name.lower()]


def test_one_bucket_over_all_routes(limited):
    client = limited.sign_up().client
    npc_id = make_npc(client)
    statuses = [send(client, target, "hello").status for target in (None, npc_id, None, npc_id, None, npc_id, None)]
    assert statuses == [200] * 5 + [429] * 2


def test_what_is_refused_reaches_no_model(limited):
    client = limited.sign_up().client
    all_at_once(lambda _: send(client, None, "hello"), range(12))
    assert len(limited.stub.requests()) == 5


def test_every_user_has_a_bucket(limited):
    first, second = limited.sign_up().client, limited.sign_up().client
    assert [send(first, None, "hello").status for _ in range(6)] == [200] * 5 + [429]
    assert [send(second, None, "hello").status for _ in range(6)] == [200] * 5 + [429]


def test_a_new_key_is_no_new_bucket(limited):
    user = limited.sign_up()
    for _ in range(5):
        send(user.client, None, "hello").expect(200)
    body = {"username": user.name, "password": user.password}
    new = limited.anyone.from_address(fresh_address()).post("/api_key/", json_body=body).expect(200).json["api_key"]
    send(limited.client_of(new, user.name), None, "hello").expect_error(429)


def test_both_forms_of_a_key_are_one_bucket(limited):
    user = limited.sign_up()
    bearer = user.client.with_key(f"Bearer {user.key}")
    assert [send(client, None, "hello").status for client in (user.client, bearer) * 3] == [200] * 5 + [429]


def test_bad_requests_count_too(limited):
    client = limited.sign_up().client
    for _ in range(5):
        client.post("/chat/", data=b"{").expect_error(400)
    client.post("/chat/", data=b"{").expect_error(429)


def test_the_admin_is_not_limited(limited):
    statuses = all_at_once(lambda _: send(limited.admin, None, "hello").status, range(20), workers=4)
    assert statuses == [200] * 20


def test_other_routes_are_not_limited(limited):
    client = limited.sign_up().client
    chat_id = send(client, None, "hello").expect(200).json["chat_id"]
    while send(client, None, "hello").status == 200:
        pass
    for _ in range(8):
        client.post("/verify_token/").expect(200)
        make_npc(client)
        client.get(f"/chat/{chat_id}/history").expect(200)
        end(client, chat_id).expect(200)
    send(client, None, "hello").expect_error(429)


def test_the_path_is_counted_however_it_is_written(limited):
    client = limited.sign_up().client
    body = {"message": "hello"}
    paths = ["/chat/", "/chat", "/chat/?x=1", "/chat?y", "/chat/", "/chat", "/chat/?z"]
    assert [client.post(path, json_body=body).status for path in paths] == [200] * 5 + [429] * 2


def test_retry_after_is_true(quick):
    client = quick.sign_up().client
    answers = all_at_once(lambda _: send(client, None, "hello"), range(40))
    assert 30 <= [answer.status for answer in answers].count(200) <= 32
    while (refused := send(client, None, "hello")).status == 200:
        pass
    start = time.monotonic()
    seconds = int(refused.expect_error(429).headers["Retry-After"])
    assert 1 <= seconds <= 3
    # Asking again meanwhile costs nothing.
    wait_until(lambda: send(client, None, "hello").status == 200, 6, "the limit to allow one more", interval=0.1)
    assert time.monotonic() - start <= seconds + 0.7
    send(client, None, "hello").expect_error(429)


def test_at_once_over_all_workers(quick):
    client = quick.sign_up().client
    statuses = all_at_once(lambda _: send(client, None, "hello").status, range(60))
    assert 30 <= statuses.count(200) <= 32 and statuses.count(200) + statuses.count(429) == 60


def test_no_limit(embedded):
    client = embedded.sign_up().client
    assert all_at_once(lambda _: send(client, None, "hello").status, range(40)) == [200] * 40


@pytest.mark.parametrize("route", ["/signup/", "/api_key/"])
def test_the_door_is_limited_by_address(embedded, route):
    client = embedded.anyone.from_address(fresh_address())
    answers = [client.post(route, data=b"{}") for _ in range(26)]
    statuses = [answer.status for answer in answers]
    # The first, and a burst of 20; one more where six seconds have passed meanwhile.
    assert statuses.index(429) in (21, 22)
    assert int(answers[-1].expect_error(429).headers["Retry-After"]) >= 1
    embedded.anyone.from_address(fresh_address()).post(route, data=b"{}").expect_error(422)


def test_both_doors_count_together_or_apart_but_not_for_nothing(embedded):
    client = embedded.anyone.from_address(fresh_address())
    statuses = [client.post(route, data=b"{}").status for _ in range(25) for route in ("/signup/", "/api_key")]
    assert statuses.count(422) <= 46 and statuses.count(429) >= 4


def test_a_limited_address_can_still_chat(embedded):
    address = fresh_address()
    client = embedded.sign_up(name=fresh_name()).client.from_address(address)
    while client.post("/signup/", data=b"{}").status != 429:
        pass
    send(client, None, "hello").expect(200)
