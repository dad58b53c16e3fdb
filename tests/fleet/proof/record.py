"""What clients did and saw: the turns that they sent, and every attempt to."""

import bisect
import dataclasses


@dataclasses.dataclass
class Attempt:
    """One request. `outcome` is the status, or how no answer came; times are of the monotonic clock."""

    begun: float
    ended: float
    outcome: int | str

    @property
    def failed(self):
        """Whether the client saw an error; being told to come back by a limit or by its own other turn is none."""
        return self.outcome not in (200, 429)


@dataclasses.dataclass
class Turn:
    """A message with a text that no other has. `answer` is what acknowledged it; None: it was not."""

    user: str
    chat: str
    text: str
    keyed: bool  # sent with an Idempotency-Key, and again until it was answered
    contended: bool = False  # in a chat that others use at the same time: 409 is no error there
    answer: str | None = None
    tokens: int = 0  # of prompt and answer, as the answer says
    attempts: list[Attempt] = dataclasses.field(default_factory=list)

    @property
    def begun(self):
        return self.attempts[0].begun

    @property
    def ended(self):
        return self.attempts[-1].ended

    def errors(self):
        return [attempt for attempt in self.attempts
                if attempt.failed and not (self.contended and attempt.outcome == 409)]


class Record:
    """All turns of a run, and NPCs that were made meanwhile. Written by the load's thread, read by another."""

    def __init__(self):
        self.turns = []
        self.npcs = {}  # id → text
        self.wrong = []  # sentences on answers that were not what was asked for
        self._attempts = []  # (turn, attempt) in the order of their ends

    def note(self, turn, attempt):
        turn.attempts.append(attempt)
        self._attempts.append((turn, attempt))

    def between(self, begin, end):
        """(turn, attempt) of all attempts that ended in that time."""
        first = bisect.bisect_left(self._attempts, begin, key=lambda entry: entry[1].ended)
        return [entry for entry in self._attempts[first:] if entry[1].ended < end]

    def errors_between(self, begin, end):
        return [attempt for turn, attempt in self.between(begin, end) if attempt in turn.errors()]

    def chats(self):
        """(user, chat) → its turns, in the order in which they were begun."""
        found = {}
        for turn in self.turns:
            found.setdefault((turn.user, turn.chat), []).append(turn)
        return found
