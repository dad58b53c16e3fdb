"""A Redis of another kind: on a unix socket, of little trust, or one that can lose chats, as the sidecar's log says."""

import pytest
from harness.services import Redis
from harness.talk import history, said, say, send
from harness.waiting import wait_until


@pytest.fixture
def redis(launcher):
    server = Redis(launcher.new_folder("redis")).start()
    yield server
    server.stop()


def warnings(product, count):
    """The lines on Redis' settings, once there are so many."""
    def lines():
        return [line for line in product.log_text().splitlines() if "Redis settings" in line]
    return wait_until(lambda: lines() if len(lines()) >= count else None, 10, "the warnings")


def test_settings_that_lose_chats_are_named(fresh, redis):
    with redis.client() as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
    product = fresh.product({"REDIS_URL": redis.url()}).start()
    policy, appendonly = warnings(product, 2)
    assert "set maxmemory-policy noeviction" in policy and '"warning"' in policy
    assert "set appendonly yes" in appendonly
    say(product.sign_up().client, None, "hello")


def test_a_redis_that_keeps_them_to_itself_is_used_all_the_same(fresh, redis):
    with redis.client() as client:
        client.acl_setuser("npcchat", enabled=True, passwords=["+secret"], keys=["npcchat:*"],
                           categories=["+@all"], commands=["-config"])
    product = fresh.product({"REDIS_URL": redis.url().replace("redis://", "redis://npcchat:secret@")}).start()
    wait_until(lambda: "does not tell its settings" in product.log_text(), 10, "the log")
    say(product.sign_up().client, None, "hello")
    assert "Redis settings" not in product.log_text()


def test_a_unix_socket_is_connected_to_again(fresh, launcher):
    redis = Redis(launcher.new_folder("redis"), durable=True, unix=True).start()
    try:
        client = fresh.product({"REDIS_URL": redis.unix_url(3)}).start().sign_up().client
        say(client, None, "The well is dry.", chat_id="well")
        redis.stop()
        send(client, None, "Still?", chat_id="well").expect_error(503)
        redis.start()
        wait_until(lambda: send(client, None, "Still?", chat_id="well").status == 200, 10, "the chat")
        assert [text for role, text in said(history(client, "well")) if role == "user"] == ["The well is dry.", "Still?"]
        with redis.client(3) as keys:
            assert any(b"well" in key for key in keys.scan_iter())
    finally:
        redis.stop()
