"""What must be true of a run, as functions of what clients saw and what the stores have.

Each gives sentences on what is wrong; none where all is well.
"""

import dataclasses
import re

RECEIVED = re.compile(r"Messages received: (\d+)\.$")


def check_chat(turns, messages):
    """One chat's turns against its history, (role, text) of each message.

    Every acknowledged turn is there once with the answer that its client has, every other at most once, none that was
    never sent; a turn that was begun after another had ended comes after it; each was answered knowing all before it.
    """
    where = f"chat {turns[0].chat} of {turns[0].user}"
    if len(messages) % 2 or any(role != ("user", "assistant")[at % 2] for at, (role, _) in enumerate(messages)):
        return [f"{where}: not pairs of messages: {messages}"]
    pairs = [(messages[at][1], messages[at + 1][1]) for at in range(0, len(messages), 2)]
    return [f"{where}: {finding}" for check in (_check_presence, _check_order, _check_answers)
            for finding in check(turns, pairs)]


def _check_presence(turns, pairs):
    stored = [text for text, _ in pairs]
    answers = dict(pairs)
    sent = {turn.text for turn in turns}
    for turn in turns:
        count = stored.count(turn.text)
        if turn.answer is not None and count == 0:
            yield f"{turn.text!r} was acknowledged and is lost"
        elif turn.answer is not None and answers[turn.text] != turn.answer:
            yield f"{turn.text!r} has another answer than its client: {answers[turn.text]!r}, not {turn.answer!r}"
        if count > 1:
            yield f"{turn.text!r} is there {count} times"
    for text in stored:
        if text not in sent:
            yield f"{text!r} was never sent"


def _check_order(turns, pairs):
    by_text = {turn.text: turn for turn in turns}
    latest = None  # of the turns so far, the one that was begun last
    for text, _ in pairs:
        turn = by_text.get(text)
        if turn is None:
            continue
        if latest is not None and turn.answer is not None and turn.ended < latest.begun:
            yield f"{turn.text!r} was over before {latest.text!r} began, and comes after it"
        if latest is None or turn.begun > latest.begun:
            latest = turn


def _check_answers(_, pairs):
    for number, (text, answer) in enumerate(pairs):
        found = RECEIVED.search(answer)
        # The system message, two for each turn before, and the message itself.
        if not found or int(found[1]) != 2 + 2 * number:
            yield f"turn {number + 1}, {text!r}, was answered knowing other turns: {answer!r}"


@dataclasses.dataclass
class Stretch:
    """A stretch of time: how much of something a user got in it, and how much at most it may have been."""

    seconds: float
    amount: float
    bound: float

    @property
    def exceeded(self):
        return self.amount > self.bound

    def text(self, unit):
        return f"{self.amount:.0f} {unit} in {self.seconds:.1f} s, where {self.bound:.1f} are the most"


def fullest_stretch(turns, bound):
    """The stretch of time in which a user got most beyond `bound(begin, end)`, or came nearest to it; None: no turn.

    `turns` are what was acknowledged, as (begun, ended, amount). What was begun and acknowledged in a stretch was let
    through in it.
    """
    turns = sorted(turns)
    worst = None
    for first, (begin, _, _) in enumerate(turns):
        end, amount = begin, 0
        for _, ended, more in turns[first:]:
            end = max(end, ended)
            amount += more
            stretch = Stretch(end - begin, amount, bound(begin, end))
            if worst is None or stretch.amount - stretch.bound > worst.amount - worst.bound:
                worst = stretch
    return worst


def bound_of_requests(lives, per_minute, burst):
    """What a plan of requests, which each edge holds by itself, lets through: a bound for fullest_stretch().

    `lives` are the times from which to which an edge's memory was there. Every one that lived in a stretch lets through
    `burst` + 1, and `per_minute`/60 a second of its life in it.
    """
    def bound(begin, end):
        seconds = [min(end, until) - max(begin, since) for since, until in lives if since <= end and until >= begin]
        return sum(burst + 1 + per_minute / 60 * length for length in seconds)
    return bound


def bound_of_tokens(failovers, per_minute, clients, largest):
    """The same for a plan of tokens, which all sidecars hold together.

    A minute's tokens, and what comes back of them; and of the last that are granted, one for each of `clients`, each
    may take `largest`, as it is settled only when it is over. In each of `failovers`, (begun, ended), a Redis may have
    taken over that knew nothing of what was used: a minute's tokens once more.
    """
    def bound(begin, end):
        forgotten = sum(since <= end and until >= begin for since, until in failovers)
        return per_minute * (1 + forgotten + (end - begin) / 60) + clients * largest
    return bound
