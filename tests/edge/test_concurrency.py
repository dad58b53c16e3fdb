"""`npcchat_concurrency`: how many requests of a user may be open at a time."""

import contextlib
import os
import re
import select
import signal
import socket

import pytest
from harness.edge import EdgeNginx
from harness.ports import free_port
from harness.processes import wait_gone
from harness.waiting import quietly, wait_until

HTTP = "npcchat_limit_zone zone=own:64k rate=0r/m;"


class SlowUpstream:
    """Takes requests and answers each when it is told to."""

    def __init__(self):
        self.port = free_port()
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        self._listener.settimeout(10)

    def take(self, client):
        """The connection of the request that `client` sent, and the worker's process id; None: nginx refused."""
        ready, _, _ = select.select([self._listener, client], [], [], 10)
        assert ready, "the request went nowhere"
        if self._listener not in ready:
            return None
        connection, _ = self._listener.accept()
        connection.settimeout(10)
        read = b""
        while b"\r\n\r\n" not in read:
            received = connection.recv(4096)
            assert received, "the request broke off"
            read += received
        return connection, int(re.search(rb"\r\nX-Worker: (\d+)\r\n", read)[1])

    def close(self):
        self._listener.close()


def finish(upstream_side):
    upstream_side.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
    upstream_side.close()


@pytest.fixture
def slow():
    upstream = SlowUpstream()
    yield upstream
    upstream.close()


@pytest.fixture
def killable(folder, numbers, keys, slow):
    """Makes an nginx whose workers may be killed: the fixture of others takes nginx's alert over that for a fault."""
    made = []

    def make(workers, *arguments):
        nginx = EdgeNginx(folder / f"nginx{next(numbers)}", keys=keys.path, http=HTTP, workers=workers,
                          server=server(slow, *arguments))
        nginx.page("page.html", "page")
        made.append(nginx)
        return nginx.start()

    yield make
    for nginx in made:
        nginx.stop()


@pytest.fixture
def opened():
    """Opens requests, and closes their connections in the end: opened(nginx, slow) returns (client, upstream, worker).

    A request that has just been answered by another worker may still count for a moment.
    """
    with contextlib.ExitStack() as stack:
        def send(nginx, slow, key, path):
            client = stack.enter_context(nginx.connect())
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\n\r\n".encode())
            taken = slow.take(client)
            return taken and (client, stack.enter_context(taken[0]), taken[1])

        def open_request(nginx, slow, key="alices-key", path="/slow/"):
            return wait_until(lambda: send(nginx, slow, key, path), 10, "a request to be open")

        yield open_request


def server(slow, concurrency="npcchat_concurrency zone=own 2;", more=""):
    return f"""
        npcchat on;
        {concurrency} {more}
        location /slow/ {{ proxy_pass http://127.0.0.1:{slow.port}; proxy_buffering off;
                            proxy_set_header X-Worker $pid; }}
        location / {{ root {{folder}}/pages; }}
    """


@pytest.fixture
def limited(edge, slow):
    def make(*arguments, **options):
        nginx = edge(server(slow, *arguments), http=options.pop("http", HTTP), **options)
        nginx.page("page.html", "page")
        return nginx
    return make


def get(nginx, key="alices-key"):
    return nginx.client(key).get("/page.html")


def passes_again(nginx, key="alices-key"):
    wait_until(lambda: get(nginx, key).status == 200, 10, "a request to pass again")


def test_open_requests_count_until_they_end(limited, slow, opened):
    nginx = limited()
    (first, first_upstream, _), (_, second_upstream, _) = opened(nginx, slow), opened(nginx, slow)
    refused = get(nginx).expect(429)
    assert refused.headers["Retry-After"] == "1"
    assert refused.headers["RateLimit"] == '"concurrency";r=0'
    get(nginx, "bobs-key").expect(200)
    assert 'limiting open requests, open: 2 by zone "own", user: "alice"' in nginx.log()

    finish(first_upstream)
    assert first.recv(100).startswith(b"HTTP/1.1 200")
    passes_again(nginx)
    # One is still open, and one more fits.
    _, third_upstream, _ = opened(nginx, slow)
    get(nginx).expect(429)
    finish(second_upstream)
    finish(third_upstream)
    passes_again(nginx)


def test_quick_requests_one_after_the_other(limited):
    nginx = limited("npcchat_concurrency zone=own 1;")
    with nginx.connect() as connection:
        stream = connection.makefile("rb")
        for _ in range(30):
            connection.sendall(b"GET /page.html HTTP/1.1\r\nHost: x\r\nAuthorization: alices-key\r\n\r\n")
            assert stream.readline().startswith(b"HTTP/1.1 200 ")
            while stream.readline() != b"\r\n":
                pass
            assert stream.read(4) == b"page"


def test_a_stream_counts_while_it_runs(limited, slow, opened):
    nginx = limited("npcchat_concurrency zone=own 1;")
    client, upstream_side, _ = opened(nginx, slow)
    upstream_side.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\ndata: 1\n\n")
    received = b""
    while b"data: 1" not in received:
        received += client.recv(4096)
    get(nginx).expect(429)
    upstream_side.sendall(b"data: 2\n\n")
    while b"data: 2" not in received:
        received += client.recv(4096)
    get(nginx).expect(429)
    upstream_side.close()
    passes_again(nginx)


def test_who_leaves_gives_back(limited, slow, opened):
    nginx = limited("npcchat_concurrency zone=own 1;")
    client, _, _ = opened(nginx, slow)
    get(nginx).expect(429)
    client.close()
    passes_again(nginx)


@pytest.mark.parametrize("plan, fit", [("conc=1", 1), ("conc=3", 3), ("conc=0", 6), ("rpm=0", 2)])
def test_by_plan(limited, slow, opened, keys, plan, fit):
    nginx = limited()
    keys.add("k", 50, plan=plan)
    for _ in range(fit):
        opened(nginx, slow, "k")
    get(nginx, "k").expect(200 if plan == "conc=0" else 429)


def test_only_by_plan(limited, slow, opened, keys):
    nginx = limited("npcchat_concurrency zone=own 0;")
    keys.add("k", 50, plan="conc=1")
    for _ in range(3):
        opened(nginx, slow)
    get(nginx).expect(200)
    opened(nginx, slow, "k")
    get(nginx, "k").expect(429)


def test_a_refusal_costs_no_rate_and_holds_nothing(limited, slow, opened):
    http = "npcchat_limit_zone zone=own:64k rate=1r/m;"
    nginx = limited("npcchat_concurrency zone=own 1;", "npcchat_limit zone=own burst=4 nodelay;", http=http)
    _, upstream_side, _ = opened(nginx, slow)
    for _ in range(5):
        get(nginx).expect(429)
    finish(upstream_side)
    passes_again(nginx)
    # One was open and one passed again: three of five are left, and the refused for rate hold no place.
    assert [get(nginx).status for _ in range(5)] == [200, 200, 200, 429, 429]
    refused = get(nginx).expect(429)
    assert '"concurrency";r=1' in refused.headers["RateLimit"]


def test_counted_once_through_redirects(limited, slow, opened):
    nginx = limited("npcchat_concurrency zone=own 1;", "error_page 404 = /slow/; location = /old { return 404; } "
                                                       "location /files/ { try_files /none /page.html; }")
    nginx.client("alices-key").get("/files/").expect(200)
    _, upstream_side, _ = opened(nginx, slow, path="/none.html")
    get(nginx).expect(429)
    finish(upstream_side)
    passes_again(nginx)


def test_a_dry_run_refuses_nothing(limited, slow, opened):
    nginx = limited("npcchat_concurrency zone=own 1;",
                    "npcchat_limit_dry_run on; add_header X-Limit $npcchat_limit_status;")
    opened(nginx, slow)
    assert get(nginx).expect(200).headers["X-Limit"] == "REJECTED_DRY_RUN"


def test_over_a_reload(limited, slow, opened):
    """What is open in the old workers still counts, and is given back when it ends there."""
    nginx = limited("npcchat_concurrency zone=own 1;")
    _, upstream_side, _ = opened(nginx, slow)
    nginx.reload()
    get(nginx).expect(429)
    finish(upstream_side)
    passes_again(nginx)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_killed_worker_leaks_nothing(killable, slow, opened, workers):
    nginx = killable(workers)
    for _ in range(3):
        opened(nginx, slow)
        opened(nginx, slow)
        get(nginx).expect(429)
        before = nginx.workers()
        for worker in before:
            os.kill(worker, signal.SIGKILL)
        wait_until(lambda old=before: len(set(nginx.workers()) - set(old)) == workers, 10, "new workers")
        wait_until(lambda: getattr(quietly(lambda: get(nginx)), "status", 0) == 200, 10, "a request to pass again")
    # And still counts.
    opened(nginx, slow)
    opened(nginx, slow)
    get(nginx).expect(429)


def test_one_of_many_workers_is_killed(killable, slow, opened):
    """Its requests are given back as soon as another would be refused for them; those of the others stay."""
    nginx = killable(2, "npcchat_concurrency zone=own 6;")
    workers = [opened(nginx, slow)[2] for _ in range(6)]
    get(nginx).expect(429)
    victim = workers[0]
    os.kill(victim, signal.SIGKILL)
    wait_gone([victim], 10)
    wait_until(lambda: get(nginx).status == 200, 10, "a request to pass again")
    for _ in range(workers.count(victim)):
        opened(nginx, slow)
    get(nginx).expect(429)
