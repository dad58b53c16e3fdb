"""Chats: turns stored whole, one at a time, under their user and their NPC."""

import re
import time

import pytest
from harness.talk import (KNIGHT, all_at_once, fresh_chat_id, full_history, history, in_background, make_npc, said, say,
                          send)

CHAT_ID = re.compile(r"[A-Za-z0-9_-]{22}")
ISO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


@pytest.fixture
def user(any_product):
    return any_product.sign_up()


@pytest.fixture
def npc_id(user):
    return make_npc(user.client)


def test_a_chat_goes_on(any_product, user, npc_id):
    first = say(user.client, npc_id, "My name is Wat.")
    assert CHAT_ID.fullmatch(first["chat_id"])
    assert "a knight at the court" in first["response"] and "My name is Wat." in first["response"]
    second = say(user.client, npc_id, "What is my name?", first["chat_id"])
    assert second["chat_id"] == first["chat_id"]
    assert any_product.stub.last_messages()[1:] == [
        {"role": "user", "content": "My name is Wat."}, {"role": "assistant", "content": first["response"]},
        {"role": "user", "content": "What is my name?"}]
    assert said(history(user.client, first["chat_id"])) == [
        ("user", "My name is Wat."), ("assistant", first["response"]),
        ("user", "What is my name?"), ("assistant", second["response"])]


@pytest.mark.parametrize("empty", [None, ""])
def test_an_empty_chat_id_starts_a_chat(product, empty):
    client = product.sign_up().client
    npc_id = make_npc(client)
    bodies = [{"npc_id": npc_id, "message": "hello", "chat_id": empty} for _ in range(2)]
    ids = [client.post("/chat_npc/", json_body=body).expect(200).json["chat_id"] for body in bodies]
    assert all(CHAT_ID.fullmatch(chat_id) for chat_id in ids) and ids[0] != ids[1]


@pytest.mark.parametrize("chat_id", ["x", "player-7_blacksmith", "A" * 64, "history", "-", "0"])
def test_a_chosen_chat_id(user, npc_id, chat_id):
    assert say(user.client, npc_id, "one", chat_id)["chat_id"] == chat_id
    say(user.client, npc_id, "two", chat_id)
    assert len(history(user.client, chat_id)) == 4


@pytest.mark.parametrize("chat_id", ["A" * 65, "a b", "a/b", "a.b", "ä", "{c}", "a:b", 7, ["x"]])
def test_a_chat_id_that_is_none(product, chat_id):
    client = product.sign_up().client
    body = {"npc_id": make_npc(client), "message": "hello", "chat_id": chat_id}
    client.post("/chat_npc/", json_body=body).expect_error(422, naming="chat_id")
    client.post("/chat/", json_body={"message": "hello", "chat_id": chat_id}).expect_error(422, naming="chat_id")


def test_the_plain_assistant(any_product, user):
    first = say(user.client, None, "Name a tavern.")
    say(user.client, None, "Another.", first["chat_id"])
    messages = any_product.stub.last_messages()
    assert [m["role"] for m in messages] == ["system", "user", "assistant", "user"]
    assert "WORLD SETTING" not in messages[0]["content"] and messages[0]["content"].strip()
    shown = user.client.get(f"/chat/{first['chat_id']}/history").expect(200).json
    assert shown["npc_id"] is None and len(shown["history"]) == 4


def test_a_chat_of_another_user_is_another_chat(any_product, user, npc_id):
    other = any_product.sign_up()
    chat_id = fresh_chat_id()
    say(user.client, npc_id, "the treasure is under the oak", chat_id)
    other.client.get(f"/chat/{chat_id}/history").expect_error(404)
    other.client.post(f"/end_chat_session/?chat_id={chat_id}").expect_error(400)
    say(other.client, npc_id, "where is the treasure?", chat_id)
    assert "oak" not in str(any_product.stub.last_messages())
    assert [turn["text"] for turn in history(other.client, chat_id)][:1] == ["where is the treasure?"]
    assert len(history(user.client, chat_id)) == len(history(other.client, chat_id)) == 2
    # Other users' chats by name are the admin's to read.
    other.client.get(f"/chat/{user.name}/{chat_id}/history").expect_error(403)


def test_the_same_chat_id_may_belong_to_two_npcs_of_two_users(any_product, user, npc_id):
    other = any_product.sign_up()
    chat_id = fresh_chat_id()
    say(user.client, npc_id, "hello", chat_id)
    say(other.client, make_npc(other.client), "hello", chat_id)
    say(other.client, None, "hello")


def test_a_chat_belongs_to_one_npc(any_product, user, npc_id):
    chat_id = say(user.client, npc_id, "hello")["chat_id"]
    another = make_npc(user.client)
    any_product.stub.reset()
    send(user.client, another, "hello", chat_id).expect_error(409)
    send(user.client, None, "hello", chat_id).expect_error(409)
    plain = fresh_chat_id()
    say(user.client, None, "hello", plain)
    send(user.client, npc_id, "hello", plain).expect_error(409)
    assert len(any_product.stub.requests()) == 1
    assert len(history(user.client, chat_id)) == 2 and len(history(user.client, plain)) == 2


def test_two_messages_at_once(any_product, user, npc_id):
    chat_id = say(user.client, npc_id, "zero")["chat_id"]
    any_product.stub.reset()
    any_product.stub.behave(latency=1, match="slow one")
    slow = in_background(say, user.client, npc_id, "slow one", chat_id)
    any_product.stub.wait_for(1)
    start = time.monotonic()
    send(user.client, npc_id, "in between", chat_id).expect_error(409)
    assert time.monotonic() - start < 0.8, "the refusal waited for the answer"
    slow.result()
    # Whoever has the answer can go on at once.
    say(user.client, npc_id, "next", chat_id)
    assert [turn["text"] for turn in history(user.client, chat_id)][::2] == ["zero", "slow one", "next"]


def test_an_end_while_the_npc_answers(any_product, user, npc_id):
    chat_id = say(user.client, npc_id, "zero")["chat_id"]
    any_product.stub.reset()
    any_product.stub.behave(latency=1, match="slow one")
    slow = in_background(say, user.client, npc_id, "slow one", chat_id)
    any_product.stub.wait_for(1)
    user.client.post(f"/end_chat_session/?chat_id={chat_id}").expect_error(409)
    slow.result()
    user.client.post(f"/end_chat_session/?chat_id={chat_id}").expect(200)


def test_many_first_messages_at_once(any_product, user, npc_id):
    chat_id = fresh_chat_id()
    any_product.stub.behave(latency=0.7)
    answers = all_at_once(lambda n: send(user.client, npc_id, f"message {n}", chat_id), range(10))
    assert sorted(answer.status for answer in answers) == [200] + [409] * 9
    winner = next(answer for answer in answers if answer.status == 200)
    turns = history(user.client, chat_id)
    assert len(turns) == 2 and turns[1]["text"] == winner.json["response"]


def test_other_chats_go_on_meanwhile(any_product, user, npc_id):
    any_product.stub.behave(latency=1)
    start = time.monotonic()
    all_at_once(lambda n: say(user.client, npc_id, f"message {n}"), range(10))
    assert time.monotonic() - start < 5


def test_the_chat_is_free_when_its_answer_is_there(any_product, user, npc_id):
    chat_id = fresh_chat_id()
    for number in range(30):
        say(user.client, npc_id, f"message {number}", chat_id)
    assert [t["text"] for t in history(user.client, chat_id)][::2] == [f"message {n}" for n in range(30)]


def test_history_of_a_user(any_product, user, npc_id):
    chat_id = say(user.client, npc_id, "hello")["chat_id"]
    shown = user.client.get(f"/chat/{chat_id}/history/").expect(200).json
    assert shown["chat_id"] == chat_id and shown["npc_id"] == npc_id and shown["user_id"] == user.name
    assert "summary" not in shown
    for turn in shown["history"]:
        assert set(turn) == {"role", "text", "time"} and ISO_TIME.fullmatch(turn["time"])
    assert shown["history"][0]["time"] <= shown["history"][1]["time"]


def test_history_for_the_admin(any_product, user, npc_id):
    chat_id = say(user.client, npc_id, "hello")["chat_id"]
    by_name = full_history(any_product, user.name, chat_id)
    assert by_name["user_id"] == user.name and by_name["chat_id"] == chat_id and by_name["npc_id"] == npc_id
    assert by_name["summary"] == "" and said(by_name["history"]) == said(history(user.client, chat_id))
    assert full_history(any_product, user.name.upper(), chat_id) == by_name
    assert full_history(any_product, user.key, chat_id) == by_name


def test_history_for_the_admin_by_an_encoded_name(product):
    user = product.sign_up(name="someone@example." + str(time.monotonic_ns()))
    chat_id = say(user.client, make_npc(user.client), "hello")["chat_id"]
    path = f"/chat/{user.name.replace('@', '%40')}/{chat_id}/history"
    assert product.admin.get(path).expect(200).json["user_id"] == user.name


def test_history_of_what_is_not_there(product):
    user = product.sign_up()
    user.client.get("/chat/no-such-chat/history").expect_error(404)
    product.admin.get(f"/chat/{user.name}/no-such-chat/history").expect_error(404)
    product.admin.get("/chat/no.such.user/no-such-chat/history").expect_error(404)
    product.admin.get("/chat/npc_" + "A" * 43 + "/no-such-chat/history").expect_error(404)


def test_the_admin_has_chats_too(any_product):
    npc_id = make_npc(any_product.admin)
    chat_id = say(any_product.admin, npc_id, "hello")["chat_id"]
    assert len(history(any_product.admin, chat_id)) == 2
    assert full_history(any_product, "admin", chat_id)["user_id"] == "admin"
    assert any_product.admin.get(f"/npcs/{npc_id}").json["owner"] == "admin"


def test_texts_come_back_as_they_were(any_product, user, npc_id):
    odd = "Zażółć 🐉\u2028 \"quotes\" \\ \t tab\n\nnew line <b>&amp; %s {c} \u0001 \u007f"
    any_product.stub.behave(answer="Réponse: " + odd + "!")
    answer = say(user.client, npc_id, odd)
    assert answer["response"] == "Réponse: " + odd + "!"
    assert any_product.stub.last_messages()[-1]["content"] == odd
    assert said(history(user.client, answer["chat_id"])) == [("user", odd), ("assistant", answer["response"])]


def test_the_longest_message(any_product, user, npc_id):
    longest = "ö" * 16384  # 32,768 bytes
    answer = say(user.client, npc_id, longest)
    assert history(user.client, answer["chat_id"])[0]["text"] == longest
    send(user.client, npc_id, longest + "x").expect_error(422, naming="message")


def test_anybody_may_talk_to_an_npc_whose_id_they_know(product):
    owner, player = product.sign_up(), product.sign_up()
    npc_id = make_npc(owner.client)
    assert KNIGHT["char_descr"] in say(player.client, npc_id, "hello")["response"]
