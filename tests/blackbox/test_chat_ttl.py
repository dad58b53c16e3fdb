"""CHAT_TTL: a chat that nobody uses ends, one that is used does not."""

import time

import pytest
import redis
from harness.launcher import ALL_STORES, REDIS
from harness.talk import end, history, make_npc, say, send
from harness.waiting import wait_until

TTL = 2


DAY = 86_400_000  # milliseconds


@pytest.mark.parametrize("stores", ALL_STORES)
def test_an_idle_chat_ends(fresh, stores):
    product = fresh.start(stores, CHAT_TTL=TTL)
    user = product.sign_up()
    npc_id, other = make_npc(user.client), make_npc(user.client)
    idle = say(user.client, npc_id, "idle")["chat_id"]
    used = say(user.client, npc_id, "used")["chat_id"]
    remembered = say(user.client, npc_id, "remembered")["chat_id"]
    end(user.client, remembered).expect(200)
    start = time.monotonic()
    # Every message begins its time anew.
    while time.monotonic() - start < TTL + 1:
        send(user.client, npc_id, "still here", used).expect(200)
        wait_until(lambda now=time.monotonic(): time.monotonic() - now > TTL / 4, TTL, "a part of the time")
    for chat_id in (idle, remembered):
        wait_until(lambda: user.client.get(f"/chat/{chat_id}/history").status == 404, 5, "the end of an idle chat")
        product.admin.get(f"/chat/{user.name}/{chat_id}/history").expect_error(404)
        end(user.client, chat_id).expect_error(400)
    assert history(user.client, used)[0]["text"] == "used"
    # Its name is free again, for another NPC too, and nothing of it is left.
    product.stub.reset()
    say(user.client, other, "hello", idle)
    assert len(product.stub.last_messages()) == 2
    assert len(history(user.client, idle)) == 2


def test_all_keys_of_a_long_lived_chat_have_an_end(fresh):
    product = fresh.start(REDIS, CHAT_TTL=30 * DAY // 1000, ARCHIVE_AFTER=0)
    user = product.sign_up()
    npc_id = make_npc(user.client, has_scratchpad=True)
    chat_id = say(user.client, npc_id, "one")["chat_id"]
    with redis.Redis.from_url(product.env["REDIS_URL"]) as store:
        def ends():
            found = {key.decode().rsplit(":", 1)[1]: store.pttl(key) for key in store.keys(f"*{chat_id}*")}
            assert all(30 * DAY - 60_000 <= left <= 32 * DAY for left in found.values()), found
            return found

        assert set(ends()) == {"meta", "log"}
        # Its end is near: the next turn puts it off.
        for key in store.keys(f"*{chat_id}*"):
            store.pexpire(key, DAY)
            if key.endswith(b":meta"):
                store.hset(key, "expires", int(time.time() * 1000) + DAY)
        say(user.client, npc_id, "two", chat_id)
        ends()
        # What comes later lives as long.
        product.stub.behave(answer="<scratchpad>a thought</scratchpad>three")
        say(user.client, npc_id, "three", chat_id)
        assert set(ends()) == {"meta", "log", "pad"}
        product.stub.behave(answer="four")
        say(user.client, npc_id, "four", chat_id)
        ends()
