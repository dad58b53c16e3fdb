"""Chats in a Redis that Sentinels watch: who is the master is asked of them, again whenever it changes."""

import pytest
from harness.redis_sentinel import WatchedRedis
from harness.talk import make_npc
from harness.talkers import Talkers
from harness.waiting import wait_until

FAILOVER = 30


@pytest.fixture
def stand(launcher, fresh):
    watched = WatchedRedis(launcher.new_folder("sentinel")).start()
    env = {"DATABASE_URL": launcher.postgres.url(launcher.postgres.new_database()), "REDIS_URL": watched.url()}
    product = fresh.product(env).start()
    yield product, watched
    product.stop()
    watched.stop()


def test_chats_go_on_at_the_new_master(stand):
    product, watched = stand
    product.stub.behave(latency=0.02)
    talkers = Talkers(product, make_npc(product.admin), 8)
    try:
        talkers.wait_for_turns(200, 3)
        watched.fail_over()
        talkers.wait_for_turns(200, 3, timeout=FAILOVER)
        wait_until(watched.is_watched, FAILOVER, "the old master to follow the new one")
        watched.wait_replicated()
        # The Sentinel that was asked first ends with the master.
        lost = watched.master()
        watched.sentinels[0].kill()
        lost.kill()
        watched.wait_failed_over(lost)
        talkers.wait_for_turns(200, 3, timeout=FAILOVER)
    finally:
        talkers.stop()
    assert talkers.statuses <= {200, 409, 503}
    talkers.check_histories()
