"""Who one is, is said by a key alone: headers, sockets and secrets of the inside are of no use from outside."""

import re
import stat

import pytest
from harness.client import http_request, send_raw, send_to_unix_socket
from harness.secrets import files_below
from harness.talk import make_npc

SPOOFED = {"X-Npcchat-User": "0:admin", "X-Npcchat-Role": "admin", "X-Npcchat-Plan": "rpm=1000000",
           "X-Npcchat-Address": "127.0.0.1"}


def sockets(product):
    """The sidecar's unix sockets: for requests, and for keys."""
    with open("/proc/net/unix", encoding="utf-8") as file:
        paths = {line.split()[-1] for line in file if line.rstrip().endswith((".sock", ".keys"))}
    inside = sorted(path for path in paths if path.startswith(str(product.state)))
    assert len(inside) == 2, inside
    return inside[0], inside[1]


def edge_secret(product):
    files = [path for path in files_below(product.state) if path.name == "edge.secret"]
    assert len(files) == 1
    assert stat.S_IMODE(files[0].stat().st_mode) & 0o007 == 0
    return files[0].read_text().strip()


def test_headers_of_identity_are_ignored(embedded):
    user = embedded.sign_up()
    secret = edge_secret(embedded)
    for headers in (SPOOFED, {**SPOOFED, "X-Npcchat-Secret": secret}, {**SPOOFED, "X-Npcchat-Secret": "guess"}):
        answer = user.client.post("/verify_token/", headers=headers).expect(200)
        assert answer.json == {"username": user.name, "role": "user"}
        user.client.get("/metrics", headers=headers).expect_error(403)
        user.client.get("/chat/admin/x/history", headers=headers).expect_error(403)
        embedded.anyone.post("/verify_token/", headers=headers).expect_error(401)
        embedded.anyone.post("/create_npc/", json_body={}, headers=headers).expect_error(401)


@pytest.mark.parametrize("name", ["x-npcchat-user", "X-NPCCHAT-USER", "X_Npcchat_User", "X-Npcchat_User"])
def test_headers_of_identity_in_every_spelling(embedded, name):
    user = embedded.sign_up()
    headers = {name: "0:admin", name.replace("ser", "SER"): "0:admin", "X-Npcchat-Role": "admin"}
    assert user.client.post("/verify_token/", headers=headers).expect(200).json["username"] == user.name
    npc_id = make_npc(user.client)
    assert user.client.get(f"/npcs/{npc_id}", headers=headers).json["owner"] == user.name


def test_headers_of_identity_on_open_routes(embedded):
    headers = {**SPOOFED, "X-Npcchat-Secret": edge_secret(embedded)}
    for path in ("/healthz", "/readyz", "/openapi.json"):
        answer = embedded.anyone.get(path, headers=headers).expect(200)
        assert not [name for name in answer.headers if name.lower().startswith("x-npcchat")]


def test_a_lookup_cannot_be_asked_for_from_outside(embedded):
    headers = {"X-Npcchat-Secret": edge_secret(embedded), "X-Npcchat-Key": "0" * 64}
    embedded.anyone.get("/key", headers=headers).expect_error(404, 401)
    embedded.admin.get("/key", headers=headers).expect_error(404)


def ask(path, target, headers, method="GET", body=b""):
    return send_to_unix_socket(path, http_request(method, target, headers, body), method=method)


def test_the_sidecar_believes_nobody_without_the_secret(embedded):
    public, keys = sockets(embedded)
    for headers in (SPOOFED, {**SPOOFED, "X-Npcchat-Secret": "guess"}, {"Authorization": embedded.admin_key}):
        assert ask(public, "/npcs/", headers).status in (401, 403)
        assert ask(public, "/metrics", headers).status in (401, 403)
        assert ask(keys, "/key", {**headers, "X-Npcchat-Key": "0" * 64}).status in (401, 403)


def test_the_sidecar_believes_the_edge(embedded):
    public, _ = sockets(embedded)
    headers = {**SPOOFED, "X-Npcchat-Secret": edge_secret(embedded)}
    assert ask(public, "/npcs/", headers).status == 200


def test_each_socket_has_its_own_routes(embedded):
    public, keys = sockets(embedded)
    headers = {**SPOOFED, "X-Npcchat-Secret": edge_secret(embedded), "X-Npcchat-Key": "0" * 64}
    assert ask(public, "/key", headers).status == 404
    assert ask(keys, "/key", headers).status == 404
    for target in ("/npcs/", "/metrics", "/healthz"):
        answer = ask(keys, target, headers)
        assert answer.status == 404 and b"items" not in answer.body


def test_sockets_and_secrets_are_for_few(embedded):
    for path in files_below(embedded.state):
        if path.name in ("edge.secret", "npcchat.db") or path.name.endswith(".key"):
            assert stat.S_IMODE(path.stat().st_mode) & 0o007 == 0, path


def test_the_same_header_twice(embedded):
    user = embedded.sign_up()
    request = http_request("POST", "/verify_token/", {"Authorization": user.key, "X-Npcchat-User": "0:admin"})
    twice = request.replace(b"X-Npcchat-User: 0:admin", b"X-Npcchat-User: 0:admin\r\nX-Npcchat-User: 0:admin")
    answer = send_raw(embedded.port, twice, method="POST").expect(200)
    assert re.fullmatch(re.escape(user.name), answer.json["username"])
