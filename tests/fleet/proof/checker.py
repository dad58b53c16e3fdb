"""What must be true of a run, as functions of what clients saw and what the stores have.

Each gives sentences on what is wrong; none where all is well.
"""

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


def check_limit(turns, lives, per_minute, burst):
    """Acknowledged turns of a user, as (begun, ended), against a plan that each edge holds by itself.

    `lives` are the times from which to which an edge's memory was there. In each stretch of time every one that lived
    in it lets through `burst` + 1, and `per_minute`/60 a second of its life in it.
    """
    turns = sorted(turns)
    worst = None
    for first, (begin, _) in enumerate(turns):
        end = begin
        for last in range(first, len(turns)):
            end = max(end, turns[last][1])
            seconds = [min(end, until) - max(begin, since) for since, until in lives if since <= end and until >= begin]
            allowed = sum(burst + 1 + per_minute / 60 * length for length in seconds)
            count = last - first + 1
            if count > allowed and (worst is None or count - allowed > worst[0]):
                worst = (count - allowed, f"{count} turns of the limited user in {end - begin:.2f} s, where "
                                          f"{allowed:.1f} are the most")
    return [worst[1]] if worst else []
