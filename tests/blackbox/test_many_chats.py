"""A thousand chats at once against a slow model: all answered, and no thread for each."""

import asyncio
import collections
import resource
import time

import aiohttp
from harness.stack import threads_of
from harness.talk import history, make_npc, say

CHATS = 1000
LATENCY = 2.0


async def send_all(product, npc_id, probe):
    """A message in each of CHATS chats at once; statuses and times of all, and what `probe` saw in the middle."""
    headers = {"Authorization": product.admin_key}

    async def one(session, number):
        body = {"npc_id": npc_id, "message": f"message {number}", "chat_id": f"many-{number}"}
        start = time.monotonic()
        async with session.post(f"http://127.0.0.1:{product.port}/chat_npc/", json=body, headers=headers) as answer:
            text = (await answer.json()).get("response", "")
            return answer.status, time.monotonic() - start, f"message {number}\n" in text

    async def look():
        await asyncio.to_thread(product.stub.wait_for, CHATS, "", 30)
        return probe()

    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
        looking = asyncio.create_task(look())
        answers = await asyncio.gather(*(one(session, number) for number in range(CHATS)))
        return answers, await looking


def raise_descriptor_limit():
    """Every chat is a connection, and shells begin with 1,024 descriptors."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def test_a_thousand_chats_at_once(product):
    raise_descriptor_limit()
    npc_id = make_npc(product.admin)
    say(product.admin, npc_id, "warm up")
    product.stub.reset()
    product.stub.behave(latency=LATENCY)
    pid = product.sidecar_pid()
    answers, threads = asyncio.run(send_all(product, npc_id, lambda: threads_of(pid)))
    assert collections.Counter(status for status, _, _ in answers) == {200: CHATS}
    assert all(right for _, _, right in answers), "answers were mixed up"
    # 3 s is what it must reach by itself; here client and stub, both in Python, share two cores with it.
    assert max(took for _, took, _ in answers) < LATENCY + 8
    assert threads < 40, f"{threads} threads"
    assert product.sidecar_pid() == pid
    for number in (0, CHATS // 2, CHATS - 1):
        assert history(product.admin, f"many-{number}")[0]["text"] == f"message {number}"
