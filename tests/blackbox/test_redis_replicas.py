"""REDIS_WAIT_REPLICAS: a turn is acknowledged when a replica has it."""

import pytest
from harness.redis_sentinel import WatchedRedis
from harness.services import Redis
from harness.talk import end, fresh_chat_id, history, said
from harness.waiting import wait_until


@pytest.fixture
def servers(launcher):
    """Two servers; the second follows nobody yet."""
    servers = [Redis(launcher.new_folder("redis")).start() for _ in range(2)]
    yield servers
    for server in servers:
        server.stop()


def follow(replica, master):
    with replica.client() as client, master.client() as followed:
        client.replicaof("127.0.0.1", master.port)
        wait_until(lambda: followed.execute_command("WAIT", 1, 1000) == 1, 30, "the replica")


def test_what_no_replica_has_is_not_acknowledged(fresh, launcher, servers):
    master, replica = servers
    env = {"DATABASE_URL": launcher.postgres.url(launcher.postgres.new_database()), "REDIS_URL": master.url(),
           "REDIS_WAIT_REPLICAS": 1, "STORE_TIMEOUT": 1}
    product = fresh.product(env).start()
    client, chat = product.sign_up().client, fresh_chat_id()

    def ask(text):
        return client.post("/chat/", json_body={"message": text, "chat_id": chat}, headers={"Idempotency-Key": text})

    follow(replica, master)
    ask("one").expect(200)
    with replica.client() as following:
        assert following.llen(following.keys("npcchat:*:log")[0]) == 2
    replica.stop()
    # It is at the master all the same: what is sent again finds it, and is not acknowledged either.
    ask("two").expect_error(503)
    ask("two").expect_error(503)
    replica.start()
    follow(replica, master)
    repeat = ask("two").expect(200).json
    ask("three").expect(200)
    texts = [text for role, text in said(history(client, chat)) if role == "user"]
    assert texts == ["one", "two", "three"]
    assert repeat["response"] == said(history(client, chat))[3][1]
    assert len(product.stub.requests("two")) == 2  # in the prompt of "three" too
    replica.stop()
    end(client, chat).expect_error(503)


def test_where_sentinels_name_the_master_too(fresh, launcher):
    watched = WatchedRedis(launcher.new_folder("watched"), sentinels=1).start()
    try:
        env = {"DATABASE_URL": launcher.postgres.url(launcher.postgres.new_database()), "REDIS_URL": watched.url(),
               "REDIS_WAIT_REPLICAS": 1, "STORE_TIMEOUT": 1}
        client = fresh.product(env).start().sign_up().client
        client.post("/chat/", json_body={"message": "one"}).expect(200)
        replica = next(server for server in watched.servers if server is not watched.master())
        replica.kill()
        client.post("/chat/", json_body={"message": "two"}).expect_error(503)
    finally:
        watched.stop()


def test_a_wrong_number_is_told(fresh, launcher):
    product = fresh.product({"REDIS_WAIT_REPLICAS": "many"})
    product.begin()
    assert product.wait(30) != 0
    assert "REDIS_WAIT_REPLICAS must be a number from 0 to 16" in product.log_text() + product.output
