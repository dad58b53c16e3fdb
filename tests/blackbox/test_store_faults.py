"""Stores that freeze, die and come back while requests flow: clear errors in time, no half turn, quick recovery."""

import secrets
import threading
import time

import pytest
from harness.services import Postgres, Redis
from harness.talk import KNIGHT, all_at_once, history, in_background, make_npc, said, say, send
from harness.talkers import Talkers, user_texts
from harness.waiting import wait_until

STORE_TIMEOUT = 1.0   # of the product here, instead of 2 s
DEADLINE = STORE_TIMEOUT + 1.5
RECOVERY = 5.0


class Stand:
    """A product with stores of its own, and the one of them that keeps its sessions."""

    def __init__(self, launcher, group, with_redis):
        self.postgres = Postgres(launcher.new_folder("postgres")).start()
        self.redis = Redis(launcher.new_folder("redis"), durable=True).start() if with_redis else None
        self.sessions = self.redis or self.postgres
        env = {"DATABASE_URL": self.postgres.url(self.postgres.new_database()), "STORE_TIMEOUT": STORE_TIMEOUT}
        if with_redis:
            env["REDIS_URL"] = self.redis.url()
        self.product = group.product(env).start()

    def settle(self):
        """Waits until every connection of every loop is back."""
        wait_until(self.all_connections_work, RECOVERY, "all connections to be back")

    def all_connections_work(self):
        """Tries the catalog, the sessions and key lookups, so often at once that every loop has to answer some."""
        admin, unknown = self.product.admin, [self.product.anyone.with_key(secrets.token_hex(9)) for _ in range(24)]
        tries = [(admin, "/npcs/?limit=1", 200), (admin, "/chat/none/history", 404)] * 24
        tries += [(client, "/npcs/", 401) for client in unknown]
        return all(all_at_once(lambda a_try: a_try[0].get(a_try[1]).status == a_try[2], tries))

    def cut_connections(self):
        """Has the servers close every connection, as they do when they restart."""
        with self.redis.client() as client:
            client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        self.postgres.execute("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                                          "WHERE pid <> pg_backend_pid() AND datname IS NOT NULL")

    def stop(self):
        self.product.stop()
        for service in (self.redis, self.postgres):
            if service is not None:
                service.stop()


@pytest.fixture(scope="module", params=["redis", "postgresql"])
def module_stand(launcher, request):
    with launcher.group() as group:
        stand = Stand(launcher, group, request.param == "redis")
        yield stand
        stand.stop()


@pytest.fixture(scope="module")
def module_redis_stand(launcher):
    with launcher.group() as group:
        stand = Stand(launcher, group, True)
        yield stand
        stand.stop()


@pytest.fixture
def stand(module_stand):
    """The stand, whole before the test and whole again within the time for recovery after it."""
    yield module_stand
    module_stand.settle()


@pytest.fixture
def redis_stand(module_redis_stand):
    yield module_redis_stand
    module_redis_stand.settle()


@pytest.fixture
def user(stand):
    return stand.product.sign_up()


def expect_unavailable(request):
    """Makes a request that must be refused with a 503, in time."""
    start = time.monotonic()
    answer = request()
    took = time.monotonic() - start
    answer.expect_error(503)
    assert took < DEADLINE, f"the refusal took {took:.1f} s"
    assert "127.0.0.1" not in answer.text and "postgres" not in answer.text.lower()
    return answer


def wait_usable(stand, client, npc_id, chat_id):
    """The chat answers again within the time for recovery, and so does everything else."""
    wait_until(lambda: send(client, npc_id, "back", chat_id).status == 200, RECOVERY, "the chat to be usable again")
    stand.settle()


def test_frozen_between_messages(stand, user):
    npc_id = make_npc(user.client)
    chat_id = say(user.client, npc_id, "before")["chat_id"]
    stand.sessions.freeze()
    try:
        expect_unavailable(lambda: send(user.client, npc_id, "lost", chat_id))
        expect_unavailable(lambda: send(user.client, npc_id, "lost too", chat_id))
        expect_unavailable(lambda: user.client.get(f"/chat/{chat_id}/history"))
        expect_unavailable(lambda: user.client.post(f"/end_chat_session/?chat_id={chat_id}"))
        assert stand.product.anyone.get("/healthz").status == 200
        wait_until(lambda: stand.product.anyone.get("/readyz").status == 503, 5, "readyz to notice")
    finally:
        stand.sessions.thaw()
    wait_usable(stand, user.client, npc_id, chat_id)
    wait_until(lambda: stand.product.anyone.get("/readyz").status == 200, RECOVERY, "readyz to recover")
    # What lay in the store's socket while it was frozen comes to nothing.
    assert user_texts(user.client, chat_id) == ["before", "back"]


def test_frozen_while_the_model_answers(stand, user):
    npc_id = make_npc(user.client)
    chat_id = say(user.client, npc_id, "before")["chat_id"]
    stand.product.stub.reset()
    stand.product.stub.behave(latency=1, match="lost")
    pending = in_background(send, user.client, npc_id, "lost", chat_id)
    stand.product.stub.wait_for(1)
    stand.sessions.freeze()
    try:
        answer = pending.result(timeout=1 + DEADLINE + 2).expect_error(503)
    finally:
        stand.sessions.thaw()
    wait_usable(stand, user.client, npc_id, chat_id)
    # The store woke after its deadline: a turn that was answered with an error is not stored later.
    assert user_texts(user.client, chat_id) == ["before", "back"], answer


def test_frozen_for_a_moment_only(stand, user):
    """A freeze shorter than the deadline is only a delay."""
    npc_id = make_npc(user.client)
    chat_id = say(user.client, npc_id, "before")["chat_id"]
    stand.sessions.freeze()
    thaw = threading.Timer(STORE_TIMEOUT / 3, stand.sessions.thaw)
    thaw.start()
    try:
        say(user.client, npc_id, "slowly", chat_id)
    finally:
        thaw.join()
    assert user_texts(user.client, chat_id) == ["before", "slowly"]


def test_killed_and_restarted(stand, user):
    npc_id = make_npc(user.client)
    chat_id = say(user.client, npc_id, "before")["chat_id"]
    stand.sessions.kill()
    try:
        expect_unavailable(lambda: send(user.client, npc_id, "lost", chat_id))
        expect_unavailable(lambda: user.client.get(f"/chat/{chat_id}/history"))
        wait_until(lambda: stand.product.anyone.get("/readyz").status == 503, 5, "readyz to notice")
    finally:
        stand.sessions.start()
    wait_usable(stand, user.client, npc_id, chat_id)
    assert user_texts(user.client, chat_id) == ["before", "back"]


def test_killed_while_the_model_answers(stand, user):
    npc_id = make_npc(user.client)
    chat_id = say(user.client, npc_id, "before")["chat_id"]
    stand.product.stub.reset()
    stand.product.stub.behave(latency=1, match="lost")
    pending = in_background(send, user.client, npc_id, "lost", chat_id)
    stand.product.stub.wait_for(1)
    stand.sessions.kill()
    try:
        pending.result(timeout=1 + DEADLINE + 2).expect_error(503)
    finally:
        stand.sessions.start()
    wait_usable(stand, user.client, npc_id, chat_id)
    assert user_texts(user.client, chat_id) == ["before", "back"]


@pytest.mark.parametrize("fault", ["freeze", "kill"])
def test_faults_while_requests_flow(stand, fault):
    product = stand.product
    product.stub.behave(latency=0.02)
    talkers = Talkers(product, make_npc(product.admin), 8)
    try:
        for _ in range(2):
            talkers.wait_for_turns(200, 3)
            getattr(stand.sessions, fault)()
            try:
                talkers.wait_for_turns(503, 1, timeout=DEADLINE + 3)
            finally:
                (stand.sessions.thaw if fault == "freeze" else stand.sessions.start)()
            talkers.wait_for_turns(200, 3, timeout=RECOVERY)
    finally:
        talkers.stop()
    # A turn whose store gave no answer holds its chat until its lease has run out: 409 is right for so long.
    assert talkers.statuses <= {200, 409, 503}
    assert talkers.slowest < DEADLINE + 1
    stand.settle()
    talkers.check_histories()


def test_npcs_and_users_while_postgresql_is_away(redis_stand):
    product = redis_stand.product
    user = product.sign_up()
    npc_id = make_npc(user.client)
    for stop, start in ((redis_stand.postgres.freeze, redis_stand.postgres.thaw),
                        (redis_stand.postgres.kill, redis_stand.postgres.start)):
        stop()
        try:
            expect_unavailable(lambda: user.client.post("/create_npc/", json_body=KNIGHT))
            expect_unavailable(lambda: user.client.get("/npcs/"))
            expect_unavailable(lambda: product.anyone.with_key("npc_" + "x" * 43).post("/verify_token/"))
        finally:
            start()
        wait_until(lambda: user.client.get(f"/npcs/{npc_id}").status == 200, RECOVERY, "PostgreSQL to be back")
        wait_until(lambda: product.anyone.get("/readyz").status == 200, RECOVERY, "readyz to recover")
    assert len(user.client.get("/npcs/").json["items"]) == 1, "a refused NPC was made all the same"
    say(user.client, npc_id, "hello")


def test_a_warm_chat_needs_no_postgresql(redis_stand):
    product = redis_stand.product
    user = product.sign_up()
    npc_id = make_npc(user.client)
    chat_id = say(user.client, npc_id, "before")["chat_id"]
    redis_stand.postgres.freeze()
    try:
        say(user.client, npc_id, "meanwhile", chat_id)
    finally:
        redis_stand.postgres.thaw()
    assert user_texts(user.client, chat_id) == ["before", "meanwhile"]


def test_a_refused_signup_can_be_repeated(redis_stand):
    product = redis_stand.product
    name, password = "repeated.signup", "a long password"
    redis_stand.postgres.freeze()
    try:
        body = {"username": name, "password": password}
        expect_unavailable(lambda: product.anyone.from_address("127.77.0.1").post("/signup/", json_body=body))
    finally:
        redis_stand.postgres.thaw()
    wait_until(lambda: product.anyone.get("/readyz").status == 200, RECOVERY, "readyz to recover")
    user = product.sign_up(name, password)
    user.client.post("/verify_token/").expect(200)


def test_connections_cut_by_the_server(redis_stand):
    """A server that drops every connection, as at its own restart, is noticed and forgiven."""
    product = redis_stand.product
    user = product.sign_up()
    npc_id = make_npc(user.client)
    chat_id = say(user.client, npc_id, "before")["chat_id"]
    redis_stand.cut_connections()
    wait_usable(redis_stand, user.client, npc_id, chat_id)
    wait_until(lambda: user.client.get("/npcs/").status == 200, RECOVERY, "PostgreSQL to be used again")
    assert said(history(user.client, chat_id))[-2] == ("user", "back")


def test_connections_cut_while_nothing_happens(redis_stand):
    """Whoever comes after the server's restart need not notice it: the sidecar has."""
    assert redis_stand.all_connections_work()
    redis_stand.cut_connections()
    cut = time.monotonic()
    # Readiness is cached for 1 s: this one is known to be from after the cut.
    anyone = redis_stand.product.anyone
    wait_until(lambda: time.monotonic() > cut + 1.5 and anyone.get("/readyz").status == 200, RECOVERY, "readiness")
    assert redis_stand.all_connections_work()


def test_scripts_forgotten_by_redis(redis_stand):
    user = redis_stand.product.sign_up()
    chat_id = say(user.client, None, "before")["chat_id"]
    with redis_stand.redis.client() as client:
        client.script_flush()
    say(user.client, None, "after", chat_id)
    assert user_texts(user.client, chat_id) == ["before", "after"]
