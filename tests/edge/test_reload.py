"""Reloads and deaths of workers while requests are under way."""

import concurrent.futures
import itertools
import os
import signal

import pytest
from harness import processes
from harness.load import Load
from harness.prometheus import Metrics
from harness.waiting import quietly, wait_until

CACHE = "zone=keys:1m valid=1h invalid=1h stale=1h"
# What the master says of a worker that was killed, and of the locks that it held.
KILLED = ("exited on signal 9", "shared memory zone")
SERVER = """
    npcchat on;
    location = /metrics {
        npcchat open;
        npcchat_metrics;
    }
"""


@pytest.fixture
def nginx(edge):
    nginx = edge(SERVER, cache=CACHE, workers=2)
    nginx.page("index.html", "a page\n")
    return nginx


def reload(nginx, cache=CACHE):
    """With another cache. Returns the process ids of the workers before, which may still have requests."""
    before = nginx.workers()
    nginx.configure(server=SERVER, cache=cache, main="worker_processes 2;")
    nginx.reload()
    wait_until(lambda: len(set(nginx.workers()) - set(before)) == 2, 10, "both new workers")
    return before


def counted(nginx):
    """Requests whose key was known."""
    return Metrics(nginx.client().get("/metrics").text).get("npcchat_edge_auth_total", result="hit")


def test_reloads_under_load_lose_nothing(nginx, keys):
    key = keys.new_user("loader")
    nginx.client(key).get("/").expect(200)
    with Load(lambda: nginx.client(key).get("/")) as load:
        for _ in range(5):
            load.wait_for_more()
            old = reload(nginx)
            load.wait_for_more()
        processes.wait_gone(old, 10)
    assert load.lost == [] and load.statuses() == {200}
    assert keys.asked(key) == 1, "the cache was lost"
    wait_until(lambda: counted(nginx) == len(load.answers), 5, "every request to be counted once, over all reloads")


def test_requests_that_wait_for_a_lookup_outlive_a_reload(nginx, keys):
    key = keys.new_user("waiter")
    keys.delay = 1
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        waiting = [pool.submit(nginx.client(key).get, "/") for _ in range(20)]
        wait_until(lambda: keys.asked(key), 5, "the lookup")
        reload(nginx)
        # New workers do not ask again what an old one asks.
        waiting.append(pool.submit(nginx.client(key).get, "/"))
        assert [future.result(10).status for future in waiting] == [200] * 21
    assert keys.asked(key) == 1


def test_a_new_size_is_a_new_cache(nginx, keys):
    key = keys.new_user("mover")
    nginx.client(key).get("/").expect(200)
    with Load(lambda: nginx.client(key).get("/")) as load:
        load.wait_for_more()
        before = counted(nginx)
        reload(nginx, CACHE.replace("1m", "2m"))
        load.wait_for_more()
    assert load.lost == [] and load.statuses() == {200}
    assert keys.asked(key) == 2
    assert counted(nginx) >= before, "the counters are in a zone of their own"


def test_new_times_hold_for_what_is_known_already(nginx, keys):
    key = keys.new_user("timer")
    nginx.client(key).get("/").expect(200)
    processes.wait_gone(reload(nginx, CACHE.replace("valid=1h", "valid=2s")), 10)
    # What was stored for an hour is believed until then; what is asked from now on for two seconds.
    other = keys.new_user("other")
    nginx.client(other).get("/").expect(200)
    nginx.client(key).get("/").expect(200)
    wait_until(lambda: nginx.client(other).get("/").status == 200 and keys.asked(other) >= 2, 5,
               "the second lookup")


def test_a_wrong_configuration_changes_nothing(nginx, keys):
    key = keys.new_user("survivor")
    nginx.client(key).get("/").expect(200)
    workers = nginx.workers()
    nginx.tolerated = ("[emerg]",)
    nginx.configure(server=SERVER, cache="zone=keys:1m valid=never")
    os.kill(nginx.pid, signal.SIGHUP)
    wait_until(lambda: "write whole seconds" in nginx.log(), 5, "the refusal")
    nginx.client(key).get("/").expect(200)
    assert nginx.workers() == workers and keys.asked(key) == 1


def test_killed_workers_leave_no_lock_held(nginx, keys):
    """Many times, as a worker holds the lock for a small part of its time only."""
    nginx.tolerated = KILLED
    known = [keys.new_user(f"user-{n}") for n in range(8)]
    numbers = itertools.count()

    def request():
        number = next(numbers)
        # Known keys and such as need a lookup and a cell.
        return nginx.client(known[number % 8] if number % 2 else f"unknown-{number}").get("/")
    with Load(request, threads=6) as load:
        for _ in range(15):
            load.wait_for_more(30)
            victim = nginx.workers()[0]
            os.kill(victim, signal.SIGKILL)
            wait_until(lambda victim=victim: victim not in nginx.workers() and len(nginx.workers()) == 2, 10, "a new worker")
        load.wait_for_more()
    assert load.statuses() == {200, 401}
    assert len(load.lost) <= 15 * 6, "more was lost than what the killed ones had at hand"
    assert load.slowest < 5
    for key in known:
        nginx.client(key).get("/").expect(200)


@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_workers_lookup_is_taken_over(nginx, keys, victim):
    nginx.tolerated = KILLED
    key = keys.new_user("orphan")
    keys.delay = 1.5
    with concurrent.futures.ThreadPoolExecutor(30) as pool:
        waiting = [pool.submit(quietly, lambda: nginx.client(key).get("/")) for _ in range(30)]
        wait_until(lambda: keys.asked(key), 5, "the lookup")
        os.kill(sorted(nginx.workers())[victim], signal.SIGKILL)
        answers = [future.result(10) for future in waiting]
    assert {answer.status for answer in answers if answer is not None} <= {200}
    # Whoever asked: one of them was killed, or the other one was not asking.
    assert 1 <= keys.asked(key) <= 2
    keys.delay = 0
    nginx.client(key).get("/").expect(200)
