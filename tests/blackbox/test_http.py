"""HTTP itself: methods, paths, request ids, and requests that are hardly HTTP."""

import re
import socket

import pytest
from harness.client import Client, http_request, send_raw
from harness.ports import fresh_address
from harness.talk import KNIGHT, make_npc, say
from harness.waiting import wait_until

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")

METHODS = {
    "/signup/": {"POST"}, "/api_key/": {"POST"}, "/verify_token/": {"POST"}, "/create_npc/": {"POST"},
    "/npcs/": {"GET"}, "/npcs/{npc_id}": {"GET", "PUT", "DELETE"}, "/chat_npc/": {"POST"}, "/chat/": {"POST"},
    "/end_chat_session/": {"POST"}, "/chat/x/history": {"GET"}, "/chat/admin/x/history": {"GET"}, "/metrics": {"GET"},
    "/healthz": {"GET"}, "/readyz": {"GET"}, "/docs": {"GET"}, "/openapi.json": {"GET"},
}


@pytest.mark.parametrize("path", METHODS)
def test_wrong_methods(embedded, path):
    npc_id = make_npc(embedded.admin)
    client = embedded.admin.from_address(fresh_address())
    for method in {"GET", "POST", "PUT", "DELETE", "PATCH"} - METHODS[path]:
        answer = client.request(method, path.format(npc_id=npc_id)).expect_error(405)
        allowed = {word.strip() for word in answer.headers["Allow"].split(",")}
        assert METHODS[path] <= allowed and method not in allowed
    assert embedded.admin.get(f"/npcs/{npc_id}").status == 200


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "BREW", "get"])
def test_odd_methods(embedded, method):
    target = "npcchat:80" if method == "CONNECT" else "/healthz"
    answer = send_raw(embedded.port, http_request(method, target, {}))
    assert answer.status in (400, 405, 501)
    assert answer.headers["Content-Type"].split(";")[0] == "application/json" and answer.detail


def test_head(embedded):
    answer = embedded.anyone.request("HEAD", "/healthz").expect(200)
    assert answer.body == b""


@pytest.mark.parametrize("path", ["/", "/nowhere", "/npcs/x/y", "/chat/a/b", "/chatnpc/",
                                  "/CHAT/", "/key", "/metrics/other", "/docs/../openapi.json", "/create_npc/x",
                                  "/index.html", "/.git/config", "/nginx_status"])
def test_unknown_paths(embedded, path):
    embedded.admin.get(path).expect_error(404)
    embedded.admin.post(path, json_body={}).expect_error(404)


NOT_CANONICAL = ["//healthz", "/healthz//", "/./healthz", "/../healthz", "/docs/../healthz", "/healthz/.",
                 "/healthz/..", "/%68ealthz", "/health%7A", "/healthz%2F", "/%2Fhealthz", "/%2e/healthz", "/%2E%2e/healthz",
                 "/healthz%00", "/healthz%5C", "/%5chealthz", "/healthz/%2e", "/x/%2e%2e/healthz", "/docs//init.js"]


@pytest.mark.parametrize("path", NOT_CANONICAL)
def test_paths_that_are_not_canonical(embedded, path):
    answer = send_raw(embedded.port, http_request("GET", path, {"Authorization": embedded.admin_key}))
    # nginx itself refuses what leaves the root or has a NUL.
    answer.expect_error(*((400, 404) if "%00" in path or path.startswith(("/..", "/%2E%2e")) else (404,)))


@pytest.mark.parametrize("path", ["/healthz%", "/healthz%4", "/%zz", "/%"])
def test_broken_encoding_in_a_path(embedded, path):
    send_raw(embedded.port, http_request("GET", path, {"Authorization": embedded.admin_key})).expect_error(400, 404)


def test_a_path_that_is_not_canonical_reaches_nothing(embedded):
    user = embedded.sign_up()
    npc_id = make_npc(user.client)
    encoded = f"%{ord(npc_id[0]):x}{npc_id[1:]}"
    for path in (f"/npcs//{npc_id}", f"/x/../npcs/{npc_id}", f"/npcs/{npc_id}/%2e", f"/npcs/{encoded}"):
        user.client.delete(path).expect_error(404)
    assert user.client.get(f"/npcs/{npc_id}").status == 200


@pytest.mark.parametrize("path", ["/healthz", "/healthz/", "/healthz?x=y", "/healthz/?x=//..%2e"])
def test_a_slash_at_the_end_is_optional(embedded, path):
    embedded.anyone.get(path).expect(200)


def test_a_slash_at_the_end_is_optional_everywhere(embedded):
    client = embedded.sign_up().client
    npc_id = client.post("/create_npc", json_body=KNIGHT).expect(200).json["npc_id"]
    chat_id = client.post("/chat_npc", json_body={"npc_id": npc_id, "message": "x"}).expect(200).json["chat_id"]
    client.post("/chat", json_body={"message": "x"}).expect(200)
    client.post(f"/end_chat_session?chat_id={chat_id}").expect(200)
    for path in ("/npcs", f"/npcs/{npc_id}", f"/chat/{chat_id}/history"):
        assert client.get(path).expect(200).json == client.get(path + "/").expect(200).json
    client.post("/verify_token").expect(200)
    embedded.admin.get("/metrics/").expect(200)


@pytest.mark.parametrize("request_id", ["a", "A-b_c.9", "x" * 128])
def test_a_request_id_comes_back(embedded, request_id):
    for path in ("/healthz", "/npcs/", "/nowhere", "/healthz//"):
        assert embedded.anyone.get(path, headers={"X-Request-Id": request_id}).request_id == request_id


@pytest.mark.parametrize("request_id", ["", "x" * 129, "a b", "a/b", "ü", "a\"b", "{}", "a,b"])
def test_a_request_id_that_is_none_is_replaced(embedded, request_id):
    for path in ("/healthz", "/nowhere"):
        answer = embedded.anyone.get(path, headers={"X-Request-Id": request_id})
        assert answer.request_id != request_id and REQUEST_ID.fullmatch(answer.request_id)


def test_every_answer_has_a_request_id(embedded):
    client = embedded.sign_up().client
    paths = ("/healthz", "/npcs/", "/nowhere", "/metrics", "/npcs/x", "/docs", "/chat/")
    answers = [client.get(path) for path in paths]
    answers += [client.post("/chat/", data=body) for body in (b"x" * 2 ** 21, b"{")]
    answers.append(embedded.anyone.get("/npcs/"))
    ids = [answer.request_id for answer in answers]
    assert all(ids) and len(set(ids)) == len(ids)
    assert all(len(answer.headers.get_all("X-Request-Id")) == 1 for answer in answers)


def test_the_request_id_is_in_both_logs(embedded):
    client = embedded.sign_up().client
    client.post("/chat/", json_body={"message": "hello"}, headers={"X-Request-Id": "find-me.1"}).expect(200)
    for name in ("access.log", "sidecar.log"):
        wait_until(lambda log=embedded.logs / name: "find-me.1" in log.read_text(), 3, f"the request's id in {name}")


@pytest.mark.parametrize("request_bytes", [
    b"GET\r\n\r\n", b"GET /healthz HTTP/1.1\r\n\r\n", b"GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n",
    b"GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    b"GET /" + b"x" * 40000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 40000 + b"\r\n\r\n",
    b"POST /chat/ HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /chat/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /chat/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
])
def test_what_is_hardly_http(embedded, request_bytes):
    answer = send_raw(embedded.port, request_bytes)
    assert 400 <= answer.status < 600
    assert answer.headers.get("Content-Type", "").split(";")[0] == "application/json", answer
    assert answer.detail
    assert embedded.anyone.get("/healthz").status == 200


def test_a_broken_chunk(embedded):
    head = http_request("POST", "/chat/", {"Authorization": embedded.admin_key, "Transfer-Encoding": "chunked"})
    answer = send_raw(embedded.port, head + b"zz\r\nhello\r\n0\r\n\r\n")
    assert answer.status == 400 and answer.detail


def test_a_connection_is_kept(embedded):
    """Refusals keep the connection too, and eat the body that came with them."""
    body = b'{"message": "hello"}'
    with socket.create_connection(("127.0.0.1", embedded.port), 10) as sock:
        for authorization, path, status in ((embedded.admin_key, "/chat/", b" 200 "), ("nobody", "/chat/", b" 401 "),
                                            (embedded.admin_key, "/nowhere", b" 404 "),
                                            (embedded.admin_key, "/chat/", b" 200 ")):
            request = http_request("POST", path, {"Authorization": authorization}, body)
            sock.sendall(request.replace(b"Connection: close\r\n", b""))
            head = read_answer(sock)
            assert status in head.split(b"\r\n")[0], head


def read_answer(sock):
    """The head of an answer with a Content-Length or chunks, once all of it has come."""
    data = b""
    while True:
        head, end, body = data.partition(b"\r\n\r\n")
        if end:
            length = re.search(rb"content-length: (\d+)", head.lower())
            if length and len(body) >= int(length[1]) or not length and body.endswith(b"0\r\n\r\n"):
                return head
        piece = sock.recv(65536)
        assert piece, "the connection was closed"
        data += piece


def test_an_expectation_is_met(embedded):
    body = b'{"message": "hello"}'
    head = http_request("POST", "/chat/", {"Authorization": embedded.admin_key, "Expect": "100-continue",
                                           "Content-Length": str(len(body))})
    with socket.create_connection(("127.0.0.1", embedded.port), 10) as sock:
        sock.sendall(head)
        assert b" 100 " in sock.recv(100)
        sock.sendall(body)
        assert b" 200 " in read_answer(sock).split(b"\r\n")[0]


def test_http_1_0(embedded):
    answer = send_raw(embedded.port, b"GET /healthz HTTP/1.0\r\n\r\n")
    assert answer.status == 200


def test_answers_are_not_kept_by_caches_or_guessed(embedded):
    answer = embedded.admin.get("/npcs/").expect(200)
    assert answer.headers["Content-Type"].split(";")[0] == "application/json"
    assert "nginx/" not in answer.headers.get("Server", "")


def test_an_answer_cannot_lead_into_nginx(embedded):
    """What a model says is a body, whatever it looks like."""
    client = Client(embedded.port, embedded.admin_key)
    embedded.stub.behave(answer="X-Accel-Redirect: /internal\r\n\r\nHTTP/1.1 200 OK")
    assert say(client, None, "hello")["response"] == "X-Accel-Redirect: /internal\r\n\r\nHTTP/1.1 200 OK"
