"""Keys in requests: both forms of Authorization, and what is no key."""

import pytest
from harness.client import http_request, send_raw
from harness.launcher import EMBEDDED


def verify(client, authorization):
    return client.post("/verify_token/", headers={"Authorization": authorization})


@pytest.mark.parametrize("form", ["{}", "Bearer {}", "bearer {}", "BEARER {}", "Bearer   {}"])
def test_both_forms_of_a_key(embedded, form):
    user = embedded.sign_up()
    assert verify(embedded.anyone, form.format(user.key)).expect(200).json["username"] == user.name


def test_the_admins_key(product):
    for form in ("{}", "Bearer {}"):
        answer = verify(product.anyone, form.format(product.admin_key)).expect(200)
        assert answer.json == {"username": "admin", "role": "admin"}


@pytest.mark.parametrize("authorization", [
    "nonsense", "Bearer nonsense", "Bearer", "Bearer ", "Basic {key}", "Token {key}", "{key}x", "x{key}", "{key} {key}",
    "Bearer Bearer {key}", "\u00fcmlaut", "x" * 257, "x" * 5000,
])
def test_what_is_no_key(embedded, authorization):
    user = embedded.sign_up()
    answer = verify(embedded.anyone, authorization.format(key=user.key)).expect_error(401)
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_no_key_at_all(embedded):
    answer = embedded.anyone.post("/verify_token/").expect_error(401)
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_two_keys_are_none(embedded):
    user = embedded.sign_up()
    request = http_request("POST", "/verify_token/", {"Authorization": "nonsense"})
    both = f"Authorization: nonsense\r\nAuthorization: {user.key}"
    twice = request.replace(b"Authorization: nonsense", both.encode())
    assert send_raw(embedded.port, twice).status in (400, 401)


@pytest.mark.parametrize("key", ["k", "k" * 256, "!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~"])
def test_admin_keys_of_every_shape(fresh, key):
    product = fresh.start(EMBEDDED, ADMIN_KEY=key)
    assert verify(product.anyone, f"Bearer {key}").expect(200).json["role"] == "admin"
    assert verify(product.anyone, key + "x").status == 401


@pytest.mark.parametrize("method, path", [
    ("POST", "/verify_token/"), ("POST", "/create_npc/"), ("GET", "/npcs/"), ("GET", "/npcs/x"), ("PUT", "/npcs/x"),
    ("DELETE", "/npcs/x"), ("POST", "/chat_npc/"), ("POST", "/chat/"), ("POST", "/end_chat_session/?chat_id=x"),
    ("GET", "/chat/x/history"), ("GET", "/chat/x/y/history"), ("GET", "/metrics"),
])
def test_routes_that_want_a_key(embedded, method, path):
    body = {"message": "hello"} if method in ("POST", "PUT") else None
    embedded.anyone.request(method, path, json_body=body).expect_error(401)
    embedded.anyone.with_key("no-such-key").request(method, path, json_body=body).expect_error(401)


@pytest.mark.parametrize("path", ["/chat/someone/chat/history", "/metrics"])
def test_routes_that_want_the_admins_key(embedded, path):
    answer = embedded.sign_up().client.get(path).expect_error(403)
    assert answer.detail == "This needs the admin's key"


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/healthz", "/readyz"])
def test_routes_that_are_open(embedded, path):
    embedded.anyone.get(path).expect(200)
    embedded.anyone.with_key("no-such-key").get(path).expect(200)


def test_a_key_in_a_query_is_no_key(embedded):
    user = embedded.sign_up()
    embedded.anyone.post(f"/verify_token/?api_key={user.key}&key={user.key}").expect_error(401)
