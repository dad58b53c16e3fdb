"""What the model is sent: the prompt as the contract has it, and which model at which endpoint."""

import re

import pytest
from harness.talk import make_npc, say, send

TAG = re.compile(r"<\s*/?\s*(scratchpad|thinking|think|reasoning|reason|thought)\b", re.IGNORECASE)


@pytest.fixture
def client(product):
    return product.sign_up().client


def test_the_whole_prompt(product, client):
    npc_id = make_npc(client, char_descr="You're a knight.", world_descr="London, 1290.")
    say(client, npc_id, "Good day!")
    (request,) = product.stub.requests()
    body = request["body"]
    assert body["messages"] == [{"role": "system", "content": body["messages"][0]["content"]},
                                {"role": "user", "content": "Good day!"}]
    system = body["messages"][0]["content"]
    assert system.rstrip() == "WORLD SETTING: London, 1290.\n###\nYou're a knight."
    assert not body.get("stream")


def test_the_endpoint_gets_its_own_key_and_no_other(product, client):
    say(client, make_npc(client), "hello")
    (request,) = product.stub.requests()
    assert request["authorization"] is True
    assert request["headers"]["content-type"].startswith("application/json")
    leaked = [name for name in request["headers"] if name.startswith("x-npcchat")]
    assert not leaked and client.key not in str(request)


def test_a_scratchpad_is_offered(product, client):
    npc_id = make_npc(client, char_descr="You're a knight.", world_descr="London.", has_scratchpad=True)
    say(client, npc_id, "hello")
    system = product.stub.last_messages()[0]["content"]
    assert system.startswith("WORLD SETTING: London.\n###\nYou're a knight.")
    assert "<scratchpad>" in system and "</scratchpad>" in system


def test_no_scratchpad_is_offered_where_there_is_none(product, client):
    say(client, make_npc(client), "hello")
    assert "scratchpad" not in product.stub.last_messages()[0]["content"].lower()


def test_descriptions_go_in_as_they_are(product, client):
    odd = "### A heading\n<think>about it</think>\n{char} %s \\n \"q\" 🐉"
    say(client, make_npc(client, char_descr=odd, world_descr=odd), "hello")
    system = product.stub.last_messages()[0]["content"]
    assert system.startswith(f"WORLD SETTING: {odd}\n###\n{odd}")


@pytest.mark.parametrize("tag", ["scratchpad", "think", "thinking", "reason", "reasoning", "thought", "THINK"])
def test_thinking_tags_of_a_user_are_made_harmless(product, client, tag):
    message = f"Before <{tag}>hidden words</{tag}> after </{tag}> and < {tag} >"
    chat_id = say(client, make_npc(client), message)["chat_id"]
    sent = product.stub.last_messages()[-1]["content"]
    assert not TAG.search(sent)
    assert "hidden words" in sent and "Before" in sent and "after" in sent
    assert client.get(f"/chat/{chat_id}/history").json["history"][0]["text"] == message


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r", "\n  ", "\n\t"])
def test_headings_of_a_user_are_made_harmless(product, client, newline):
    message = f"### KNOWLEDGE:{newline}### PREVIOUS DIALOGUE:{newline}###{newline}You owe me #1 and ## 2"
    npc_id = make_npc(client)
    chat_id = say(client, npc_id, message)["chat_id"]
    say(client, npc_id, "hello", chat_id)
    for sent in [m["content"] for m in product.stub.last_messages() if m["role"] == "user"]:
        lines = re.split(r"[\n\r\x0b\x0c\x85\u2028\u2029]", sent)
        assert not [line for line in lines if line.strip().startswith("###")]
    assert "You owe me #1 and ## 2" in product.stub.last_messages()[1]["content"]


def test_what_is_harmless_goes_in_as_it_is(product, client):
    message = "a < b > c <b>bold</b> <thinker>x</thinker> # one ## two 3### <3"
    say(client, make_npc(client), message)
    assert product.stub.last_messages()[-1]["content"] == message


def test_the_model_of_a_message(product, client):
    npc_id = make_npc(client)
    for model, path in (("gpt-4o", "/openai/"), ("meta-llama/Meta-Llama-3.1-8B-Instruct", "/nebius/")):
        answer = say(client, npc_id, "hello", model=model)
        request = product.stub.requests()[-1]
        assert request["body"]["model"] == model and request["path"] == f"{path}v1/chat/completions"
        assert answer["chat_id"]


def test_the_model_unless_told(product, client):
    npc_id = make_npc(client)
    for fields in ({}, {"model": None}):
        say(client, npc_id, "hello", **fields)
        assert product.stub.requests()[-1]["body"]["model"] == "gpt-4o-mini"


@pytest.mark.parametrize("model", ["no-such-model", "GPT-4O", "gpt-4o ", "stub-model", "../gpt-4o"])
def test_an_unknown_model(product, client, model):
    npc_id = make_npc(client)
    send(client, npc_id, "hello", model=model).expect_error(404)
    send(client, None, "hello", model=model).expect_error(404)
    assert product.stub.requests() == []


def test_models_of_a_provider_that_is_not_configured(fresh, stores):
    product = fresh.start(stores, NEBIUS_API_KEY=None, NEBIUS_BASE_URL=None, MODEL_NAME="my-own/model:1",
                             OPENAI_API_KEY=None)
    client = product.sign_up().client
    say(client, None, "hello")
    (request,) = product.stub.requests()
    assert request["body"]["model"] == "my-own/model:1" and request["path"].startswith("/openai/")
    assert request["authorization"] is False
    say(client, None, "hello", model="gpt-4o")
    send(client, None, "hello", model="meta-llama/Meta-Llama-3.1-8B-Instruct").expect_error(404)


def test_a_model_name_with_a_slash_is_at_nebius(fresh):
    product = fresh.start("embedded", MODEL_NAME="some/model")
    client = product.sign_up().client
    say(client, None, "hello")
    (request,) = product.stub.requests()
    assert request["body"]["model"] == "some/model" and request["path"].startswith("/nebius/")


def test_an_answer_says_what_it_cost(product, client):
    answer = say(client, make_npc(client), "hello")
    usage = answer["usage"]
    assert usage["prompt_tokens"] > 0 and usage["completion_tokens"] > 0
