"""The shared documents: added by the admin, asked by everybody."""

import json

import pytest
from harness.talk import fresh_chat_id, history, said

SWORD = "A steel sword costs thirty gold."
HORSES = "The stable has three horses."


@pytest.fixture
def stocked(fresh, stores):
    """A product with two shared documents."""
    product = fresh.start(stores)
    answer = product.admin.post("/add_to_rag_db/", json_body={"texts": [SWORD, HORSES], "source": "ledger",
                                                              "metadata": {"page": 7}}).expect(200).json
    assert len(answer["document_ids"]) == 2 and answer["chunks"] == 2
    return product


def ask(client, query, **fields):
    return client.post("/rag/", json_body={"query": query, **fields})


def test_answers_come_from_the_documents(stocked):
    client = stocked.sign_up().client
    answer = ask(client, "What does a sword cost?").expect(200).json
    assert answer["context"] == [SWORD]
    assert answer["response"] and answer["chat_id"] and len(answer["knowledge"]) == 1
    system = stocked.stub.last_messages()[0]["content"]
    assert SWORD in system and HORSES not in system and "do not know" in system
    assert stocked.stub.bodies()[-1]["max_tokens"] == 512
    assert ask(client, "horses or a sword", max_out_tokens=7).expect(200).json["context"] != []
    assert stocked.stub.bodies()[-1]["max_tokens"] == 7


def test_history_keeps_the_query(stocked):
    client = stocked.sign_up().client
    chat_id = fresh_chat_id("rag")
    first = ask(client, "What does a sword cost?", chat_id=chat_id).expect(200).json
    assert first["chat_id"] == chat_id
    ask(client, "And horses?", chat_id=chat_id).expect(200)
    turns = history(client, chat_id)
    assert [text for role, text in said(turns) if role == "user"] == ["What does a sword cost?", "And horses?"]
    messages = stocked.stub.last_messages()
    assert [m["content"] for m in messages if m["role"] == "user"] == ["What does a sword cost?", "And horses?"]


def test_how_many(stocked):
    client = stocked.sign_up().client
    assert len(ask(client, "sword horses").expect(200).json["context"]) == 2
    assert len(ask(client, "sword horses", top_k_rank=1).expect(200).json["context"]) == 1
    assert len(ask(client, "sword horses", top_k_retrieve=1).expect(200).json["context"]) == 1
    assert len(ask(client, "sword horses", use_reranker=True).expect(200).json["context"]) == 2


def test_nothing_found_is_admitted(stocked):
    answer = ask(stocked.sign_up().client, "dragons?").expect(200).json
    assert answer["context"] == [] and answer["knowledge"] == []
    assert "No document was found" in stocked.stub.last_messages()[0]["content"]


def test_streams(stocked):
    text = ask(stocked.sign_up().client, "What does a sword cost?", stream=True).expect(200).text
    last = json.loads(text.strip().split("data: ")[-1])
    assert last["context"] == [SWORD] and "".join(
        json.loads(line[6:])["delta"] for line in text.splitlines() if '"delta"' in line) == last["response"]


def test_documents_are_dropped_from_the_least_relevant_end(fresh, tmp_path):
    table = tmp_path / "models.json"
    product = fresh.prepare("embedded", OPENAI_API_KEY=None, NEBIUS_API_KEY=None, NEBIUS_BASE_URL=None,
                            MODELS_FILE=table)
    table.write_text(json.dumps({"models": [{"name": "small", "context": 2048, "targets": [
        {"base_url": product.stub.url("/openai")}]}]}))
    product.env.pop("OPENAI_BASE_URL")
    product.start()
    for number in range(12):
        text = f"Sword {number}. " + "sword " * (12 - number) + "It is of steel and long and old. " * 24
        product.admin.post("/add_to_rag_db/", json_body={"text": text}).expect(200)
    wide = ask(product.admin, "sword", top_k_rank=12).expect(200).json
    assert 1 <= len(wide["context"]) < 12
    few = ask(product.admin, "sword", top_k_rank=2).expect(200).json
    assert wide["context"][:2] == few["context"]


def test_only_the_admin_adds(stocked):
    client = stocked.sign_up().client
    client.post("/add_to_rag_db/", json_body={"text": "mine"}).expect_error(403)
    for method, path in (("GET", "/documents/"), ("GET", "/documents/x"), ("DELETE", "/documents/x")):
        client.request(method, path).expect_error(403)


def test_everybody_adds_where_it_is_open(fresh):
    product = fresh.start("embedded", OPEN_RAG="1")
    client = product.sign_up().client
    client.post("/add_to_rag_db/", json_body={"text": SWORD}).expect(200)
    assert ask(client, "sword").expect(200).json["context"] == [SWORD]


def test_the_admin_lists_reads_and_deletes(stocked):
    items = stocked.admin.get("/documents/").expect(200).json["items"]
    assert [item["source"] for item in items] == ["ledger", "ledger"]
    assert items[0]["metadata"] == {"page": 7}
    (sword,) = [item["document_id"] for item in items
                if stocked.admin.get(f"/documents/{item['document_id']}").expect(200).json["text"] == SWORD]
    stocked.admin.delete(f"/documents/{sword}").expect(204)
    assert ask(stocked.admin, "sword").expect(200).json["context"] == []


@pytest.mark.parametrize("body, naming", [
    ({}, "query"), ({"query": ""}, "query"), ({"query": 7}, "query"), ({"query": "a", "top_k_rank": 0}, "top_k_rank"),
    ({"query": "a", "top_k_retrieve": 201}, "top_k_retrieve"), ({"query": "a", "max_out_tokens": "x"}, "max_out_tokens"),
    ({"query": "a", "use_reranker": 1}, "use_reranker"), ({"query": "a", "stream": "x"}, "stream"),
])
def test_wrong_questions(product, body, naming):
    product.sign_up().client.post("/rag/", json_body=body).expect_error(422, naming=naming)


@pytest.mark.parametrize("body, naming", [
    ({}, "text"), ({"text": " "}, "text"), ({"texts": []}, "texts"), ({"texts": "a"}, "texts"),
    ({"texts": ["a", 7]}, "texts[1]"), ({"texts": ["a", ""]}, "texts[1]"), ({"text": "a", "texts": ["b"]}, "text"),
    ({"text": "a", "source": 7}, "source"),
])
def test_wrong_documents(product, body, naming):
    product.admin.post("/add_to_rag_db/", json_body=body).expect_error(422, naming=naming)


def test_rag_is_limited_as_chat_is(fresh):
    product = fresh.start("embedded", RATE_LIMIT="2")
    client = product.sign_up().client
    ask(client, "a").expect(200)
    ask(client, "a").expect(200)
    assert int(ask(client, "a").expect_error(429).headers["Retry-After"]) > 0
