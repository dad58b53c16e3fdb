"""MODELS_FILE: a table of one's own, with a small context: prompts fit into it, and memories are made in parts."""

import json

import pytest
from harness.launcher import EMBEDDED
from harness.talk import end, fresh_chat_id, full_history, make_npc, say, send

CONTEXT = 2048
# No tokenizer makes fewer tokens than one for 8 characters of what is said here.
MOST_CHARACTERS = CONTEXT * 8


def write_table(product, models):
    path = product.folder / "models.json"
    path.write_text(json.dumps({"models": models}))
    product.env["MODELS_FILE"] = str(path)


@pytest.fixture(scope="module")
def module_product(launcher):
    with launcher.group() as group:
        product = group.prepare(EMBEDDED, SMITH_KEY="sk-smith-0123456789")
        product.secrets.add("sk-smith-0123456789", "the smith's key")
        write_table(product, [
            {"name": "smith", "context": CONTEXT,
             "targets": [{"base_url": product.stub.url("/smith"), "model": "llama-8b", "api_key_env": "SMITH_KEY"}]},
            {"name": "plain", "targets": [{"base_url": product.stub.url("/plain")}]}])
        yield product.start()


@pytest.fixture
def product(module_product):
    return module_product


def test_the_table_replaces_the_built_in_one(product):
    client = product.sign_up().client
    say(client, None, "hello")
    say(client, None, "hello", model="plain")
    first, second = product.stub.requests()
    assert (first["path"], first["body"]["model"], first["authorization"]) == (
        "/smith/v1/chat/completions", "llama-8b", True)
    assert (second["path"], second["body"]["model"], second["authorization"]) == (
        "/plain/v1/chat/completions", "plain", False)
    send(client, None, "hello", model="gpt-4o-mini").expect_error(404)
    send(client, None, "hello", model="llama-8b").expect_error(404)


def test_a_prompt_fits_into_the_context(product):
    user = product.sign_up()
    npc_id = make_npc(user.client)
    chat_id = fresh_chat_id()
    product.stub.behave(answer="Very well, as you say, and so it shall be done.")
    words = "with a good many words to fill the context " * 3
    for number in range(40):
        say(user.client, npc_id, f"Message number {number}, {words}", chat_id)
    messages = product.stub.last_messages()
    assert sum(len(m["content"]) for m in messages) <= MOST_CHARACTERS
    assert 5 <= len(messages) < 80
    assert "Message number 38," in messages[-3]["content"]


def test_a_memory_of_a_long_session_is_made_in_parts(product):
    user = product.sign_up()
    npc_id = make_npc(user.client, char_descr="You're a smith.")
    chat_id = fresh_chat_id()
    product.stub.behave(answer="Very well, as you say.")
    words = "and these are words that only fill the space " * 15
    for number in range(24):
        say(user.client, npc_id, f"Message number {number}, {words}", chat_id)
    product.stub.reset()
    product.stub.behave({"answer": "Part one is known.", "count": 1}, {"answer": "All is known."})
    end(user.client, chat_id).expect(200)
    bodies = product.stub.bodies()
    assert len(bodies) >= 2
    for body in bodies:
        system, transcript = body["messages"]
        assert (system["role"], transcript["role"]) == ("system", "user") and "You're a smith." in system["content"]
        assert len(system["content"]) + len(transcript["content"]) <= MOST_CHARACTERS
    # Each part's memory is the ground of the next, and nothing is left out.
    assert "Part one is known." not in bodies[0]["messages"][0]["content"]
    assert "Part one is known." in bodies[1]["messages"][0]["content"]
    transcripts = "".join(body["messages"][1]["content"] for body in bodies)
    assert all(f"Message number {number}," in transcripts for number in range(24))
    assert full_history(product, user.name, chat_id)["summary"] == "All is known."


def test_a_failure_in_the_middle_of_the_parts_changes_nothing(product):
    user = product.sign_up()
    npc_id = make_npc(user.client)
    chat_id = fresh_chat_id()
    product.stub.behave(answer="Very well.")
    for number in range(24):
        say(user.client, npc_id, f"Message number {number}, " + "words that only fill the space " * 20, chat_id)
    product.stub.behave({"answer": "Half a memory.", "count": 1}, {"status": 500})
    end(user.client, chat_id).expect_error(502)
    assert full_history(product, user.name, chat_id)["summary"] == ""
    product.stub.reset()
    end(user.client, chat_id).expect(200)
    assert "Message number 0," in product.stub.bodies()[0]["messages"][1]["content"]
    assert "Half a memory." not in str(product.stub.bodies()[0])


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"models": []}', '{"models": [{"name": "x"}]}',
                                  '{"models": [{"targets": [{"base_url": "http://x/v1"}]}]}',
                                  '{"models": [{"name": "x", "targets": [{"base_url": 7}]}]}'])
def test_a_table_that_is_none(fresh, text):
    product = fresh.prepare(EMBEDDED)
    path = product.folder / "models.json"
    path.write_text(text)
    product.env["MODELS_FILE"] = str(path)
    product.begin()
    assert product.wait(30) != 0
    shown = product.output + product.log_text()
    assert "MODELS_FILE" in shown or "models.json" in shown
