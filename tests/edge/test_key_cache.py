"""The edge's cache of keys: one lookup however many wait, refreshed while it is used, bounded, shared by all workers."""

import concurrent.futures
import http.client
import secrets
import threading
import time

import pytest
from harness.fakes import digest_of, header
from harness.prometheus import Metrics
from harness.waiting import wait_until


SERVER = """
    npcchat on;
    location /backend/ { proxy_pass http://UPSTREAM; }
    location = /metrics {
        npcchat open;
        npcchat_metrics;
    }
"""


@pytest.fixture
def start(edge, upstream):
    """Makes an nginx with a page, and cache parameters of the test's choice."""
    def make(times="valid=60s invalid=60s stale=1h", size="1m", workers=2):
        nginx = edge(SERVER.replace("UPSTREAM", upstream.address), cache=f"zone=keys:{size} {times}", workers=workers)
        nginx.page("index.html", "a page\n")
        return nginx
    return make


@pytest.fixture
def nginx(start):
    return start()


def metrics(nginx):
    return Metrics(nginx.client().get("/metrics").expect(200).text)


def cached(nginx, state):
    return metrics(nginx).get("npcchat_edge_cached_keys", state=state)


def at_once(clients, path="/"):
    """The answers to one request of each client, all under way together."""
    barrier = threading.Barrier(len(clients))

    def ask(client):
        barrier.wait(10)
        return client.get(path)
    with concurrent.futures.ThreadPoolExecutor(len(clients)) as pool:
        return list(pool.map(ask, clients))


def statuses(answers):
    return sorted({answer.status for answer in answers})


@pytest.mark.parametrize("known", [True, False])
def test_one_lookup_however_many_wait(nginx, keys, known):
    key = keys.new_user("crowd") if known else "unknown-to-all"
    keys.delay = 0.5
    answers = at_once([nginx.client(key) for _ in range(100)])
    assert statuses(answers) == [200 if known else 401]
    assert keys.asked(key) == 1
    nginx.client(key).get("/").expect(200 if known else 401)
    assert keys.asked(key) == 1


def test_keys_do_not_wait_for_each_other(nginx, keys):
    slow, quick = keys.new_user("slow"), keys.new_user("quick")
    nginx.client(quick).get("/").expect(200)
    keys.delay = 1
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(nginx.client(slow).get, "/")
        wait_until(lambda: keys.asked(slow), 5, "the lookup")
        begun = time.monotonic()
        nginx.client(quick).get("/").expect(200)
        assert time.monotonic() - begun < 0.5 and not waiting.done()
        waiting.result(10).expect(200)


@pytest.mark.parametrize("status", [500, 403, 200])
def test_a_failed_lookup_fails_all_who_wait(nginx, keys, status):
    keys.delay, keys.status = 0.3, status
    answers = at_once([nginx.client("some-key") for _ in range(50)])
    assert statuses(answers) == [503]
    assert keys.asked("some-key") <= 3
    keys.delay, keys.status = 0, None
    nginx.client("some-key").get("/").expect(401)


def test_a_client_that_leaves_ends_no_lookup(nginx, keys):
    key = keys.new_user("leaver")
    keys.delay = 0.5
    leaving = http.client.HTTPConnection("127.0.0.1", nginx.port)
    leaving.request("GET", "/", headers={"Authorization": key})
    wait_until(lambda: keys.asked(key), 5, "the lookup")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(nginx.client(key).get, "/")
        leaving.close()
        waiting.result(10).expect(200)
    assert keys.asked(key) == 1


def test_lookups_carry_nothing_of_the_clients(nginx, keys):
    key = keys.new_user("secretive")
    nginx.client(key).get("/", headers={"Cookie": "a=b", "X-Other": "c", "X-Request-Id": "my-request"}).expect(200)
    (headers,) = keys.requests
    assert {name.lower() for name, _ in headers} <= {"host", "connection", "x-npcchat-secret", "x-npcchat-key",
                                                     "x-request-id"}
    assert ("X-Request-Id", "my-request") in headers and key not in str(headers)


def test_a_key_in_use_is_refreshed_and_nobody_waits(start, keys):
    nginx = start("valid=4s invalid=60s stale=1h")
    key, idle = keys.new_user("busy"), keys.new_user("idle")
    client = nginx.keep_alive(key)
    for known in (key, idle):
        nginx.client(known).get("/").expect(200)
    keys.delay = 0.6
    seen, slowest = client.use(9)
    assert seen == {200} and slowest < 0.3, f"a request took {slowest} s"
    # Once for each time that it comes near its end, which is after three seconds.
    assert 3 <= keys.asked(key) <= 5
    assert keys.asked(idle) == 1
    # The idle one is past its time: who uses it has to wait.
    begun = time.monotonic()
    nginx.client(idle).get("/").expect(200)
    assert time.monotonic() - begun > 0.5


def test_a_revocation_reaches_edges_that_did_not_relay_it(start, keys):
    valid = 3
    nginx = start(f"valid={valid}s invalid=60s stale=1h")
    key = keys.new_user("fired")
    client = nginx.keep_alive(key)
    assert client.get()[0] == 200
    keys.remove(key)
    begun = time.monotonic()
    wait_until(lambda: client.get()[0] == 401, valid + 1, "the end of the key")
    assert time.monotonic() - begun <= valid + 0.5
    for _ in range(20):
        nginx.client(key).get("/").expect(401)


def test_a_revocation_counts_at_once_at_the_edge_that_relays_it(nginx, keys):
    key, other = keys.new_user("old"), keys.new_user("other")
    for known in (key, other):
        nginx.client(known).get("/").expect(200)
    nginx.client(other).get(f"/backend/x?h-X-Npcchat-Revoke={digest_of(key)}").expect(200)
    for _ in range(20):
        nginx.client(key).get("/").expect(401)
    assert keys.asked(key) == 1
    nginx.client(other).get("/").expect(200)


def test_a_lookup_that_began_before_a_revocation_does_not_undo_it(nginx, keys):
    key, other = keys.new_user("old"), keys.new_user("other")
    nginx.client(other).get("/").expect(200)
    keys.delay = 0.7
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(nginx.client(key).get, "/")
        wait_until(lambda: keys.asked(key), 5, "the lookup")
        nginx.client(other).get(f"/backend/x?h-X-Npcchat-Revoke={digest_of(key)}").expect(200)
        waiting.result(10).expect(401)
    nginx.client(key).get("/").expect(401)


def test_known_keys_go_on_while_the_sidecar_is_away(start, keys):
    nginx = start("valid=2s invalid=2s stale=4s")
    busy, rare = keys.new_user("busy"), keys.new_user("rare")
    client = nginx.keep_alive(busy)
    for known in (busy, rare):
        nginx.client(known).get("/").expect(200)
    keys.stop()
    down = time.monotonic()
    seen, slowest = client.use(3.5)
    assert seen == {200} and slowest < 0.5
    nginx.client("unknown").get("/").expect(503)
    nginx.client().get("/").expect(401)
    # Nobody had it since it was too old to be believed, but it is not older than that may be.
    if time.monotonic() - down < 4.5:
        nginx.client(rare).get("/").expect(200)
    wait_until(lambda: client.get()[0] == 503, 6, "the end of the stale time")
    assert time.monotonic() - down > 4
    keys.start()
    wait_until(lambda: client.get()[0] == 200, 3, "the key to be known again")


def test_nobody_waits_for_a_frozen_sidecar_with_a_key_in_use(start, keys):
    nginx = start("valid=10s invalid=10s stale=1h")
    key = keys.new_user("busy")
    client = nginx.keep_alive(key)
    assert client.get()[0] == 200
    keys.freeze()
    seen, slowest = client.use(16)
    assert seen == {200} and slowest < 1.5, f"a request took {slowest} s"
    assert keys.asked(key) < 10
    keys.thaw()


def test_a_flood_of_unknown_keys_leaves_known_ones(start, keys):
    nginx = start("valid=60s invalid=60s stale=1h", size="64k")
    users = [keys.new_user(f"user-{n}", plan=f"rpm={n};burst=3") for n in range(30)]
    for key in users:
        nginx.client(key).get("/").expect(200)

    def flood(number):
        client = nginx.keep_alive()
        for _ in range(500):
            client.key = secrets.token_hex(8)
            assert client.get()[0] == 401
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(flood, range(4)))
    assert cached(nginx, "known") == 30
    assert cached(nginx, "unknown") < 500, "the zone was never full"
    for key in users:
        nginx.client(key).get("/").expect(200)
        assert keys.asked(key) == 1


def test_known_keys_take_the_place_of_the_least_recently_used(start, keys):
    nginx = start("valid=60s invalid=60s stale=1h", size="64k", workers=1)
    keys.add("favourite", 1)
    nginx.client("favourite").get("/").expect(200)
    client = nginx.keep_alive("favourite")
    count = 800
    for number in range(count):
        client.key = keys.add(f"key-{number}", number + 2, "x" * (number % 60 + 1), plan=f"rpm={number};" + "p" * (number % 200))
        assert client.get()[0] == 200
        if number % 50 == 0:
            # What was used within a sixteenth of a second counts as used together.
            time.sleep(0.1)
            client.key = "favourite"
            assert client.get()[0] == 200
    assert keys.asked("favourite") == 1
    known = cached(nginx, "known")
    assert 50 < known < count
    nginx.client(f"key-{count - 1}").get("/").expect(200)
    assert keys.asked(f"key-{count - 1}") == 1
    nginx.client("key-0").get("/").expect(200)
    assert keys.asked("key-0") == 2


LONG_NAMES = [1, 35, 36, 37, 160, 161, 768]
PLANS = ["", "rpm=0", "rpm=10;burst=3", "p" * 102, "p" * 103, "p" * 256]


@pytest.mark.parametrize("size", LONG_NAMES)
def test_names_and_plans_of_every_length(nginx, keys, size):
    for number, plan in enumerate(PLANS):
        name = f"{number}" + "n" * (size - 1)
        key = keys.new_user(name, plan=plan, user_id=number)
        nginx.client(key).get("/").expect(200)
        shown = nginx.client(key).get("/backend/x").expect(200).json
        assert header(shown, "X-Npcchat-User") == f"{number}:{name}"
        assert (header(shown, "X-Npcchat-Plan") or "") == plan
        assert keys.asked(key) == 1


def test_what_a_zone_holds(start, keys):
    """128 times as much as a zone of 1 MB: a million keys in 128 MB."""
    nginx = start("valid=1h invalid=1h stale=1h", workers=1)
    client = nginx.keep_alive()
    for number in range(8200):
        client.key = keys.add(f"key-{number}", number, f"player-{number}", plan="rpm=60;burst=59")
        assert client.get()[0] == 200
    full = cached(nginx, "known")
    assert full * 128 >= 1_000_000, f"{full} keys in 1 MB"
    assert metrics(nginx).get("npcchat_edge_zone_free_bytes", zone="keys") <= 8192
