"""Users who talk while something breaks, and what must be in their chats afterwards."""

import threading
import time

from .talk import fresh_chat_id, history, send
from .waiting import wait_until


def user_texts(client, chat_id):
    """What was said in a chat whose every turn must be whole."""
    turns = history(client, chat_id)
    assert [turn["role"] for turn in turns] == ["user", "assistant"] * (len(turns) // 2)
    return [turn["text"] for turn in turns][::2]


class Talkers:
    """Users who talk without a pause, each in a chat, and note which turns were acknowledged."""

    def __init__(self, product, npc_id, count):
        self._stop = threading.Event()
        self._npc_id = npc_id
        self.clients = [product.sign_up().client for _ in range(count)]
        self.chats = [fresh_chat_id("flow") for _ in range(count)]
        self.sent = [[] for _ in range(count)]
        self.statuses = set()
        self.slowest = 0.0
        self._threads = [threading.Thread(target=self._talk, args=(number,)) for number in range(count)]
        for thread in self._threads:
            thread.start()

    def _talk(self, number):
        turn = 0
        while not self._stop.is_set():
            turn += 1
            start = time.monotonic()
            answer = send(self.clients[number], self._npc_id, f"turn {turn}", self.chats[number])
            self.slowest = max(self.slowest, time.monotonic() - start)
            self.statuses.add(answer.status)
            self.sent[number].append((f"turn {turn}", answer.status))

    def wait_for_turns(self, status, count, timeout=5):
        """Waits until every talker has had `count` more answers with this status."""
        before = [self._had(number, status) for number in range(len(self.sent))]
        wait_until(lambda: all(self._had(number, status) >= before[number] + count for number in range(len(before))),
                   timeout, f"{count} more answers {status} for everybody")

    def _had(self, number, status):
        return sum(1 for _, had in self.sent[number] if had == status)

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(15)

    def check_histories(self):
        """Every acknowledged turn is stored, once, in order, and nothing that was refused.

        Only a turn that was in flight when the store stopped may be there too: stored, but its reply never came.
        """
        for number, client in enumerate(self.clients):
            sent = self.sent[number]
            in_flight = {text for (_, before), (text, status) in zip(sent, sent[1:]) if (before, status) == (200, 503)}
            expected = [text for text, status in sent if status == 200]
            stored = user_texts(client, self.chats[number])
            assert [text for text in stored if text not in in_flight] == expected, (
                f"lost: {sorted(set(expected) - set(stored))}, refused and stored: "
                f"{sorted(set(stored) - set(expected) - in_flight)}; stored: {stored}; sent: {sent}")
            assert len(set(stored)) == len(stored), f"stored twice: {stored}"
