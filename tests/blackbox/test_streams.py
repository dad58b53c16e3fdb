"""Streamed chats: what the player reads while the model still writes, and what is left when it is done."""

import pytest
from harness.streams import chat_stream, say_streamed
from harness.talk import fresh_chat_id, full_history, history, make_npc, say, send

PIECES = ["Good", " day,", " trave", "ller.", "\n", " Zażółć 🐉", "  "]


@pytest.fixture
def user(product):
    return product.sign_up()


def test_the_pieces_are_the_answer(any_product):
    user = any_product.sign_up()
    npc_id = make_npc(user.client)
    any_product.stub.behave(pieces=PIECES)
    with chat_stream(user.client, npc_id, "hello", fresh_chat_id()) as stream:
        assert stream.status == 200
        assert stream.headers["Content-Type"] == "text/event-stream"
        assert stream.headers["X-Request-Id"] and stream.headers["Cache-Control"] == "no-cache"
        assert not [name for name in stream.headers if name.lower().startswith(("x-npcchat-", "x-accel-"))]
        events = stream.events()
    final = events[-1].json
    assert [event.json["delta"] for event in events[:-1]] == ["Good", " day,", " trave", "ller.", "\n Zażółć 🐉"]
    assert final["response"] == "Good day, traveller.\n Zażółć 🐉"
    assert final["usage"]["prompt_tokens"] > 0 and final["usage"]["completion_tokens"] > 0
    assert set(final) == set(say(user.client, npc_id, "and now whole"))
    assert [turn["text"] for turn in history(user.client, final["chat_id"])] == ["hello", final["response"]]
    assert any_product.stub.bodies("hello")[0]["stream"] is True


def test_a_streamed_chat_goes_on_as_any_other(product, user):
    npc_id = make_npc(user.client)
    _, first = say_streamed(user.client, npc_id, "first")
    say(user.client, npc_id, "second", first["chat_id"])
    say_streamed(user.client, npc_id, "third", first["chat_id"])
    sent = [message["content"] for message in product.stub.last_messages() if message["role"] == "user"]
    assert sent == ["first", "second", "third"]
    say_streamed(user.client, None, "hello")


def test_a_piece_is_shown_while_the_model_still_writes(product, user):
    product.stub.behave(pieces=["Good", " day."], hang_after=2)
    with chat_stream(user.client, make_npc(user.client), "hello") as stream:
        # The first event of the model says who speaks, the second has the first piece; then it hangs.
        assert stream.read_event().json == {"delta": "Good"}


@pytest.mark.parametrize("pieces, deltas", [
    (["<scratch", "pad>hid", "den</scratchpad>Good", " day."], ["Good", " day."]),
    (["  ", "\n<think>a</think> ", " Good", " ", "day.", "\n\n"], ["Good", " day."]),
    (["Good day.", " <thi", "nk>never closed", " and more"], ["Good day."]),
    (["Good <", "reason", ">hidden</reason", ">day."], ["Good ", "day."]),
    (["a <", "b> c", " <think", "er> d"], ["a <b> c", " <thinker> d"]),
    (["</thought>Good", " day</think>."], ["Good", " day."]),
])
def test_thinking_is_cut_wherever_the_pieces_part(product, user, pieces, deltas):
    npc_id = make_npc(user.client, has_scratchpad=True)
    product.stub.behave(pieces=pieces)
    shown, final = say_streamed(user.client, npc_id, "hello")
    assert "".join(shown) == "".join(deltas) == final["response"]
    turn = history(user.client, final["chat_id"])[1]
    assert turn["text"] == final["response"]
    whole = full_history(product, user.name, final["chat_id"])["history"][1]
    assert ("hidden" in "".join(pieces)) == ("hidden" in whole.get("scratchpad", ""))


@pytest.mark.parametrize("pieces, at_once", [
    (["Is 1 < 2"], "Is 1 < 2"), (["a <b"], "a <b"), (["x <thinker"], "x <thinker"), (["Hm. <scratchy"], "Hm. <scratchy"),
    (["Yes.<thi"], "Yes."), (["Yes. <"], "Yes."), (["Yes.<think>hidden"], "Yes."),
])
def test_only_what_can_be_a_tag_is_held_back(product, user, pieces, at_once):
    product.stub.behave(pieces=[*pieces, "never sent"], hang_after=1 + len(pieces))
    with chat_stream(user.client, make_npc(user.client), "hello") as stream:
        assert stream.read_event().json == {"delta": at_once}


def test_the_plain_assistant_thinks_only_at_the_start(product, user):
    product.stub.behave(pieces=["<thi", "nk>hidden</think>Use the <th", "ink> tag"])
    _, final = say_streamed(user.client, None, "hello")
    assert final["response"] == "Use the <think> tag"


@pytest.mark.parametrize("pieces", [["<think>hid", "den</think>"], [" ", "\n"], ["<scratchpad>", "hidden"], []])
def test_nothing_to_show_is_a_plain_error(product, user, pieces):
    npc_id, chat_id = make_npc(user.client), fresh_chat_id()
    product.stub.behave(pieces=pieces)
    send(user.client, npc_id, "hello", chat_id, stream=True).expect_error(502)
    user.client.get(f"/chat/{chat_id}/history").expect_error(404)


@pytest.mark.parametrize("settings", [
    {"line_end": "crlf"}, {"line_end": "cr"}, {"comments": True}, {"comments": True, "line_end": "crlf"},
    {"done": False}, {"close": True}, {"trickle": True}, {"done": False, "close": True, "line_end": "crlf"},
    {"finish": "length"},
], ids=str)
def test_endpoints_that_stream_in_their_own_way(product, user, settings):
    product.stub.behave(pieces=PIECES, **settings)
    _, final = say_streamed(user.client, make_npc(user.client), "hello")
    assert final["response"] == "".join(PIECES).strip() and final["usage"]["completion_tokens"] > 0


def test_the_chat_is_free_before_the_last_byte(any_product):
    user = any_product.sign_up()
    npc_id, chat_id = make_npc(user.client), fresh_chat_id()
    for number in range(10):
        with chat_stream(user.client, npc_id, f"message {number}", chat_id) as stream:
            while "response" not in stream.read_event().json:
                pass
            # The acknowledgement is here, the end of the answer is not waited for.
            say(user.client, npc_id, f"and {number}", chat_id)
    assert len(history(user.client, chat_id)) == 40


def test_one_answer_at_a_time(product, user):
    npc_id, chat_id = make_npc(user.client), fresh_chat_id()
    product.stub.behave(pieces=["a", "b"], hang_after=2)
    with chat_stream(user.client, npc_id, "hello", chat_id) as stream:
        stream.read_event()
        send(user.client, npc_id, "me too", chat_id, stream=True).expect_error(409)
        send(user.client, npc_id, "me too", chat_id).expect_error(409)


@pytest.mark.parametrize("body", [{"message": ""}, {"message": 7}, {}, {"message": "x", "chat_id": "a b"},
                                  {"message": "x", "stream": "yes"}, {"message": "x", "stream": 1}])
def test_a_wrong_request_is_refused_plainly(product, user, body):
    user.client.post("/chat/", json_body={"stream": True, **body}).expect_error(422)


def test_a_request_that_names_nothing_known_is_refused_plainly(product, user):
    send(user.client, "no-such-npc", "hello", stream=True).expect_error(404)
    send(user.client, None, "hello", stream=True, model="no-such-model").expect_error(404)
    product.anyone.post("/chat/", json_body={"message": "x", "stream": True}).expect_error(401)


def test_stream_false_and_null_are_no_streams(product, user):
    for value in (False, None):
        assert "response" in say(user.client, None, "hello", stream=value)
