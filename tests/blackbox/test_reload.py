"""Reloads and deaths of workers while requests are under way."""

import concurrent.futures
import itertools
import os
import signal

import pytest
from harness import processes
from harness.edge import Edge, Sidecar
from harness.load import Load
from harness.prometheus import Metrics
from harness.waiting import quietly, wait_until

CACHE = "zone=keys:1m valid=1h invalid=1h stale=1h"


@pytest.fixture
def edge(launcher):
    folder = launcher.new_folder("edge")
    folder.mkdir(parents=True)
    sidecar = Sidecar(folder / "keys.sock").start()
    edge = Edge(folder / "nginx", sidecar, cache=CACHE)
    try:
        yield edge.start()
    finally:
        edge.stop()
        sidecar.stop()


def counted(edge, key_result="hit"):
    return Metrics(edge.metrics()).get("npcchat_edge_auth_total", result=key_result)


def alerts(edge, *expected):
    """Lines of the error log that somebody should look at."""
    lines = [line for line in edge.error_log.splitlines() if any(mark in line for mark in ("[alert]", "[emerg]", "[crit]"))]
    return [line for line in lines if not any(text in line for text in expected)]


def test_reloads_under_load_lose_nothing(edge):
    key = edge.sidecar.add_user("loader")
    edge.client(key).get("/page").expect(200)
    with Load(lambda: edge.client(key).get("/page")) as load:
        for _ in range(5):
            load.wait_for_more()
            old = edge.reload()
            load.wait_for_more()
        processes.wait_gone(old, 10)
    assert load.lost == [] and load.statuses() == {200}
    assert edge.sidecar.lookups_of(key) == 1, "the cache was lost"
    wait_until(lambda: counted(edge) == len(load.answers), 5, "every request to be counted once, over all reloads")
    assert alerts(edge) == []


def test_requests_that_wait_for_a_lookup_outlive_a_reload(edge):
    key = edge.sidecar.add_user("waiter")
    edge.sidecar.delay = 1
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        waiting = [pool.submit(edge.client(key).get, "/page") for _ in range(20)]
        wait_until(lambda: edge.sidecar.lookups_of(key), 5, "the lookup")
        edge.reload()
        # New workers do not ask again what an old one asks.
        waiting.append(pool.submit(edge.client(key).get, "/page"))
        assert [future.result(10).status for future in waiting] == [200] * 21
    assert edge.sidecar.lookups_of(key) == 1


def test_a_new_size_is_a_new_cache(edge):
    key = edge.sidecar.add_user("mover")
    edge.client(key).get("/page").expect(200)
    with Load(lambda: edge.client(key).get("/page")) as load:
        load.wait_for_more()
        before = counted(edge)
        edge.reload(cache=CACHE.replace("1m", "2m"))
        load.wait_for_more()
    assert load.lost == [] and load.statuses() == {200}
    assert edge.sidecar.lookups_of(key) == 2
    assert counted(edge) >= before, "the counters are in a zone of their own"
    assert alerts(edge) == []


def test_new_times_hold_for_what_is_known_already(edge):
    key = edge.sidecar.add_user("timer")
    edge.client(key).get("/page").expect(200)
    processes.wait_gone(edge.reload(cache=CACHE.replace("valid=1h", "valid=2s")), 10)
    # What was stored for an hour is believed until then; what is asked from now on for two seconds.
    other = edge.sidecar.add_user("other")
    edge.client(other).get("/page").expect(200)
    edge.client(key).get("/page").expect(200)
    wait_until(lambda: edge.client(other).get("/page").status == 200 and edge.sidecar.lookups_of(other) >= 2, 5,
               "the second lookup")


def test_a_wrong_configuration_changes_nothing(edge):
    key = edge.sidecar.add_user("survivor")
    edge.client(key).get("/page").expect(200)
    workers = edge.workers()
    edge.write_conf(cache="zone=keys:1m valid=never")
    os.kill(edge.master, signal.SIGHUP)
    wait_until(lambda: "write whole seconds" in edge.error_log, 5, "the refusal")
    edge.client(key).get("/page").expect(200)
    assert edge.workers() == workers and edge.sidecar.lookups_of(key) == 1


def test_killed_workers_leave_no_lock_held(edge):
    """Many times, as a worker holds the lock for a small part of its time only."""
    keys = [edge.sidecar.add_user(f"user-{n}") for n in range(8)]
    numbers = itertools.count()

    def request():
        number = next(numbers)
        # Known keys and such as need a lookup and a cell.
        return edge.client(keys[number % 8] if number % 2 else f"unknown-{number}").get("/page")
    with Load(request, threads=6) as load:
        for _ in range(15):
            load.wait_for_more(30)
            victim = edge.workers()[0]
            os.kill(victim, signal.SIGKILL)
            wait_until(lambda victim=victim: victim not in edge.workers() and len(edge.workers()) == 2, 10, "a new worker")
        load.wait_for_more()
    assert load.statuses() == {200, 401}
    assert len(load.lost) <= 15 * 6, "more was lost than what the killed ones had at hand"
    assert load.slowest < 5
    for key in keys:
        edge.client(key).get("/page").expect(200)
    assert alerts(edge, "exited on signal 9", "shared memory zone") == []


@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_workers_lookup_is_taken_over(edge, victim):
    key = edge.sidecar.add_user("orphan")
    edge.sidecar.delay = 1.5
    with concurrent.futures.ThreadPoolExecutor(30) as pool:
        waiting = [pool.submit(quietly, lambda: edge.client(key).get("/page")) for _ in range(30)]
        wait_until(lambda: edge.sidecar.lookups_of(key), 5, "the lookup")
        os.kill(sorted(edge.workers())[victim], signal.SIGKILL)
        answers = [future.result(10) for future in waiting]
    assert {answer.status for answer in answers if answer is not None} <= {200}
    # Whoever asked: one of them was killed, or the other one was not asking.
    assert 1 <= edge.sidecar.lookups_of(key) <= 2
    edge.sidecar.delay = 0
    edge.client(key).get("/page").expect(200)
