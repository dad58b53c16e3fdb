"""What is not npcchat's does not change: the same bytes with the module and without, in answers and at the upstream."""

import re

import pytest
from harness.client import http_request

# The same server for all; where the module is loaded, others beside it are protected.
SERVER = """
        location / { index index.html; }
        location /proxied/ { proxy_pass http://{upstream}; proxy_http_version 1.1; }
        location /cut/ { proxy_pass http://{upstream}/; }
        location /returned { return 418 "teapot\\n"; }
        location /moved { return 301 /elsewhere; }
        location /password { auth_basic staff; auth_basic_user_file {folder}/passwords; }
        location /limited { limit_req zone=stock; limit_req_status 429; proxy_pass http://{upstream}; }
        location /parts/ { ssi on; alias {folder}/pages/; }
        location /denied { deny all; }
        error_page 404 /404.html;
        location = /404.html { internal; }
        location /try { try_files /none @named; }
        location @named { add_header X-Named yes; proxy_pass http://{upstream}; }
        add_header X-Request-Path $request_uri always;
"""
HTTP = "limit_req_zone $binary_remote_addr zone=stock:1m rate=1r/m;"
PROTECTED = "        location /npcchat/ { npcchat on; npcchat_limit zone=users burst=4 nodelay; }\n"

# Names and values that the module would have something to do with where it is on.
HEADERS = {"Authorization": "Bearer npc_" + "k" * 43, "X-Request-Id": "not a usable id!", "X-Other": "y" * 200,
           "Cookie": "a=b; c=d"}

REQUESTS = {
    "a file": http_request("GET", "/page.html", HEADERS),
    "HEAD": http_request("HEAD", "/page.html", HEADERS),
    "a range": http_request("GET", "/page.html", {"Range": "bytes=2-5"}),
    "an index": http_request("GET", "/", {}),
    "a slash that is missing": http_request("GET", "/folder", {}),
    "not found": http_request("GET", "/none", {}),
    "a wrong method": http_request("DELETE", "/page.html", {}),
    "a body for a file": http_request("POST", "/page.html", {}, b"body"),
    "proxied": http_request("GET", "/proxied/x?a=b", HEADERS),
    "proxied with a body": http_request("POST", "/proxied/x", HEADERS, b"b" * 20000),
    "a proxied error": http_request("GET", "/proxied/x?status=500", HEADERS),
    "proxied with another path": http_request("GET", "/cut/x/y", HEADERS),
    "a strange path": http_request("GET", "/proxied//a/./b/%2e%2e/%41%2Fc?%00", HEADERS),
    "a path like a history": http_request("GET", "/proxied/chat/someone/chat/history", HEADERS),
    "a history of somebody else's": http_request("GET", "/cut/../proxied/../chat/a%20b/c/history?x=/chat/", HEADERS),
    "a history by POST": http_request("POST", "/chat/a/b/history", HEADERS, b"body"),
    "a returned text": http_request("GET", "/returned", HEADERS),
    "a redirect": http_request("GET", "/moved", HEADERS),
    "a password": http_request("GET", "/password/page.html", {"Authorization": "Basic Y2Fyb2w6c2VjcmV0"}),
    "no password": http_request("GET", "/password/page.html", HEADERS),
    "a stock limit": http_request("GET", "/limited", HEADERS),
    "over a stock limit": http_request("GET", "/limited", HEADERS),
    "denied": http_request("GET", "/denied", HEADERS),
    "parts": http_request("GET", "/parts/parts.html", HEADERS),
    "a named location": http_request("GET", "/try", HEADERS),
    "not HTTP": b"nonsense\r\n\r\n",
    "a bad request": b"GET / HTTP/1.1\r\n\r\n",
    "a header that is too long": http_request("GET", "/", {"X-Long": "x" * 40000}),
    "HTTP/1.0": b"GET /page.html HTTP/1.0\r\n\r\n",
    "HTTP/0.9": b"GET /page.html\r\n",
}


def exchange(nginx, request):
    """All that comes back, without what differs from second to second and from server to server."""
    with nginx.connect() as connection:
        connection.sendall(request)
        got = b""
        while part := connection.recv(65536):
            got += part
    got = re.sub(rb"(Date|Last-Modified|ETag): [^\r]*", rb"\1: -", got)
    return got.replace(str(nginx.port).encode(), b"PORT").replace(str(nginx.folder).encode(), b"FOLDER")


def fill(nginx):
    (nginx.folder / "passwords").write_text("carol:{PLAIN}secret\n")
    for name in ("page.html", "index.html", "folder/index.html", "password/page.html", "chat/a/b/history"):
        nginx.page(name, f"this is {name}\n" * 20)
    nginx.page("404.html", "nothing here")
    nginx.page("parts.html", '<!--#include virtual="/proxied/part" --><!--#echo var="uri" -->')
    return nginx


@pytest.fixture
def servers(edge, upstream):
    """Without the module, with it loaded and idle, and with it at work in other locations of the same server."""
    server = SERVER.replace("{upstream}", upstream.address)
    return {
        "without": fill(edge(server, http=HTTP, module=False)),
        "idle": fill(edge(server, http=HTTP, protect=False)),
        "at work": fill(edge(PROTECTED + server, http=HTTP)),
    }


def test_the_same_bytes(servers, upstream):
    answers, arrived = {}, {}
    for name, nginx in servers.items():
        answers[name] = {what: exchange(nginx, request) for what, request in REQUESTS.items()}
        arrived[name] = upstream.seen[:]
        upstream.seen.clear()
    for name in ("idle", "at work"):
        for what in REQUESTS:
            assert answers[name][what] == answers["without"][what], (name, what)
        assert arrived[name] == arrived["without"], name
    assert arrived["without"], "nothing was proxied"
    assert b"this is chat/a/b/history" in exchange(servers["at work"], http_request("GET", "/chat/a/b/history", {}))


def test_a_history_of_another_application(edge, upstream):
    """Its location is found by the path that was sent, though the module masked that at first."""
    nginx = edge(f"""
        location / {{ return 404; }}
        location ~ ^/chat/[0-9]+/ {{ proxy_pass http://{upstream.address}; }}
        location ~ ^/chat/key/ {{ npcchat open; proxy_pass http://{upstream.address}; }}
        location ~ ^/chat/-/ {{ return 500; }}
    """)
    nginx.client().get("/chat/5/%37/history?a=b").expect(200)
    assert upstream.seen[-1]["path"] == "/chat/5/%37/history" and upstream.seen[-1]["query"] == "a=b"
    nginx.client().get("/chat/unknown/7/history").expect(404)
    # Where the location turns out to be ours, the key in the path goes no further.
    nginx.client().get("/chat/key/7/history").expect(200)
    assert upstream.seen[-1]["path"] == "/chat/-/7/history"


def test_the_same_logs(servers):
    """The error log's lines of other applications are nginx's own."""
    lines = {}
    for name in servers:
        exchange(servers[name], http_request("GET", "/folder/none?query", HEADERS))
        exchange(servers[name], http_request("GET", "/denied", HEADERS))
        found = [line for line in servers[name].log().splitlines() if "[error]" in line]
        lines[name] = [re.sub(r"^.*?\*\d+ ", "", line).replace(str(servers[name].folder), "FOLDER")
                       .replace(str(servers[name].port), "PORT") for line in found]
    assert lines["idle"] == lines["at work"] == lines["without"] and len(lines["idle"]) == 2


def test_headers_that_are_ours_end_at_the_edge_everywhere(edge, upstream):
    """The one thing that a server with npcchat does to all its requests: nobody can claim to be the edge."""
    nginx = edge(f"{PROTECTED} location / {{ proxy_pass http://{upstream.address}; }}")
    claimed = {"X-Npcchat-Secret": "x", "x-npcchat-user": "0:admin", "X-NPCCHAT-Anything": "y", "X-Npcchat": "stays"}
    nginx.client().get("/x", headers=claimed).expect(200)
    names = [name.lower() for name, _ in upstream.last("/x")["headers"]]
    assert [name for name in names if name.startswith("x-npcchat")] == ["x-npcchat"]
