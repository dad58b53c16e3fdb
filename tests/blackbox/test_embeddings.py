"""Documents found by their meaning: embedded in the background, by a real encoder that can fail in every way."""

import os
import signal
import sqlite3

import pytest
from harness.embedder import Embedder
from harness.talk import in_background, make_npc, say
from harness.waiting import wait_until

PET = "My cat sleeps all day on the windowsill."
WEAPON = "The steel sword of the guard is very sharp."
MEANT = "Tell me about your kitten"  # no word of it is in the documents


@pytest.fixture(scope="module")
def embedder(launcher):
    embedder = Embedder(launcher.new_folder("embedder")).start()
    yield embedder
    embedder.stop()


@pytest.fixture(autouse=True)
def normal(embedder):
    embedder.reset()


def status(product):
    return product.admin.get("/reindex/").expect(200).json


def wait_ready(product, timeout=30):
    wait_until(lambda: status(product)["status"] == "ready", timeout, "all chunks to be embedded")


def add(client, npc_id, text, **fields):
    return client.post(f"/npcs/{npc_id}/documents/", json_body={"text": text, **fields}).expect(201).json


def known(client, npc_id, question=MEANT):
    return [passage["document_id"] for passage in say(client, npc_id, question).get("knowledge", [])]


def chunks_in(product):
    """How many there are in the embedded database, found or not."""
    with sqlite3.connect(f"file:{next(product.state.rglob('npcchat.db'))}?mode=ro", uri=True) as database:
        return database.execute("SELECT count(*) FROM chunks").fetchone()[0]


@pytest.fixture
def smart(fresh, stores, embedder):
    return fresh.start(stores, **embedder.env)


def test_meaning_finds_what_words_do_not(smart):
    client = smart.sign_up().client
    npc_id = make_npc(client)
    pet, weapon = add(client, npc_id, PET)["document_id"], add(client, npc_id, WEAPON)["document_id"]
    wait_ready(smart)
    assert known(client, npc_id) == [pet]
    assert known(client, npc_id, "sword")[0] == weapon
    report = status(smart)
    assert report["dimensions"] == 512 and report["embedded"] == report["chunks"] == report["documents"] == 2
    assert report["model"] == "universal-sentence-encoder-lite"


def test_a_message_about_nothing_quotes_nothing(smart):
    client = smart.sign_up().client
    npc_id = make_npc(client)
    add(client, npc_id, WEAPON)
    add(client, npc_id, "The ferry crosses the strait at high tide only.")
    wait_ready(smart)
    for message in ("Hello!", "Thank you, goodbye.", "How are you?", "What is two plus two?"):
        assert known(client, npc_id, message) == [], message


def test_vectors_know_no_other_scope(smart):
    client = smart.sign_up().client
    one, two = make_npc(client), make_npc(client)
    add(client, one, PET)
    other = add(client, two, "A kitten plays with wool.")["document_id"]
    wait_ready(smart)
    assert known(client, two) == [other]


def test_a_deleted_document_is_not_found(smart):
    client = smart.sign_up().client
    npc_id = make_npc(client)
    pets = [add(client, npc_id, text)["document_id"] for text in (PET, "A kitten plays with wool.")]
    wait_ready(smart)
    assert set(known(client, npc_id)) == set(pets)
    client.delete(f"/npcs/{npc_id}/documents/{pets[0]}").expect(204)
    assert known(client, npc_id) == [pets[1]]


def test_the_same_text_is_embedded_once(smart, embedder):
    client = smart.sign_up().client
    for _ in range(3):
        add(client, make_npc(client), PET)
    wait_ready(smart)
    assert embedder.texts().count(PET) == 1


def test_batches_are_bounded_and_halved(smart, embedder):
    client = smart.sign_up().client
    npc_id = make_npc(client)
    embedder.behave(max_texts=5)
    texts = [f"Tale number {number}." for number in range(40)]
    smart.admin.post("/add_to_rag_db/", json_body={"texts": texts}).expect(200)
    add(client, npc_id, PET)
    wait_ready(smart)
    assert max(map(len, embedder.requests())) <= 32
    assert status(smart)["embedded"] == 41
    assert known(client, npc_id)


def test_a_text_that_is_refused_holds_up_nobody(smart, embedder):
    client = smart.sign_up().client
    npc_id = make_npc(client)
    embedder.behave(max_bytes=200)
    add(client, npc_id, "A long tale of an owl. " * 20)
    pet = add(client, npc_id, PET)["document_id"]
    wait_ready(smart)
    assert known(client, npc_id) == [pet]
    assert len(known(client, npc_id, "the owl")) == 2


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 503}, {"status": 429}, {"fewer": 1},
                                   {"body": "[[1, 2"}, {"body": '[["x"]]'}, {"body": "[]"}, {"body": "{}"}])
def test_faults_are_retried(smart, embedder, fault):
    client = smart.sign_up().client
    npc_id = make_npc(client)
    embedder.behave(**fault)
    pet = add(client, npc_id, PET)["document_id"]
    wait_until(lambda: status(smart)["detail"] or embedder.requests(), 20, "the fault to be noticed")
    assert known(client, npc_id, "cat") == [pet]  # words serve meanwhile
    embedder.behave()
    wait_ready(smart)
    wait_until(lambda: known(client, npc_id) == [pet], 20, "questions to be embedded again")


def test_documents_are_embedded_when_the_embedder_appears(fresh, embedder):
    product = fresh.start("embedded")
    client = product.sign_up().client
    npc_id = make_npc(client)
    pet = add(client, npc_id, PET)["document_id"]
    assert known(client, npc_id) == [] and known(client, npc_id, "cat") == [pet]
    assert status(product)["status"] == "off"
    product.env.update(embedder.env)
    product.restart()
    wait_ready(product)
    assert known(client, npc_id) == [pet]
    embedder.reset()
    product.restart()
    wait_ready(product)
    assert PET not in embedder.texts()


def test_a_killed_sidecar_goes_on(fresh, embedder):
    product = fresh.start("embedded", **embedder.env)
    embedder.behave(max_texts=1)
    texts = [f"Tale number {number}." for number in range(30)]
    product.admin.post("/add_to_rag_db/", json_body={"texts": texts}).expect(200)
    wait_until(lambda: len(embedder.requests()) > 5, 20, "embedding to begin")
    os.kill(product.sidecar_pid(), signal.SIGKILL)
    wait_until(lambda: not product.alive(), 20, "the run to end")
    embedder.behave()
    product.restart()
    wait_ready(product)
    report = status(product)
    assert report["embedded"] == report["chunks"] == report["documents"] == 30


def test_a_sidecar_killed_in_the_middle_of_an_upload(fresh, embedder):
    product = fresh.start("embedded", **embedder.env)
    client = product.sign_up().client
    npc_id = make_npc(client)
    pet = add(client, npc_id, PET)["document_id"]
    wait_ready(product)
    tale = "\n\n".join(f"In year {year} the griffin of number{year} counted its sheep and slept." for year in range(20000))
    upload = in_background(lambda: client.post(f"/npcs/{npc_id}/documents/", json_body={"text": tale}))
    wait_until(lambda: chunks_in(product) > 50, 20, "a part of it to be written")
    os.kill(product.sidecar_pid(), signal.SIGKILL)
    wait_until(lambda: not product.alive(), 20, "the run to end")
    assert upload.exception(30) is not None or upload.result().status >= 500
    product.restart()
    wait_ready(product)
    assert known(client, npc_id, "the griffin of number7") == []
    assert [item["document_id"] for item in client.get(f"/npcs/{npc_id}/documents/").json["items"]] == [pet]
    assert known(client, npc_id) == [pet]
    again = add(client, npc_id, tale[:20000])
    assert again["document_id"] in known(client, npc_id, "the griffin of number7")


def test_another_model_is_refused_until_reindex(fresh, embedder):
    product = fresh.start("embedded", **embedder.env)
    client = product.sign_up().client
    npc_id = make_npc(client)
    pet = add(client, npc_id, PET)["document_id"]
    wait_ready(product)
    embedder.behave(dimensions=256, model="another")
    product.restart()
    wait_until(lambda: status(product)["status"] == "changed", 20, "the change to be noticed")
    assert "/reindex/" in status(product)["detail"]
    assert known(client, npc_id) == [] and known(client, npc_id, "cat") == [pet]
    client.post("/reindex/").expect_error(403)
    product.admin.post("/reindex/").expect(200)
    wait_ready(product)
    assert status(product)["dimensions"] == 256 and status(product)["model"] == "another"
    assert known(client, npc_id) == [pet]


def test_a_slow_embedder_does_not_hold_up_chats(smart, embedder):
    client = smart.sign_up().client
    npc_id = make_npc(client)
    pet = add(client, npc_id, PET)["document_id"]
    wait_ready(smart)
    embedder.behave(latency=20)
    assert known(client, npc_id, "cat") == [pet]


def test_chats_are_reranked(smart, embedder):
    client = smart.sign_up().client
    npc_id = make_npc(client)
    texts = ["The sword hangs over the hearth.", "The sword was a present of the sleeping cat's owner.", PET]
    ids = [add(client, npc_id, text)["document_id"] for text in texts]
    wait_ready(smart)
    assert known(client, npc_id, "My cat sleeps all day on the windowsill, says the sword")[0] == ids[2]
    assert [sorted(asked) for asked in embedder.requests("/rerank")] == [sorted(texts)]
    embedder.behave(status=500)
    assert set(known(client, npc_id, "sword")) >= set(ids[:2])  # without it


def test_questions_of_bge_have_its_prefix(fresh, embedder):
    embedder.behave(model="BAAI/bge-small-en-v1.5")
    product = fresh.start("embedded", **embedder.env)
    client = product.sign_up().client
    npc_id = make_npc(client)
    add(client, npc_id, PET)
    wait_ready(product)
    say(client, npc_id, "Tell me of the cat")
    asked = [text for text in embedder.texts() if "Tell me of the cat" in text]
    assert asked == ["Represent this sentence for searching relevant passages: Tell me of the cat"]
    assert PET in embedder.texts()


def test_rerank_by_index(smart, embedder):
    texts = [WEAPON, PET, "The cat of the guard has a sword."]
    smart.admin.post("/add_to_rag_db/", json_body={"texts": texts}).expect(200)
    wait_ready(smart)
    ask = {"query": "a sleeping cat", "use_reranker": True, "top_k_rank": 3}
    answer = smart.admin.post("/rag/", json_body=ask).expect(200).json
    assert answer["context"] == [PET, texts[2]]  # the sword has nothing to do with it
    assert len(embedder.requests("/rerank")) == 1
    smart.admin.post("/rag/", json_body={**ask, "use_reranker": False}).expect(200)
    assert len(embedder.requests("/rerank")) == 1


@pytest.mark.parametrize("fault", [{"status": 500}, {"body": "[]"}, {"body": '[{"index": 7, "score": 1}]'}])
def test_a_failing_reranker_is_done_without(smart, embedder, fault):
    smart.admin.post("/add_to_rag_db/", json_body={"texts": [WEAPON, PET]}).expect(200)
    wait_ready(smart)
    embedder.behave(**fault)
    answer = smart.admin.post("/rag/", json_body={"query": "cat", "use_reranker": True}).expect(200).json
    assert PET in answer["context"]


def test_two_sidecars_see_each_others_additions(fresh, embedder):
    one = fresh.start("redis+postgresql", **embedder.env)
    env = {name: one.env[name] for name in ("DATABASE_URL", "REDIS_URL", "ADMIN_KEY")}
    two = fresh.product({**env, **embedder.env}).start()
    client = one.sign_up().client
    other = two.client_of(client.key, "the user")
    npc_id = make_npc(client)
    pet = add(client, npc_id, PET)["document_id"]
    wait_until(lambda: known(other, npc_id) == [pet], 20, "the other to know it")
    weapon = add(other, npc_id, WEAPON)["document_id"]
    wait_until(lambda: set(known(client, npc_id, "a sharp blade, and a kitten")) == {pet, weapon}, 20, "the first to know it")


def test_a_sidecar_that_lost_its_notifications_catches_up(fresh, launcher, embedder):
    one = fresh.start("postgresql", **embedder.env)
    client = one.sign_up().client
    npc_id = make_npc(client)
    pet = add(client, npc_id, PET)["document_id"]
    wait_ready(one)
    assert known(client, npc_id) == [pet]
    database = one.env["DATABASE_URL"].rsplit("/", 1)[1]
    with launcher.postgres.connect(database).cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'")
        assert cursor.fetchall() == [(True,)]
    other = add(client, npc_id, "A kitten plays with wool.")["document_id"]
    wait_until(lambda: set(known(client, npc_id)) == {pet, other}, 20, "it to be known")


@pytest.mark.parametrize("url", ["ftp://x/embed", "embedder:8080", "http://"])
def test_a_wrong_url_is_named(fresh, url):
    product = fresh.product({"EMBED_URL": url})
    product.begin()
    wait_until(lambda: not product.alive(), 20, "the run to end")
    assert "EMBED_URL" in product.output + product.log_text()
