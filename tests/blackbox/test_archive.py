"""ARCHIVE_AFTER: idle chats move from Redis to the database and back, whole; nothing leaves Redis before."""

import signal

import pytest
from harness.launcher import REDIS
from harness.redis_cluster import RedisCluster
from harness.services import Postgres, Redis
from harness.stack import Stack
from harness.talk import all_at_once, end, full_history, history, make_npc, said, say, send
from harness.waiting import wait_until

AFTER = 1
PATIENCE = 20
YEAR = 365 * 86_400_000  # milliseconds


def redis_of(launcher, product):
    return launcher.redis.client(int(product.env["REDIS_URL"].rsplit("/", 1)[1]))


def keys_of(client, chat_id):
    return client.keys(f"npcchat:{{c:*:{chat_id}}}:*")


def wait_archived(client, *chat_ids):
    for chat_id in chat_ids:
        wait_until(lambda chat_id=chat_id: not keys_of(client, chat_id), PATIENCE, f"{chat_id} to leave Redis")


def metric(product, name):
    text = product.admin.get("/metrics").expect(200).text
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(name + " "))


@pytest.fixture(scope="module")
def product(launcher):
    with launcher.group() as group:
        yield group.start(REDIS, ARCHIVE_AFTER=AFTER)


@pytest.fixture
def client(launcher, product):
    with redis_of(launcher, product) as client:
        yield client


def test_an_idle_chat_leaves_redis_and_comes_back(product, client):
    user = product.sign_up()
    npc, other = make_npc(user.client, has_scratchpad=True), make_npc(user.client)
    product.stub.behave(answer="<scratchpad>hidden</scratchpad>shown")
    chat = say(user.client, npc, "one")["chat_id"]
    product.stub.behave(answer="A memory.")
    end(user.client, chat).expect(200)
    product.stub.reset()
    say(user.client, npc, "two", chat)
    before = full_history(product, user.name, chat)
    wait_archived(client, chat)
    assert full_history(product, user.name, chat) == before
    assert before["summary"] == "A memory." and before["history"][1]["scratchpad"] == "hidden"
    send(user.client, other, "hello", chat).expect_error(409)
    product.stub.reset()
    say(user.client, npc, "three", chat)
    sent = product.stub.last_messages()
    assert "A memory." in sent[0]["content"]
    assert [m["content"] for m in sent if m["role"] == "user"] == ["two", "three"]
    assert [text for role, text in said(history(user.client, chat)) if role == "user"] == ["one", "two", "three"]
    # Into the archive and back once more.
    wait_archived(client, chat)
    assert [text for role, text in said(history(user.client, chat)) if role == "user"] == ["one", "two", "three"]
    product.stub.behave(answer="Another memory.")
    end(user.client, chat).expect(200)
    assert full_history(product, user.name, chat)["summary"] == "Another memory."
    assert metric(product, "npcchat_archived_chats_total") >= 2
    assert metric(product, "npcchat_archive_failures_total") == 0


def test_many_chats_at_once(product, client):
    """Those that are used while they are archived as well: each message is there once, in order."""
    users = [product.sign_up() for _ in range(4)]
    chats = [(user, f"many-{number}") for user in users for number in range(10)]
    for round_ in range(3):
        all_at_once(lambda chat: say(chat[0].client, None, str(round_), chat[1]), chats, 16)
        busy, idle = chats[::2], chats[1::2]
        for number in range(2):
            all_at_once(lambda chat: say(chat[0].client, None, f"{round_}.{number}", chat[1]), busy, 16)
        for user, chat_id in idle[:3]:
            wait_until(lambda name=f"npcchat:{{c:*:{chat_id}}}:meta": not client.keys(name), PATIENCE, "the archive")
    for position, (user, chat_id) in enumerate(chats):
        wanted = [text for r in range(3) for text in ([str(r)] + ([f"{r}.0", f"{r}.1"] if position % 2 == 0 else []))]
        turns = said(history(user.client, chat_id))
        assert [text for role, text in turns if role == "user"] == wanted
        assert [role for role, _ in turns] == ["user", "assistant"] * len(wanted)


def test_a_lost_hint_is_found(product, client):
    user = product.sign_up()
    chat = say(user.client, None, "nobody hints at me")["chat_id"]
    wait_until(lambda: client.keys("npcchat:{q:*}:archive"), 5, "the hint")
    for key in client.keys("npcchat:{q:*}:archive"):
        client.delete(key)
    wait_archived(client, chat)
    assert said(history(user.client, chat))[0] == ("user", "nobody hints at me")


def test_what_redis_has_lost_is_in_the_archive(product, client):
    user = product.sign_up()
    npc = make_npc(user.client)
    chat = say(user.client, npc, "before")["chat_id"]
    wait_archived(client, chat)
    say(user.client, npc, "between", chat)
    wait_archived(client, chat)
    client.flushdb()
    say(user.client, npc, "after", chat)
    assert [text for role, text in said(history(user.client, chat)) if role == "user"] == ["before", "between", "after"]


def test_a_deleted_users_archive_goes_too(launcher, product, client):
    user = product.sign_up()
    chat = say(user.client, None, "to be forgotten")["chat_id"]
    wait_archived(client, chat)
    product.admin.delete(f"/users/{user.name}").expect(204)
    database = product.env["DATABASE_URL"].rsplit("/", 1)[1]
    assert "to be forgotten" not in launcher.postgres.dump(database, "--inserts")
    again = product.sign_up(user.name)
    again.client.get(f"/chat/{chat}/history").expect_error(404)


def test_an_ended_chat_is_archived_at_once(launcher, fresh):
    product = fresh.start(REDIS, ARCHIVE_AFTER=3600)
    user = product.sign_up()
    chat, used = say(user.client, None, "one")["chat_id"], say(user.client, None, "two")["chat_id"]
    end(user.client, chat).expect(200)
    wait_until(lambda: metric(product, "npcchat_archived_chats_total") == 1, PATIENCE, "the archive")
    with redis_of(launcher, product) as client:
        # It stays in Redis for a while, for who comes back soon; the other one stays until it is archived.
        assert {client.pttl(key) <= 3_600_000 for key in keys_of(client, chat)} == {True}
        assert {client.pttl(key) > YEAR for key in keys_of(client, used)} == {True}
        say(user.client, None, "back", chat)
        assert {client.pttl(key) > YEAR for key in keys_of(client, chat)} == {True}
    assert len(history(user.client, chat)) == 4


def test_an_archived_chat_ends_with_its_time(launcher, fresh):
    product = fresh.start(REDIS, ARCHIVE_AFTER=1, CHAT_TTL=4)
    user = product.sign_up()
    chat = say(user.client, None, "short-lived")["chat_id"]
    with redis_of(launcher, product) as client:
        wait_archived(client, chat)
    history(user.client, chat)
    wait_until(lambda: user.client.get(f"/chat/{chat}/history").status == 404, PATIENCE, "the end of the chat")
    end(user.client, chat).expect_error(400)


@pytest.fixture
def stand(launcher, fresh):
    """A product on stores of its own, whose sidecar can be killed."""
    postgres = Postgres(launcher.new_folder("postgres")).start()
    redis = Redis(launcher.new_folder("redis"), durable=True).start()
    stack = Stack(fresh.product({"DATABASE_URL": postgres.url(postgres.new_database()), "REDIS_URL": redis.url(),
                                 "ARCHIVE_AFTER": AFTER, "STORE_TIMEOUT": 1}).start())
    try:
        yield stack.start(), postgres, redis
    finally:
        stack.stop()
        postgres.stop()
        redis.stop()


def test_killed_and_without_a_database(stand):
    stack, postgres, redis = stand
    product = stack.product
    user = product.sign_up()
    chat = say(user.client, None, "while PostgreSQL is away")["chat_id"]
    postgres.freeze()
    with redis.client() as client:
        wait_until(lambda: metric(product, "npcchat_archive_failures_total") >= 1, PATIENCE, "a failure")
        wait_until(lambda: metric(product, "npcchat_archive_lag_seconds") >= 1, PATIENCE, "a lag")
        assert all(client.pttl(key) > YEAR for key in keys_of(client, chat)) and keys_of(client, chat)
        say(user.client, None, "it goes on", chat)
        # The sidecar dies with work half done, and PostgreSQL comes back before it.
        chats = [f"killed-{number}" for number in range(60)]
        postgres.thaw()
        all_at_once(lambda chat_id: say(user.client, None, "one", chat_id), chats, 16)
        wait_until(lambda: len(client.keys("npcchat:{c:*}:meta")) < 61, PATIENCE, "the archive's begin")
        stack.signal_sidecar(signal.SIGKILL)
        stack.wait_sidecar(10)
        stack.start_sidecar()
        stack.wait_ready()
        wait_archived(client, chat, *chats)
    for chat_id in chats:
        turns = said(history(user.client, chat_id))
        assert len(turns) == 2 and turns[0] == ("user", "one")
    assert [text for role, text in said(history(user.client, chat)) if role == "user"] == [
        "while PostgreSQL is away", "it goes on"]


def test_in_a_cluster(launcher, fresh):
    """Queues and chats are on all masters, and so is what the slow scan finds."""
    cluster = RedisCluster(launcher.new_folder("cluster")).start()
    try:
        product = fresh.product({"DATABASE_URL": launcher.postgres.url(launcher.postgres.new_database()),
                                 "REDIS_URL": cluster.url(), "ARCHIVE_AFTER": AFTER}).start()
        user = product.sign_up()
        chats = [f"spread-{number}" for number in range(24)]
        all_at_once(lambda chat_id: say(user.client, None, chat_id, chat_id), chats, 8)
        queues = [f"npcchat:{{q:{number}}}:archive" for number in range(16)]
        assert len({cluster.master_of(key).address for key in queues}) == len(cluster.masters())
        for key in queues[::2]:
            cluster.master_of(key).execute("DEL", key)  # their hints are lost
        wait_until(lambda: not cluster.keys("npcchat:{c:*"), PATIENCE, "all chats to leave Redis")
        assert all(said(history(user.client, chat_id))[0] == ("user", chat_id) for chat_id in chats)
        say(user.client, None, "back", chats[0])
        assert len(history(user.client, chats[0])) == 4
        product.stop()
    finally:
        cluster.stop()
