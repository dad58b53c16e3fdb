"""Bodies that are wrong: each gets the status of the contract, and nothing comes of it."""

import json

import pytest
from harness.ports import fresh_address
from harness.talk import KNIGHT, make_npc

ROUTES = ("/create_npc/", "/chat_npc/", "/chat/", "/signup/", "/api_key/")


@pytest.fixture
def client(embedded):
    """A user who comes from an address of its own, as some routes are limited by address."""
    return embedded.sign_up().client.from_address(fresh_address())


def nested(depth):
    """An object that is `depth` deep, with a field that nobody knows."""
    return b'{"message": "hello", "x": ' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


MALFORMED = {
    "empty": b"", "blank": b"  \n", "half": b'{"message": "hello"', "word": b"hello",
    "single quotes": b"{'message': 'x'}", "trailing comma": b'{"message": "hello",}', "more after it": b'{"message": "hello"} x', "two": b"{}{}",
    "comment": b'{"message": /* x */ "hello"}', "bare newline": b'{"message": "a\nb"}', "NaN": b'{"message": NaN}',
    "bad escape": b'{"message": "\\x41"}', "form": b"message=hello",
    "bad UTF-8": b'{"message": "\xff\xfe"}', "overlong UTF-8": b'{"message": "\xc0\xaf"}',
    "surrogate in UTF-8": b'{"message": "\xed\xa0\x80"}', "cut UTF-8": b'{"message": "\xe2\x82"}',
    "lone surrogate": b'{"message": "\\ud800"}', "bad UTF-8 in a key": b'{"\xff": 1, "message": "x"}',
    "escaped NUL": b'{"message": "a\\u0000b"}', "escaped NUL in a key": b'{"a\\u0000": 1, "message": "hello"}',
    "escaped NUL deep down": b'{"message": "x", "y": [{"z": "\\u0000"}]}', "raw NUL": b'{"message": "a\0b"}',
    "NUL after it": b'{"message": "hello"}\0',
    "duplicate key": b'{"message": "hello", "message": "hello"}',
    "duplicate key deep down": b'{"message": "hello", "x": [{"y": 1, "y": 2}]}',
    "duplicate key escaped": b'{"message": "hello", "m\\u0065ssage": "x"}',
    "too deep": nested(65), "far too deep": nested(100000), "deep and not closed": b"[" * 100000,
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed(embedded, client, name):
    for route in ROUTES:
        answer = client.post(route, data=MALFORMED[name])
        if answer.status != 400 and name == "form" and route in ("/signup/", "/api_key/"):
            continue
        answer.expect_error(400)
    assert embedded.stub.requests() == []


def test_just_deep_enough(client):
    assert client.post("/chat/", data=nested(64)).status == 200


@pytest.mark.parametrize("body", [b"[]", b'["message"]', b'"message"', b"7", b"true", b"null", b"1e5"])
def test_not_an_object(client, body):
    for route in ROUTES:
        client.post(route, data=body).expect_error(422)


def test_an_unknown_field_is_ignored(client):
    body = {"message": "hello", "colour": [{"deep": {"er": None}}], "": 1, "1e999": 10 ** 18, "t": 1.5e-300}
    client.post("/chat/", json_body=body).expect(200)


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/json; charset=utf-8",
                                          "application/xml", "application/x-www-form-urlencoded", "nonsense", ""])
def test_json_whatever_the_content_type(client, content_type):
    body = json.dumps({"message": "hello"}).encode()
    client.post("/chat/", data=body, headers={"Content-Type": content_type}).expect(200)


def test_a_byte_order_mark_is_a_clear_answer(client):
    assert client.post("/chat/", data=b'\xef\xbb\xbf{"message": "hello"}').status in (200, 400)


WRONG_CREATE = [
    ({"world_descr": "London"}, "char_descr"), ({"char_descr": "A knight"}, "world_descr"), ({}, "char_descr"),
    ({**KNIGHT, "char_descr": ""}, "char_descr"), ({**KNIGHT, "char_descr": None}, "char_descr"),
    ({**KNIGHT, "char_descr": 7}, "char_descr"), ({**KNIGHT, "world_descr": ["London"]}, "world_descr"),
    ({**KNIGHT, "world_descr": {"a": 1}}, "world_descr"), ({**KNIGHT, "world_descr": True}, "world_descr"),
    ({**KNIGHT, "has_scratchpad": "true"}, "has_scratchpad"), ({**KNIGHT, "has_scratchpad": 0}, "has_scratchpad"),
    ({**KNIGHT, "char_descr": "x" * 65537}, "char_descr"), ({**KNIGHT, "world_descr": "é" * 32769}, "world_descr"),
]


@pytest.mark.parametrize("body, naming", WRONG_CREATE)
def test_fields_of_an_npc(client, body, naming):
    client.post("/create_npc/", json_body=body).expect_error(422, naming=naming)
    assert client.get("/npcs/").json["items"] == []


WRONG_MESSAGE = [
    ({}, "message"), ({"message": None}, "message"), ({"message": ""}, "message"), ({"message": 7}, "message"),
    ({"message": ["hello"]}, "message"), ({"message": {"text": "hello"}}, "message"), ({"message": True}, "message"),
    ({"message": "x" * 32769}, "message"), ({"message": "é" * 16385}, "message"),
    ({"message": "hello", "model": 7}, "model"), ({"message": "hello", "model": ["gpt-4o"]}, "model"),
    ({"message": "hello", "chat_id": 7}, "chat_id"), ({"message": "hello", "chat_id": "a b"}, "chat_id"),
]


@pytest.mark.parametrize("body, naming", WRONG_MESSAGE)
def test_fields_of_a_message(embedded, client, body, naming):
    npc_id = make_npc(client)
    client.post("/chat/", json_body=body).expect_error(422, naming=naming)
    client.post("/chat_npc/", json_body={"npc_id": npc_id, **body}).expect_error(422, naming=naming)
    assert embedded.stub.requests() == []


@pytest.mark.parametrize("fields", [{}, {"npc_id": None}, {"npc_id": 7}, {"npc_id": ["x"]}])
def test_the_npc_of_a_message(client, fields):
    client.post("/chat_npc/", json_body={"message": "hello", **fields}).expect_error(422, naming="npc_id")


@pytest.mark.parametrize("npc_id", ["00000000-0000-4000-8000-000000000000", "nonsense", "' OR 1=1 --", "x" * 1000, "é"])
def test_an_unknown_npc(embedded, client, npc_id):
    client.post("/chat_npc/", json_body={"npc_id": npc_id, "message": "hello"}).expect_error(404, 422)
    assert embedded.stub.requests() == []


def test_an_unknown_npc_of_the_right_form_is_a_404(product):
    client = product.sign_up().client
    body = {"npc_id": "00000000-0000-4000-8000-000000000000", "message": "hello"}
    client.post("/chat_npc/", json_body=body).expect_error(404)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("route", ROUTES)
def test_a_body_of_two_mebibytes(embedded, client, route, chunked):
    body = b'{"message": "' + b"x" * (2 * 1024 * 1024) + b'"}'
    pieces = (body[at:at + 65536] for at in range(0, len(body), 65536))
    client.post(route, data=pieces if chunked else body).expect_error(413)
    assert embedded.stub.requests() == []


def test_a_body_just_over_the_bound(tuned):
    client = tuned.sign_up().client
    for size, status in ((40000, 200), (40001, 413)):
        body = b'{"message": "hello", "x": "' + b"x" * (size - 29) + b'"}'
        assert len(body) == size
        answer = client.post("/chat/", data=body)
        assert answer.status == status, answer


def test_a_body_in_chunks(client):
    body = json.dumps({"message": "hello"}).encode()
    client.post("/chat/", data=(body[at:at + 3] for at in range(0, len(body), 3))).expect(200)


def test_it_still_works_after_all_that(embedded):
    assert embedded.anyone.get("/readyz").status == 200
    assert embedded.sidecar_pid() is not None
