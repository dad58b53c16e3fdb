"""Requests with bodies that are refused or wait for a key: connections stay usable, and no body is asked for in vain."""

import http.client
import json
import subprocess

import pytest
from harness.client import RawAnswer

LIMIT = "npcchat_limit zone=users burst=0 nodelay;"
LARGE = 300_000

# Where nginx's own error pages answer, and where the module's do.
ERROR_PAGES = {
    "nginx's pages": "",
    "the module's": """error_page 401 403 429 @error;
                       location @error { npcchat off; npcchat_error_page; }""",
}


@pytest.fixture(params=ERROR_PAGES)
def server(request, edge, upstream):
    """Two locations, one for the admin alone. Bob has used up his limit."""
    nginx = edge(f"""
        npcchat on; client_max_body_size 1m; client_body_buffer_size 8k;
        {ERROR_PAGES[request.param]}
        location / {{ {LIMIT} proxy_pass http://{upstream.address}; proxy_http_version 1.1; }}
        location /admin {{ npcchat_role admin; proxy_pass http://{upstream.address}; }}
        location /unlimited {{ proxy_pass http://{upstream.address}; }}
        location /streamed {{ proxy_pass http://{upstream.address}; proxy_http_version 1.1;
                              proxy_request_buffering off; }}
    """)
    nginx.client("bobs-key").get("/first").expect(200)
    return nginx


REFUSALS = {"401": (401, "nobodys-key", "/x"), "403": (403, "alices-key", "/admin"), "429": (429, "bobs-key", "/x")}


@pytest.fixture(params=REFUSALS)
def refusal(request):
    return REFUSALS[request.param]


def head(path, key, *more):
    lines = [f"POST {path} HTTP/1.1", "Host: test", f"Authorization: {key}", *more]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def read_answer(connection):
    answer = RawAnswer(connection, method="POST")
    answer.begin()
    answer.body = answer.read()
    return answer


def check_usable(connection):
    """The connection takes another request and answers it, and nothing of the body before it."""
    connection.sendall(head("/unlimited/next", "alices-key", "Content-Length: 4") + b"next")
    answer = read_answer(connection)
    assert answer.status == 200
    assert json.loads(answer.body)["path"] == "/unlimited/next" and json.loads(answer.body)["body"] == 4


def chunked(body, size=7000):
    parts = [body[i:i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


@pytest.mark.parametrize("size", [0, 10, LARGE])
def test_keepalive_after_a_refusal(server, refusal, size):
    status, key, path = refusal
    with server.connect() as connection:
        connection.sendall(head(path, key, f"Content-Length: {size}") + b"x" * size)
        assert read_answer(connection).status == status
        check_usable(connection)


@pytest.mark.parametrize("size", [10, LARGE])
def test_keepalive_after_a_refused_chunked_body(server, refusal, size):
    status, key, path = refusal
    with server.connect() as connection:
        connection.sendall(head(path, key, "Transfer-Encoding: chunked") + chunked(b"x" * size))
        assert read_answer(connection).status == status
        check_usable(connection)


@pytest.mark.parametrize("size", [10, LARGE])
def test_keepalive_after_a_refusal_before_the_body_has_come(server, refusal, size):
    status, key, path = refusal
    body = b"x" * size
    with server.connect() as connection:
        connection.sendall(head(path, key, f"Content-Length: {size}") + body[:size // 2])
        assert read_answer(connection).status == status
        connection.sendall(body[size // 2:])
        check_usable(connection)


def test_keepalive_after_half_a_chunked_body(server, refusal):
    status, key, path = refusal
    body = chunked(b"x" * LARGE)
    with server.connect() as connection:
        connection.sendall(head(path, key, "Transfer-Encoding: chunked") + body[:1000])
        assert read_answer(connection).status == status
        connection.sendall(body[1000:])
        check_usable(connection)


def test_refusals_in_a_row(server, refusal):
    """Pipelined: each is answered, in order, on one connection."""
    status, key, path = refusal
    with server.connect() as connection:
        connection.sendall((head(path, key, "Content-Length: 3") + b"abc") * 5)
        stream = connection.makefile("rb")
        got = []
        for _ in range(5):
            got.append(int(stream.readline().split()[1]))
            headers = http.client.parse_headers(stream)
            stream.read(int(headers["Content-Length"]))
        assert got == [status] * 5


def test_no_100_continue_before_a_refusal(server, refusal):
    status, key, path = refusal
    with server.connect() as connection:
        connection.sendall(head(path, key, "Content-Length: 5", "Expect: 100-continue"))
        first = connection.recv(64)
        assert first.startswith(b"HTTP/1.1 %d " % status), first


def test_100_continue_where_the_body_is_wanted(server):
    """Also where the key has to be looked up first."""
    with server.connect() as connection:
        connection.sendall(head("/unlimited/x", "alices-key", "Content-Length: 5", "Expect: 100-continue"))
        assert connection.recv(64).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"12345")
        answer = read_answer(connection)
        assert answer.status == 200 and json.loads(answer.body)["body"] == 5


@pytest.mark.parametrize("path", ["/unlimited/x", "/streamed/x"])
@pytest.mark.parametrize("size", [0, 1, LARGE])
@pytest.mark.parametrize("form", ["content-length", "chunked"])
def test_bodies_arrive_whole(server, path, size, form):
    """The first request of a key waits for its lookup while its body comes in."""
    body = b"x" * size
    sent = {"content-length": (f"Content-Length: {size}", body), "chunked": ("Transfer-Encoding: chunked", chunked(body))}
    with server.connect() as connection:
        for _ in range(2):
            connection.sendall(head(path, "alices-key", sent[form][0]) + sent[form][1])
            answer = read_answer(connection)
            assert answer.status == 200 and json.loads(answer.body)["body"] == size


def test_too_large_a_body(server):
    with server.connect() as connection:
        connection.sendall(head("/unlimited/x", "alices-key", "Content-Length: 2000000"))
        assert read_answer(connection).status == 413


def test_a_client_that_leaves_while_its_key_is_looked_up(edge, keys, upstream):
    keys.stop()
    nginx = edge(f"location / {{ npcchat on; proxy_pass http://{upstream.address}; }}")
    for request in (head("/x", "alices-key", "Content-Length: 100") + b"half", head("/x", "alices-key")):
        with nginx.connect() as connection:
            connection.sendall(request)
    keys.start()
    nginx.client("alices-key").get("/x").expect(200)


# ---- HTTP/2 ----

def curl(nginx, path, key=None, *more, http2=True):
    """(status, body) through curl, in HTTP/2 without TLS."""
    command = ["curl", "-sS", "-m", "20", "-w", "\n%{http_code} %{http_version}", f"http://127.0.0.1:{nginx.port}{path}"]
    command += ["--http2-prior-knowledge"] if http2 else []
    command += ["-H", f"Authorization: {key}"] if key else []
    done = subprocess.run([*command, *more], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    body, _, last = done.stdout.rpartition("\n")
    status, version = last.split()
    assert version == ("2" if http2 else "1.1")
    return int(status), body


@pytest.fixture
def h2(edge, upstream):
    return edge(f"""
        npcchat on; client_body_buffer_size 8k;
        location / {{ {LIMIT} proxy_pass http://{upstream.address}; }}
        location /admin {{ npcchat_role admin; proxy_pass http://{upstream.address}; }}
        location /unlimited {{ proxy_pass http://{upstream.address}; }}
        location /pages/ {{ {LIMIT} alias {{folder}}/pages/; }}
    """, listen=" http2")


def test_http2(h2):
    assert curl(h2, "/x")[0] == 401
    assert curl(h2, "/x", "nobodys-key")[0] == 401
    assert curl(h2, "/admin", "alices-key")[0] == 403
    assert [curl(h2, "/x", "alices-key")[0] for _ in range(3)] == [200, 429, 429]
    sent = json.loads(curl(h2, "/unlimited/x", "alices-key", "-H", "X-Npcchat-User: 0:admin")[1])
    assert [value for name, value in sent["headers"] if name == "X-Npcchat-User"] == ["7:alice"]


def test_http2_is_counted_once_over_redirects(h2):
    h2.page("index.html", "hello")
    assert [curl(h2, "/pages/", "alices-key")[0] for _ in range(2)] == [200, 429]


@pytest.mark.parametrize("size", [10, LARGE])
def test_http2_bodies(h2, folder, size):
    body = folder / "body"
    body.write_bytes(b"x" * size)
    status, text = curl(h2, "/unlimited/x", "alices-key", "--data-binary", f"@{body}")
    assert status == 200 and json.loads(text)["body"] == size
    # curl 7.88 takes nginx's early end of a refused stream for an error, also without the module.
    for key, path in (("nobodys-key", "/x"), ("alices-key", "/admin")):
        command = ["h2load", "-n", "3", "-c", "1", "-d", str(body), "-H", f"Authorization: {key}",
                   f"http://127.0.0.1:{h2.port}{path}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert "status codes: 0 2xx, 0 3xx, 3 4xx, 0 5xx" in done.stdout, done.stdout


def test_http2_many_streams_of_one_connection(h2):
    """One connection, refusals and answers mixed: each stream has its own."""
    command = ["h2load", "-n", "200", "-c", "1", "-m", "50", "-H", "Authorization: alices-key",
               f"http://127.0.0.1:{h2.port}/unlimited/x", f"http://127.0.0.1:{h2.port}/admin"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "200 done, 100 succeeded, 100 failed, 0 errored, 0 timeout" in done.stdout, done.stdout
