"""The edge's cache of keys: one lookup however many wait, refreshed while it is used, bounded, shared by all workers."""

import concurrent.futures
import contextlib
import http.client
import secrets
import subprocess
import threading
import time

import pytest
from harness import processes
from harness.edge import Edge, Sidecar, digest_of
from harness.prometheus import Metrics
from harness.waiting import wait_until


@contextlib.contextmanager
def running(folder, **settings):
    sidecar = Sidecar(folder / "keys.sock").start()
    edge = Edge(folder / "edge", sidecar, **settings)
    try:
        yield edge.start()
    finally:
        sidecar.thaw()
        edge.stop()
        sidecar.stop()
        alerts = [line for line in edge.error_log.splitlines() if "[alert]" in line or "[emerg]" in line]
        assert not [line for line in alerts if "exited on signal 9" not in line], alerts


@pytest.fixture
def folder(launcher):
    # A unix socket's path is short.
    folder = launcher.new_folder("edge")
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def edge(folder):
    with running(folder) as edge:
        yield edge


def at_once(clients, path="/page"):
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
def test_one_lookup_however_many_wait(edge, known):
    key = edge.sidecar.add_user("crowd") if known else "unknown-to-all"
    edge.sidecar.delay = 0.5
    answers = at_once([edge.client(key) for _ in range(100)])
    assert statuses(answers) == [200 if known else 401]
    assert edge.sidecar.lookups_of(key) == 1
    edge.client(key).get("/page").expect(200 if known else 401)
    assert edge.sidecar.lookups_of(key) == 1


def test_keys_do_not_wait_for_each_other(edge):
    slow, quick = edge.sidecar.add_user("slow"), edge.sidecar.add_user("quick")
    edge.client(quick).get("/page").expect(200)
    edge.sidecar.delay = 1
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(edge.client(slow).get, "/page")
        wait_until(lambda: edge.sidecar.lookups_of(slow), 5, "the lookup")
        begun = time.monotonic()
        edge.client(quick).get("/page").expect(200)
        assert time.monotonic() - begun < 0.5 and not waiting.done()
        waiting.result(10).expect(200)


@pytest.mark.parametrize("status", [500, 403, 200])
def test_a_failed_lookup_fails_all_who_wait(edge, status):
    edge.sidecar.delay, edge.sidecar.status = 0.3, status
    answers = at_once([edge.client("some-key") for _ in range(50)])
    assert statuses(answers) == [503]
    assert edge.sidecar.lookups_of("some-key") <= 3
    edge.sidecar.delay, edge.sidecar.status = 0, None
    edge.client("some-key").get("/page").expect(401)


def test_a_client_that_leaves_ends_no_lookup(edge):
    key = edge.sidecar.add_user("leaver")
    edge.sidecar.delay = 0.5
    leaving = http.client.HTTPConnection("127.0.0.1", edge.port)
    leaving.request("GET", "/page", headers={"Authorization": key})
    wait_until(lambda: edge.sidecar.lookups_of(key), 5, "the lookup")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(edge.client(key).get, "/page")
        leaving.close()
        waiting.result(10).expect(200)
    assert edge.sidecar.lookups_of(key) == 1


def test_lookups_carry_nothing_of_the_clients(edge):
    key = edge.sidecar.add_user("secretive")
    edge.client(key).get("/page", headers={"Cookie": "a=b", "X-Other": "c", "X-Request-Id": "my-request"}).expect(200)
    (headers,) = edge.sidecar.lookup_headers
    assert {name.lower() for name, _ in headers} <= {"host", "connection", "x-npcchat-secret", "x-npcchat-key",
                                                     "x-request-id"}
    assert ("X-Request-Id", "my-request") in headers and key not in str(headers)


def test_a_key_in_use_is_refreshed_and_nobody_waits(folder):
    with running(folder, cache="zone=keys:1m valid=4s invalid=60s stale=1h") as edge:
        key, idle = edge.sidecar.add_user("busy"), edge.sidecar.add_user("idle")
        client = edge.keep_alive(key)
        for known in (key, idle):
            edge.client(known).get("/page").expect(200)
        edge.sidecar.delay = 0.6
        seen, slowest = client.use(9)
        assert seen == {200} and slowest < 0.3, f"a request took {slowest} s"
        # Once for each time that it comes near its end, which is after three seconds.
        assert 3 <= edge.sidecar.lookups_of(key) <= 5
        assert edge.sidecar.lookups_of(idle) == 1
        # The idle one is past its time: who uses it has to wait.
        begun = time.monotonic()
        edge.client(idle).get("/page").expect(200)
        assert time.monotonic() - begun > 0.5


def test_a_revocation_reaches_edges_that_did_not_relay_it(folder):
    valid = 3
    with running(folder, cache=f"zone=keys:1m valid={valid}s invalid=60s stale=1h") as edge:
        key = edge.sidecar.add_user("fired")
        client = edge.keep_alive(key)
        assert client.get()[0] == 200
        edge.sidecar.remove(key)
        begun = time.monotonic()
        wait_until(lambda: client.get()[0] == 401, valid + 1, "the end of the key")
        assert time.monotonic() - begun <= valid + 0.5
        for _ in range(20):
            edge.client(key).get("/page").expect(401)


def test_a_revocation_counts_at_once_at_the_edge_that_relays_it(edge):
    key, other = edge.sidecar.add_user("old"), edge.sidecar.add_user("other")
    for known in (key, other):
        edge.client(known).get("/page").expect(200)
    edge.sidecar.answer_headers = {"X-Npcchat-Revoke": digest_of(key)}
    edge.client(other).get("/backend/x").expect(200)
    for _ in range(20):
        edge.client(key).get("/page").expect(401)
    assert edge.sidecar.lookups_of(key) == 1
    edge.client(other).get("/page").expect(200)


def test_a_lookup_that_began_before_a_revocation_does_not_undo_it(edge):
    key, other = edge.sidecar.add_user("old"), edge.sidecar.add_user("other")
    edge.client(other).get("/page").expect(200)
    edge.sidecar.delay = 0.7
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(edge.client(key).get, "/page")
        wait_until(lambda: edge.sidecar.lookups_of(key), 5, "the lookup")
        edge.sidecar.answer_headers = {"X-Npcchat-Revoke": digest_of(key)}
        edge.client(other).get("/backend/x").expect(200)
        waiting.result(10).expect(401)
    edge.client(key).get("/page").expect(401)


def test_known_keys_go_on_while_the_sidecar_is_away(folder):
    with running(folder, cache="zone=keys:1m valid=2s invalid=2s stale=4s") as edge:
        busy, rare = edge.sidecar.add_user("busy"), edge.sidecar.add_user("rare")
        client = edge.keep_alive(busy)
        for known in (busy, rare):
            edge.client(known).get("/page").expect(200)
        edge.sidecar.stop()
        down = time.monotonic()
        seen, slowest = client.use(3.5)
        assert seen == {200} and slowest < 0.5
        edge.client("unknown").get("/page").expect(503)
        edge.client().get("/page").expect(401)
        # Nobody had it since it was too old to be believed, but it is not older than that may be.
        if time.monotonic() - down < 4.5:
            edge.client(rare).get("/page").expect(200)
        wait_until(lambda: client.get()[0] == 503, 6, "the end of the stale time")
        assert time.monotonic() - down > 4
        edge.sidecar.start()
        wait_until(lambda: client.get()[0] == 200, 3, "the key to be known again")


def test_nobody_waits_for_a_frozen_sidecar_with_a_key_in_use(folder):
    with running(folder, cache="zone=keys:1m valid=10s invalid=10s stale=1h") as edge:
        key = edge.sidecar.add_user("busy")
        client = edge.keep_alive(key)
        assert client.get()[0] == 200
        edge.sidecar.freeze()
        seen, slowest = client.use(16)
        assert seen == {200} and slowest < 1.5, f"a request took {slowest} s"
        assert edge.sidecar.lookups_of(key) < 10
        edge.sidecar.thaw()


def test_a_flood_of_unknown_keys_leaves_known_ones(folder):
    with running(folder, cache="zone=keys:64k valid=60s invalid=60s stale=1h") as edge:
        users = [edge.sidecar.add_user(f"user-{n}", plan=f"rpm={n};burst=3") for n in range(30)]
        for key in users:
            edge.client(key).get("/page").expect(200)

        def flood(number):
            client = edge.keep_alive()
            for _ in range(500):
                client.key = secrets.token_hex(8)
                assert client.get()[0] == 401
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(flood, range(4)))
        metrics = Metrics(edge.metrics())
        assert metrics.get("npcchat_edge_cached_keys", state="known") == 30
        assert metrics.get("npcchat_edge_cached_keys", state="unknown") < 500, "the zone was never full"
        for key in users:
            edge.client(key).get("/page").expect(200)
            assert edge.sidecar.lookups_of(key) == 1


def test_known_keys_take_the_place_of_the_least_recently_used(folder):
    with running(folder, workers=1, cache="zone=keys:64k valid=60s invalid=60s stale=1h") as edge:
        edge.sidecar.add_user("favourite", "favourite")
        edge.client("favourite").get("/page").expect(200)
        client = edge.keep_alive("favourite")
        count = 800
        for number in range(count):
            key = edge.sidecar.add_user("x" * (number % 60 + 1), f"key-{number}", plan=f"rpm={number};" + "p" * (number % 200))
            client.key = key
            assert client.get()[0] == 200
            if number % 50 == 0:
                # What was used within a sixteenth of a second counts as used together.
                time.sleep(0.1)
                client.key = "favourite"
                assert client.get()[0] == 200
        assert edge.sidecar.lookups_of("favourite") == 1
        known = Metrics(edge.metrics()).get("npcchat_edge_cached_keys", state="known")
        assert 50 < known < count
        edge.client(f"key-{count - 1}").get("/page").expect(200)
        assert edge.sidecar.lookups_of(f"key-{count - 1}") == 1
        edge.client("key-0").get("/page").expect(200)
        assert edge.sidecar.lookups_of("key-0") == 2


LONG_NAMES = [1, 35, 36, 37, 160, 161, 768]
PLANS = ["", "rpm=0", "rpm=10;burst=3", "p" * 102, "p" * 103, "p" * 256]


@pytest.mark.parametrize("size", LONG_NAMES)
def test_names_and_plans_of_every_length(edge, size):
    for number, plan in enumerate(PLANS):
        name = f"{number}" + "n" * (size - 1)
        key = edge.sidecar.add_user(name, plan=plan, user_id=number)
        edge.client(key).get("/page").expect(200)
        shown = edge.client(key).get("/backend/x").expect(200).json
        assert shown["X-Npcchat-User"] == f"{number}:{name}"
        assert shown.get("X-Npcchat-Plan", "") == plan
        assert edge.sidecar.lookups_of(key) == 1


def test_what_a_zone_holds(folder):
    """128 times as much as a zone of 1 MB: a million keys in 128 MB."""
    with running(folder, workers=1, cache="zone=keys:1m valid=1h invalid=1h stale=1h") as edge:
        client = edge.keep_alive()
        full = 0
        for number in range(8200):
            client.key = edge.sidecar.add_user(f"player-{number}", f"key-{number}", plan="rpm=60;burst=59")
            assert client.get()[0] == 200
        full = Metrics(edge.metrics()).get("npcchat_edge_cached_keys", state="known")
        assert full * 128 >= 1_000_000, f"{full} keys in 1 MB"
        assert Metrics(edge.metrics()).get("npcchat_edge_zone_free_bytes", zone="keys") <= 8192


@pytest.mark.parametrize("parameters, advice", [
    ("zone=keys", "zone=npcchat:32m"), ("zone=keys:4k", "at least"), ("valid=10s", "needs a zone"),
    ("zone=keys:1m valid=x", "10s"), ("zone=keys:1m other=1", "valid=TIME"),
])
def test_wrong_parameters(folder, parameters, advice):
    edge = Edge(folder / "edge", Sidecar(folder / "keys.sock"), cache=parameters)
    done = subprocess.run([processes.find_program("nginx", "/usr/sbin"), "-t", "-p", edge.folder, "-c",
                           edge.folder / "nginx.conf", "-e", edge.folder / "error.log"], capture_output=True, text=True,
                          timeout=20)
    assert done.returncode != 0 and advice in done.stderr, done.stderr
