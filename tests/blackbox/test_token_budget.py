"""The budget: a long chat's prompt is bounded, with character and memory whole and the newest turns kept."""

import pytest
from harness.talk import end, fresh_chat_id, history, make_npc, say

# The tuned product's HISTORY_TOKENS are 300. No tokenizer makes fewer tokens than one for 8 characters of these texts.
MOST_CHARACTERS = 300 * 8
TURNS = 30


@pytest.fixture
def user(tuned):
    return tuned.sign_up()


def long_chat(product, user, npc_id, turns=TURNS):
    chat_id = fresh_chat_id()
    product.stub.behave(answer="The answer is a rather long one, with several words in it.")
    for number in range(turns):
        say(user.client, npc_id, f"Message number {number}, which has some more words in it.", chat_id)
    return chat_id


def test_the_newest_turns_are_sent(tuned, user):
    npc_id = make_npc(user.client)
    chat_id = long_chat(tuned, user, npc_id)
    say(user.client, npc_id, "And now?", chat_id)
    turns = [turn["text"] for turn in history(user.client, chat_id)]
    assert len(turns) == 2 * TURNS + 2
    messages = tuned.stub.last_messages()
    past = [m["content"] for m in messages[1:-1]]
    assert messages[-1]["content"] == "And now?"
    # More than the three messages that the system before this one sent, and far from all.
    assert 4 <= len(past) < 2 * TURNS and sum(map(len, past)) <= MOST_CHARACTERS
    assert past == turns[-2 - len(past):-2]
    assert [m["role"] for m in messages[1:-1]] == ["user", "assistant"] * (len(past) // 2)


def test_a_prompt_stops_growing(tuned, user):
    npc_id = make_npc(user.client)
    long_chat(tuned, user, npc_id)
    sizes = [sum(len(m["content"]) for m in body["messages"]) for body in tuned.stub.bodies()]
    assert len(sizes) == TURNS
    assert max(sizes[-10:]) <= max(sizes[:20]) + 100


def test_the_character_is_always_whole(tuned, user):
    character = "You're a knight. " + "Your armour is heavy. " * 500 + "You end here."
    npc_id = make_npc(user.client, char_descr=character)
    chat_id = long_chat(tuned, user, npc_id, 5)
    say(user.client, npc_id, "And now?", chat_id)
    messages = tuned.stub.last_messages()
    assert character in messages[0]["content"]
    assert "Message number 4" in str(messages)


def test_the_memory_is_always_whole(tuned, user):
    memory = "Wat is my friend. " * 200 + "He owes me nothing."
    npc_id = make_npc(user.client)
    chat_id = long_chat(tuned, user, npc_id, 2)
    tuned.stub.behave(answer=memory)
    end(user.client, chat_id).expect(200)
    tuned.stub.behave(answer="Yes.")
    say(user.client, npc_id, "Am I your friend?", chat_id)
    say(user.client, npc_id, "And now?", chat_id)
    messages = tuned.stub.last_messages()
    assert memory in messages[0]["content"]
    assert [m["content"] for m in messages[1:]] == ["Am I your friend?", "Yes.", "And now?"]


def test_a_message_longer_than_the_budget_is_sent_whole(tuned, user):
    npc_id = make_npc(user.client)
    chat_id = long_chat(tuned, user, npc_id, 3)
    message = "word " * 5000 + "end"
    say(user.client, npc_id, message, chat_id)
    messages = tuned.stub.last_messages()
    assert messages[-1]["content"] == message
    assert sum(len(m["content"]) for m in messages[1:-1]) <= MOST_CHARACTERS
    # In the turn after it, it is history, and does not fit.
    say(user.client, npc_id, "And now?", chat_id)
    messages = tuned.stub.last_messages()
    assert sum(len(m["content"]) for m in messages[1:]) <= MOST_CHARACTERS


def test_the_memory_has_all_that_was_said(tuned, user):
    npc_id = make_npc(user.client)
    chat_id = long_chat(tuned, user, npc_id)
    tuned.stub.reset()
    tuned.stub.behave(answer="They sent many messages.")
    end(user.client, chat_id).expect(200)
    bodies = tuned.stub.bodies()
    assert all([m["role"] for m in body["messages"]] == ["system", "user"] for body in bodies)
    transcripts = "".join(body["messages"][1]["content"] for body in bodies)
    for number in range(TURNS):
        assert f"Message number {number}," in transcripts


def test_a_long_chat_in_full(product):
    user = product.sign_up()
    npc_id = make_npc(user.client)
    chat_id = fresh_chat_id()
    product.stub.behave(answer="A short answer.")
    long_text = "It was a long and winding road that led to the castle. " * 500
    for number in range(6):
        say(user.client, npc_id, f"{number}: {long_text}", chat_id)
    messages = product.stub.last_messages()
    # 8,192 tokens unless told otherwise: one of these messages fits into them, five do not.
    past = messages[1:-1]
    assert 2 <= len(past) < 10
    assert past[-2]["content"].startswith("4: ")
    assert len(history(user.client, chat_id)) == 12
