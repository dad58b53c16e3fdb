"""DATABASE_URL with several hosts, as libpq takes them: the product finds the primary, and the new one after it is lost."""

import pytest
from harness.services import Postgres, PostgresStandby
from harness.talk import history, make_npc, say, send
from harness.waiting import wait_until

RECOVERY = 10


@pytest.fixture
def servers(launcher):
    primary = Postgres(launcher.new_folder("primary")).start()
    database = primary.new_database()
    standby = PostgresStandby(launcher.new_folder("standby"), primary).start()
    yield primary, standby, database
    standby.stop()
    primary.stop()


def test_the_new_primary_is_found(launcher, fresh, servers):
    primary, standby, database = servers
    # The standby stands first: it takes connections, and must not be taken for the primary.
    url = (f"postgresql://postgres@127.0.0.1:{standby.port},127.0.0.1:{primary.port}/{database}"
           "?target_session_attrs=read-write")
    product = fresh.product({"DATABASE_URL": url, "STORE_TIMEOUT": 1}).start()
    user = product.sign_up()
    npc_id = make_npc(user.client)
    chat_id = say(user.client, npc_id, "before")["chat_id"]
    wait_until(standby.is_in_step, RECOVERY, "the standby to have all")
    primary.kill()
    send(user.client, npc_id, "lost", chat_id).expect_error(503)
    standby.promote()
    wait_until(lambda: product.anyone.get("/readyz").status == 200, RECOVERY, "readiness")
    wait_until(lambda: send(user.client, npc_id, "after", chat_id).status == 200, RECOVERY, "the chat to go on")
    make_npc(user.client)
    texts = [turn["text"] for turn in history(user.client, chat_id)][::2]
    assert texts == ["before", "after"]
