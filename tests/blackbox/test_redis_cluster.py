"""Chats in a Redis Cluster: through the loss of a master, through failovers and through resharding."""

import re

import pytest
from harness.ports import free_port
from harness.redis_cluster import RedisCluster
from harness.talk import all_at_once, end, fresh_chat_id, history, make_npc, say
from harness.talkers import Talkers, user_texts
from harness.waiting import wait_until

# After the death of a master: the cluster's node timeout, its vote, and the product's pauses.
FAILOVER = 20
TALKERS = 12  # chats enough to have some on every master


class Stand:
    def __init__(self, launcher, group):
        self.cluster = RedisCluster(launcher.new_folder("cluster")).start()
        # The first of the nodes that it is told of is not there.
        url = self.cluster.url().replace("//", f"//127.0.0.1:{free_port()},")
        env = {"DATABASE_URL": launcher.postgres.url(launcher.postgres.new_database()), "REDIS_URL": url}
        self.product = group.product(env).start()
        self.npc_id = make_npc(self.product.admin)

    def stop(self):
        self.product.stop()
        self.cluster.stop()

    def talkers(self):
        self.product.stub.behave(latency=0.02)
        return Talkers(self.product, self.npc_id, TALKERS)


@pytest.fixture(scope="module")
def module_stand(launcher):
    with launcher.group() as group:
        stand = Stand(launcher, group)
        yield stand
        stand.stop()


@pytest.fixture
def stand(module_stand):
    """The stand, whole before each test."""
    module_stand.cluster.wait_whole()
    yield module_stand


def tag_of(key):
    return re.search(r"{(.*?)}", key)[1]


def test_a_chat_is_on_one_slot_and_chats_on_all_masters(stand):
    user = stand.product.sign_up()
    chats = [fresh_chat_id("spread") for _ in range(30)]
    all_at_once(lambda chat_id: say(user.client, stand.npc_id, "hello", chat_id), chats, workers=8)
    end(user.client, chats[0]).expect(200)
    assert all(user_texts(user.client, chat_id) == ["hello"] for chat_id in chats)
    per_master = [{tag_of(key.decode()) for key in master.execute("KEYS", "npcchat:{c:*spread*")}
                  for master in stand.cluster.masters()]
    assert all(per_master), "a master without a chat"
    assert sum(map(len, per_master)) == len(chats), "a chat on two masters"


def test_a_deleted_user_is_forgotten_on_all_masters(stand):
    user = stand.product.sign_up()
    for number in range(12):
        say(user.client, None, "hello", fresh_chat_id(f"gone{number}"))
    assert len({tag_of(key) for key in stand.cluster.keys("*gone*")}) == 12
    stand.product.admin.delete(f"/users/{user.name}").expect(204)
    wait_until(lambda: not stand.cluster.keys("*gone*"), 5, "the end of the user's chats")


def test_a_repeated_request_finds_its_answer(stand):
    user = stand.product.sign_up()
    for number in range(6):
        body, headers = {"message": "hello"}, {"Idempotency-Key": f"key-{number}"}
        first = user.client.post("/chat/", json_body=body, headers=headers).expect(200)
        assert user.client.post("/chat/", json_body=body, headers=headers).expect(200).json == first.json


@pytest.mark.parametrize("fault", ["kill", "freeze"])
def test_a_master_is_lost_under_load(stand, fault):
    talkers = stand.talkers()
    try:
        talkers.wait_for_turns(200, 3)
        lost = stand.cluster.masters()[0]
        getattr(lost, fault)()
        try:
            stand.cluster.wait_failed_over(lost)
            talkers.wait_for_turns(200, 3, timeout=FAILOVER)
        finally:
            (lost.start if fault == "kill" else lost.thaw)()
        stand.cluster.wait_whole()
        talkers.wait_for_turns(200, 3)
    finally:
        talkers.stop()
    # A turn whose store gave no answer holds its chat until its lease has run out: 409 is right for so long.
    assert talkers.statuses <= {200, 409, 503}
    talkers.check_histories()


def test_a_planned_failover_loses_nothing_and_refuses_nobody(stand):
    talkers = stand.talkers()
    try:
        talkers.wait_for_turns(200, 3)
        for master in stand.cluster.masters():
            stand.cluster.fail_over(stand.cluster.replicas_of(master)[0])
            stand.cluster.wait_whole()
            talkers.wait_for_turns(200, 2)
    finally:
        talkers.stop()
    assert talkers.statuses == {200}
    talkers.check_histories()


def test_resharding_under_load_loses_nothing_and_refuses_nobody(stand):
    cluster = stand.cluster
    talkers = stand.talkers()
    try:
        talkers.wait_for_turns(200, 3)
        # Slots that are talked in, each for long enough to be asked for on its way.
        for chat_id in talkers.chats[:4]:
            slot = cluster.slot_of(next(key for key in cluster.keys(f"*:{chat_id}}}:log")))
            source = next(master for master in cluster.masters() if slot in master.slots())
            target = next(master for master in cluster.masters() if master is not source)
            cluster.begin_moving(slot, source, target)
            half = source.execute("CLUSTER GETKEYSINSLOT", slot, 1)
            source.execute("MIGRATE", target.host, target.port, half[0], 0, 5000)
            wait_until(lambda node=source: refusals(node) > 0, 2, "somebody to ask for the slot")
            cluster.move_keys(slot, source, target)
            cluster.end_moving(slot, target)
        # And many, as an operator moves them.
        first, second = cluster.masters()[:2]
        cluster.reshard(first, second, 500)
        cluster.reshard(second, first, 500)
        talkers.wait_for_turns(200, 3)
    finally:
        talkers.stop()
    assert talkers.statuses == {200}
    talkers.check_histories()


def refusals(node):
    """How many commands a node has answered with TRYAGAIN or ASK."""
    stats = node.execute("INFO", "errorstats")
    return sum(int(str(stats.get(f"errorstat_{name}", "0")).split("=")[-1]) for name in ("TRYAGAIN", "ASK"))


def test_readiness_says_whether_the_cluster_serves(stand):
    anyone = stand.product.anyone
    assert anyone.get("/readyz").status == 200
    master = stand.cluster.masters()[0]
    lost = [master, *stand.cluster.replicas_of(master)]
    for node in lost:
        node.freeze()
    try:
        wait_until(lambda: anyone.get("/readyz").status == 503, FAILOVER, "readyz to notice")
    finally:
        for node in lost:
            node.thaw()
    wait_until(lambda: anyone.get("/readyz").status == 200, FAILOVER, "readyz to recover")
