"""The checker of the proof finds what it is there for."""

import pytest
from proof.checker import bound_of_requests, bound_of_tokens, check_chat, fullest_stretch
from proof.record import Attempt, Turn


def turn(number, *, begun, ended, answer="", acknowledged=True):
    text = f"message {number}"
    return Turn("user", "chat", text, keyed=True, answer=answer or stored(number, number)[1][1] if acknowledged else None,
                attempts=[Attempt(begun, ended, 200 if acknowledged else "timed out")])


def stored(number, place):
    """A turn in a history, as the stub model answers it in that place, from 1."""
    return [("user", f"message {number}"),
            ("assistant", f"You said: message {number}\nMessages received: {2 * place}.")]


def three():
    return [turn(number, begun=number, ended=number + 0.5) for number in (1, 2, 3)]


def history(*numbers):
    return [message for place, number in enumerate(numbers, 1) for message in stored(number, place)]


def test_all_is_well():
    assert check_chat(three(), history(1, 2, 3)) == []


def test_an_unacknowledged_turn_may_be_there_or_not():
    turns = [*three(), turn(4, begun=4, ended=10, acknowledged=False)]
    assert check_chat(turns, history(1, 2, 3)) == []
    assert check_chat(turns, history(1, 2, 3, 4)) == []
    assert check_chat(turns, history(1, 2, 3, 4, 4))


@pytest.mark.parametrize("numbers, naming", [
    ((1, 2), "lost"), ((), "lost"), ((1, 2, 3, 3), "2 times"), ((1, 2, 3, 9), "never sent"), ((1, 3, 2), "comes after"),
])
def test_what_is_wrong_is_found(numbers, naming):
    found = check_chat(three(), history(*numbers))
    assert any(naming in finding for finding in found), found


def test_turns_at_the_same_time_have_any_order():
    turns = [turn(1, begun=1, ended=5, answer=stored(1, 2)[1][1]), turn(2, begun=2, ended=3, answer=stored(2, 1)[1][1])]
    assert check_chat(turns, history(2, 1)) == []


def test_an_answer_to_an_older_state_is_found():
    assert any("other turns" in finding
               for finding in check_chat(three(), history(1, 2) + stored(3, 2)))


def test_another_answer_than_the_clients_is_found():
    turns = [turn(1, begun=1, ended=2, answer="You said: message 1\nSomething else.\nMessages received: 2.")]
    assert any("another answer" in finding for finding in check_chat(turns, history(1)))


def test_half_a_turn_is_found():
    assert check_chat(three()[:1], history(1)[:1])


def exceeded(turns, bound):
    return fullest_stretch(turns, bound).exceeded


def test_requests_a_minute():
    one, two = [(0, 100)], [(0, 100), (0, 100)]
    burst = [(10 + number / 100, 10 + number / 100, 1) for number in range(11)]
    assert not exceeded(burst, bound_of_requests(two, per_minute=60, burst=9))
    assert exceeded(burst, bound_of_requests(one, per_minute=60, burst=9))
    # One a second beyond the burst; a memory that began anew lets a burst through again.
    steady = [(float(second), float(second), 1) for second in range(60)]
    assert not exceeded(steady, bound_of_requests(one, per_minute=60, burst=0))
    assert not exceeded(burst, bound_of_requests([(0, 10.05), (10.05, 100)], per_minute=60, burst=9))


def test_tokens_a_minute():
    """A minute's tokens at once and then as many as come back, but for the last ones' answers."""
    bound = bound_of_tokens([], per_minute=600, clients=1, largest=100)
    steady = [(number * 10.0, number * 10.0 + 1, 100) for number in range(20)]
    assert not exceeded([(0.0, 0.1, 600), *steady], bound)
    assert exceeded([(0.0, 0.1, 800), *steady], bound)
    # Too much in the middle of a long run that has had little is too much.
    late = [(300.0, 301.0, 720)]
    assert exceeded([(0.0, 1.0, 50), *late], bound)
    assert not exceeded(late, bound_of_tokens([(290.0, 300.5)], per_minute=600, clients=1, largest=100))
    assert exceeded(late, bound_of_tokens([(200.0, 299.0)], per_minute=600, clients=1, largest=100))


def test_nothing_is_no_stretch():
    assert fullest_stretch([], bound_of_tokens([], per_minute=1, clients=1, largest=0)) is None
