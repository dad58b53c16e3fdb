"""Thinking: what of a reply the player gets, what the model gets back, and what the admin sees."""

import pytest
from harness.talk import full_history, history, make_npc, say, send

NAMES = ("scratchpad", "think", "thinking", "reason", "reasoning", "thought")

CUT = [(f"<{name}>hidden</{name}>Good day.", "Good day.") for name in NAMES] + [
    ("<THINK>hidden</Think>Good day.", "Good day."),
    ("<think>hid\n\nden</think>\n\n  Good day. \n", "Good day."),
    ("Good <scratchpad>hidden</scratchpad>day.", "Good day."),
    ("Good day.<think>hidden</think>", "Good day."),
    ("<think>hid</think>Good <reason>den</reason>day.", "Good day."),
    ("<think>a<think>hidden</think>b</think>Good day.", "Good day."),
    ("<thinking>a<scratchpad>hidden</scratchpad>b</thinking>Good day.", "Good day."),
    ("Good day.</think>", "Good day."),
    ("Good </scratchpad>day.", "Good day."),
    ("Good day.<think>hidden, and never closed", "Good day."),
    ("Good day.<think>a<think>hidden</think> still hidden", "Good day."),
    ("<think></think>Good day.", "Good day."),
    ("Zażółć <think>ukryte hidden</think>gęślą 🐉", "Zażółć gęślą 🐉"),
    ("  Good day.  ", "Good day."),
]

KEPT = ["1 < 2 and 3 > 2", "<b>Good</b> day", "<thinker>Good day</thinker>", "<thin", "I think> so", "< >", "<",
        "scratchpad: good day", "&lt;think&gt;Good day&lt;/think&gt;", "<<>>", "#SCRATCHPAD Good day #ANSWER"]

NOTHING_LEFT = ["<think>hidden</think>", "<think>hidden", "</think>", "  ", "<think>a<think>b</think>c", "\n",
                "<think>a</think> \n <thought>b</thought>"]


@pytest.fixture
def client(embedded):
    return embedded.sign_up().client


@pytest.mark.parametrize("has_scratchpad", [False, True])
@pytest.mark.parametrize("reply, shown", CUT)
def test_blocks_are_cut(embedded, client, reply, shown, has_scratchpad):
    npc_id = make_npc(client, has_scratchpad=has_scratchpad)
    embedded.stub.behave(answer=reply)
    answer = say(client, npc_id, "hello")
    assert answer["response"] == shown
    assert history(client, answer["chat_id"])[1]["text"] == shown


@pytest.mark.parametrize("reply", KEPT)
def test_what_is_no_block_is_kept(embedded, client, reply):
    embedded.stub.behave(answer=reply)
    assert say(client, make_npc(client), "hello")["response"] == reply


@pytest.mark.parametrize("reply", NOTHING_LEFT)
def test_nothing_left(embedded, client, reply):
    npc_id = make_npc(client)
    chat_id = say(client, npc_id, "hello")["chat_id"]
    embedded.stub.behave(answer=reply)
    send(client, npc_id, "again", chat_id).expect_error(502)
    send(client, npc_id, "again", "a-new-chat").expect_error(502)
    assert len(history(client, chat_id)) == 2
    client.get("/chat/a-new-chat/history").expect_error(404)


@pytest.mark.parametrize("reply, shown", [
    ("<think>hidden</think>Good day.", "Good day."),
    (" \n <Thinking>hidden</thinking>\nGood day.", "Good day."),
    ("<think>a<think>b</think>c</think>Good day.", "Good day."),
    ("In XML, <think>hidden</think> is a tag.", "In XML, <think>hidden</think> is a tag."),
    ("Close it with </think>.", "Close it with </think>."),
    ("<think>hidden</think>Write <scratchpad>like this</scratchpad>.", "Write <scratchpad>like this</scratchpad>."),
    ("Good day.<think>", "Good day.<think>"),
])
def test_the_plain_assistant_thinks_only_at_the_start(embedded, client, reply, shown):
    embedded.stub.behave(answer=reply)
    assert say(client, None, "hello")["response"] == shown


def test_the_plain_assistant_with_nothing_left(embedded, client):
    embedded.stub.behave(answer="<think>hidden")
    send(client, None, "hello").expect_error(502)


def test_who_sees_what_was_cut(any_product):
    user = any_product.sign_up()
    npc_id = make_npc(user.client, has_scratchpad=True)
    any_product.stub.behave(answer="<scratchpad>He looks poor.</scratchpad>Welcome!<think>Or not.</think>")
    answer = say(user.client, npc_id, "hello")
    assert "poor" not in str(answer)
    any_product.stub.behave(answer="Sit down.")
    say(user.client, npc_id, "thanks", answer["chat_id"])
    assert any_product.stub.last_messages()[2] == {"role": "assistant", "content": "Welcome!"}
    assert "poor" not in str(any_product.stub.last_messages())
    own = user.client.get(f"/chat/{answer['chat_id']}/history").expect(200)
    assert "poor" not in own.text and "scratchpad" not in own.text
    turns = full_history(any_product, user.name, answer["chat_id"])["history"]
    assert turns[1]["text"] == "Welcome!"
    assert "He looks poor." in turns[1]["scratchpad"] and "Or not." in turns[1]["scratchpad"]
    assert [("scratchpad" in turn) for turn in turns] == [False, True, False, False]


def test_thinking_of_the_model_is_not_in_the_memory_call(product):
    user = product.sign_up()
    npc_id = make_npc(user.client)
    product.stub.behave(answer="<think>He looks poor.</think>Welcome!")
    chat_id = say(user.client, npc_id, "hello")["chat_id"]
    product.stub.reset()
    user.client.post(f"/end_chat_session/?chat_id={chat_id}").expect(200)
    assert "Welcome!" in product.stub.last_messages()[1]["content"]
    assert "poor" not in str(product.stub.last_messages())


def test_a_long_thought(product):
    user = product.sign_up()
    product.stub.behave(answer="<think>" + "hm " * 30000 + "</think>Good day.")
    answer = say(user.client, make_npc(user.client), "hello")
    assert answer["response"] == "Good day."
