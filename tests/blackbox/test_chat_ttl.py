"""CHAT_TTL: a chat that nobody uses ends, one that is used does not."""

import time

import pytest
from harness.launcher import ALL_STORES
from harness.talk import end, history, make_npc, say, send
from harness.waiting import wait_until

TTL = 2


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
