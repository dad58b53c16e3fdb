"""Clients that chat without end, as README.md says that clients should.

What has an Idempotency-Key is sent again until it is answered, what has none is sent once.
"""

import asyncio
import itertools
import random
import threading
import time

from .record import Attempt, Record, Turn
from .wire import NoAnswer, post

TIMEOUT = 6.0  # seconds that a client waits for an answer
GIVE_UP = 40.0  # and that it goes on with one message
PAUSES = (0.2, 0.4, 0.8, 1.0)  # between attempts, where the answer names none
TURNS_OF_A_CHAT = 20
AGAIN = (409, 429, 502, 503, 504)


class Person:
    """A user whose chats go through the balancer."""

    def __init__(self, name, key, npc_id=None):
        self.name = name
        self.key = key
        self.npc_id = npc_id


class Load:
    """`clients` tasks on a thread of their own, who pause for `pause` seconds between turns, give or take.

    `greedy` are (person, clients): these send all that the person's plan lets through, and more.
    """

    def __init__(self, address, port, people, *, greedy, clients, pause, seed):
        self.record = Record()
        self.address, self.port = address, port
        self.pause = pause
        self._people = people
        self._greedy = greedy
        self._clients = clients
        self._random = random.Random(seed)
        self._numbers = itertools.count(1)
        self._stopping = threading.Event()
        self._failed = None
        self._thread = threading.Thread(target=self._run)

    def start(self):
        self._thread.start()
        return self

    def stop(self):
        """Lets every client finish what it has begun."""
        self._stopping.set()
        self._thread.join(GIVE_UP + 2 * TIMEOUT)
        if self._thread.is_alive():
            raise TimeoutError("the load does not end")
        self.check()

    def check(self):
        """Raises what ended a client too early."""
        if self._failed is not None:
            raise self._failed

    def stopping(self):
        return self._stopping.is_set()

    def _run(self):
        try:
            asyncio.run(self._everyone())
        except BaseException as error:  # noqa: BLE001  it is raised again by check()
            self._failed = error

    async def _everyone(self):
        async with asyncio.TaskGroup() as group:
            for number in range(self._clients):
                person = self._people[number % len(self._people)]
                group.create_task(self._chat_on(person, random.Random(self._random.random())))
            # Two who talk in the same chats.
            for _ in range(2):
                group.create_task(self._chat_on(self._people[0], random.Random(self._random.random()), "together"))
            for person, clients in self._greedy:
                for number in range(clients):
                    group.create_task(self._exceed_plan(person, number))
            group.create_task(self._make_npcs(self._people[0]))

    async def _chat_on(self, person, dice, shared=None):
        while not self.stopping():
            chat = f"{shared or 'chat'}-{next(self._numbers)}"
            for number in range(TURNS_OF_A_CHAT):
                if self.stopping():
                    return
                if shared:
                    # Both get to the same names, at about the same time.
                    chat = f"{shared}-{len(self.record.turns) // 400}"
                turn = Turn(person.name, chat, f"message {next(self._numbers)} of {person.name}",
                            keyed=dice.random() < 0.6, contended=shared is not None)
                await self._take(person, turn, streamed=dice.random() < 0.25)
                await asyncio.sleep(dice.uniform(0, 2 * self.pause))

    async def _take(self, person, turn, *, streamed):
        """Sends a turn, again where that is right, and notes what came of it."""
        self.record.turns.append(turn)
        body = {"message": turn.text, "chat_id": turn.chat, **({"stream": True} if streamed else {})}
        headers = []
        if turn.keyed:
            headers.append(("Idempotency-Key", turn.text.replace(" ", "-")))
        path = "/chat/"
        if person.npc_id is not None:
            body["npc_id"], path = person.npc_id, "/chat_npc/"
        deadline = time.monotonic() + GIVE_UP
        for number in itertools.count():
            again, pause = await self._attempt(person, turn, path, body, headers)
            if not again or time.monotonic() > deadline:
                return
            await asyncio.sleep(pause or PAUSES[min(number, len(PAUSES) - 1)])

    async def _attempt(self, person, turn, path, body, headers):
        """Whether to send it again, and after how many seconds (0: as the client likes)."""
        begun = time.monotonic()
        try:
            reply = await post(self.address, self.port, path, person.key, body, headers=headers, timeout=TIMEOUT)
        except NoAnswer as error:
            self.record.note(turn, Attempt(begun, time.monotonic(), str(error)))
            return turn.keyed, 0
        answer = reply.turn() if reply.status == 200 else None
        if reply.status == 200 and answer is None:
            self.record.note(turn, Attempt(begun, time.monotonic(), "stream broke"))
            return turn.keyed, 0
        self.record.note(turn, Attempt(begun, time.monotonic(), reply.status))
        if answer is not None:
            turn.answer = answer["response"]
            turn.tokens = sum(answer["usage"].values())
            if f"You said: {turn.text}\n" not in turn.answer or answer["chat_id"] != turn.chat:
                self.record.wrong.append(f"{turn.text!r} in {turn.chat} was answered with {answer}")
            return False, 0
        if reply.status not in AGAIN:
            self.record.wrong.append(f"{turn.text!r} in {turn.chat} got {reply.status}: {reply.body[:200]}")
            return False, 0
        # A refusal that says that nothing was done may be repeated without a key too.
        return turn.keyed or reply.status in (409, 429), reply.retry_after()

    async def _exceed_plan(self, person, number):
        """A turn every few milliseconds, whatever the answer; none is tried again."""
        done = 0
        while not self.stopping():
            turn = Turn(person.name, f"{person.name}-{number}-{done // TURNS_OF_A_CHAT}",
                        f"message {next(self._numbers)}", keyed=False)
            self.record.turns.append(turn)
            await self._attempt(person, turn, "/chat/", {"message": turn.text, "chat_id": turn.chat}, [])
            done += turn.answer is not None
            await asyncio.sleep(self.pause * 2)

    async def _make_npcs(self, person):
        """Writes to the database."""
        while not self.stopping():
            text = f"character {next(self._numbers)}"
            body = {"char_descr": text, "world_descr": "a world"}
            try:
                reply = await post(self.address, self.port, "/create_npc/", person.key, body, timeout=TIMEOUT)
            except NoAnswer:
                continue
            finally:
                await asyncio.sleep(0.2)
            if reply.status == 200:
                self.record.npcs[reply.turn()["npc_id"]] = text
