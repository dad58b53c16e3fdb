"""NPCs: made, read, changed, listed page by page, deleted, and whose they are."""

import uuid

import pytest
from harness.talk import KNIGHT, make_npc, say, send

BIG = "ä" * 32768  # 65,536 bytes


def test_create_and_read(any_product):
    user = any_product.sign_up()
    made = user.client.post("/create_npc/", json_body={**KNIGHT, "has_scratchpad": True}).expect(200).json
    assert made["status"] == "NPC successfully saved"
    assert uuid.UUID(made["npc_id"]).version == 4
    npc = user.client.get(f"/npcs/{made['npc_id']}").expect(200).json
    assert npc.items() >= {**KNIGHT, "npc_id": made["npc_id"], "has_scratchpad": True, "owner": user.name}.items()


def test_scratchpad_is_off_unless_told(product):
    client = product.sign_up().client
    for fields in ({}, {"has_scratchpad": None}, {"has_scratchpad": False}):
        npc_id = make_npc(client, **fields)
        assert client.get(f"/npcs/{npc_id}").json["has_scratchpad"] is False


def test_texts_come_back_as_they_were(any_product):
    client = any_product.sign_up().client
    odd = "Zażółć 🐉\u2028 \"quotes\" \\ 'single' \t tab\n\nnew line\r\n <b>&amp; %s $1 {} ; DROP TABLE npcs; \u0001"
    npc_id = make_npc(client, char_descr=odd, world_descr=" " + odd)
    npc = client.get(f"/npcs/{npc_id}").json
    assert npc["char_descr"] == odd and npc["world_descr"] == " " + odd


def test_the_longest_descriptions(any_product):
    client = any_product.sign_up().client
    npc_id = make_npc(client, char_descr=BIG, world_descr=BIG)
    assert client.get(f"/npcs/{npc_id}").json["char_descr"] == BIG
    for field in KNIGHT:
        body = {**KNIGHT, field: BIG + "x"}
        client.post("/create_npc/", json_body=body).expect_error(422, naming=field)


def test_change_in_part(any_product):
    user = any_product.sign_up()
    npc_id = make_npc(user.client)
    changed = user.client.put(f"/npcs/{npc_id}", json_body={"world_descr": "York"}).expect(200).json
    assert changed["world_descr"] == "York" and changed["char_descr"] == KNIGHT["char_descr"]
    change = {"has_scratchpad": True, "char_descr": None}
    changed = user.client.put(f"/npcs/{npc_id}", json_body=change).expect(200).json
    assert changed["has_scratchpad"] is True and changed["char_descr"] == KNIGHT["char_descr"]
    assert user.client.put(f"/npcs/{npc_id}", json_body={}).expect(200).json["world_descr"] == "York"
    assert user.client.get(f"/npcs/{npc_id}").json["world_descr"] == "York"


@pytest.mark.parametrize("body, naming", [
    ({"char_descr": ""}, "char_descr"), ({"char_descr": 7}, "char_descr"), ({"world_descr": []}, "world_descr"),
    ({"has_scratchpad": "yes"}, "has_scratchpad"), ({"has_scratchpad": 1}, "has_scratchpad"),
])
def test_wrong_changes_change_nothing(product, body, naming):
    client = product.sign_up().client
    npc_id = make_npc(client)
    body = {"world_descr": "York", **body}
    client.put(f"/npcs/{npc_id}", json_body=body).expect_error(422, naming=naming)
    assert client.get(f"/npcs/{npc_id}").json["world_descr"] == KNIGHT["world_descr"]


def test_a_change_is_in_the_next_message(any_product):
    client = any_product.sign_up().client
    npc_id = make_npc(client)
    chat_id = say(client, npc_id, "hello")["chat_id"]
    client.put(f"/npcs/{npc_id}", json_body={"char_descr": "You're a baker of Cheapside."}).expect(200)
    assert "a baker of Cheapside" in say(client, npc_id, "and now?", chat_id)["response"]


def test_delete(any_product):
    client = any_product.sign_up().client
    npc_id = make_npc(client)
    chat_id = say(client, npc_id, "hello")["chat_id"]
    deleted = client.delete(f"/npcs/{npc_id}").expect(204)
    assert deleted.body == b""
    client.get(f"/npcs/{npc_id}").expect_error(404)
    client.put(f"/npcs/{npc_id}", json_body={}).expect_error(404)
    client.delete(f"/npcs/{npc_id}").expect_error(404)
    send(client, npc_id, "still there?", chat_id).expect_error(404)
    send(client, npc_id, "anybody?").expect_error(404)
    assert len(client.get(f"/chat/{chat_id}/history").expect(200).json["history"]) == 2


def test_only_the_owner_and_the_admin(product):
    owner, other = product.sign_up(), product.sign_up()
    npc_id = make_npc(owner.client)
    for method, body in (("GET", None), ("PUT", {"char_descr": "mine"}), ("DELETE", None)):
        other.client.request(method, f"/npcs/{npc_id}", json_body=body).expect_error(403)
    assert product.admin.get(f"/npcs/{npc_id}").expect(200).json["owner"] == owner.name
    product.admin.put(f"/npcs/{npc_id}", json_body={"char_descr": "You're the admin's fool."}).expect(200)
    assert owner.client.get(f"/npcs/{npc_id}").json["char_descr"] == "You're the admin's fool."
    assert "admin's fool" in say(other.client, npc_id, "hello")["response"]
    product.admin.delete(f"/npcs/{npc_id}").expect(204)
    owner.client.get(f"/npcs/{npc_id}").expect_error(404)


@pytest.mark.parametrize("npc_id", ["00000000-0000-4000-8000-000000000000", "nonsense", "1", "'", "a" * 300,
                                    "%22%27%3B--"])
def test_unknown_ids(product, npc_id):
    client = product.sign_up().client
    for method, body in (("GET", None), ("PUT", {"char_descr": "x"}), ("DELETE", None)):
        client.request(method, f"/npcs/{npc_id}", json_body=body).expect_error(404)


def pages(client, query):
    """Every page of a list, following `next`."""
    after, found = "", []
    while True:
        page = client.get(f"/npcs/?{query}&after={after}").expect(200).json
        found.append([item["npc_id"] for item in page["items"]])
        if page["next"] is None:
            return found
        after = page["next"]


def test_pages(any_product):
    user, other = any_product.sign_up(), any_product.sign_up()
    made = {make_npc(user.client, char_descr=f"number {number}") for number in range(7)}
    make_npc(other.client)
    found = pages(user.client, "limit=3")
    assert [len(page) for page in found] == [3, 3, 1]
    assert len(sum(found, [])) == 7 and set(sum(found, [])) == made
    assert sum(pages(user.client, "limit=100"), []) == sum(found, [])
    whole = user.client.get("/npcs/").expect(200).json
    assert len(whole["items"]) == 7 and whole["next"] is None
    assert whole["items"][0].items() >= {"owner": user.name, "world_descr": KNIGHT["world_descr"]}.items()


def test_a_page_that_is_just_full_is_the_last(product):
    client = product.sign_up().client
    for _ in range(2):
        make_npc(client)
    page = client.get("/npcs/?limit=2").expect(200).json
    assert len(page["items"]) == 2
    if page["next"] is not None:
        assert client.get(f"/npcs/?limit=2&after={page['next']}").json == {"items": [], "next": None}


def test_a_list_of_nothing(product):
    assert product.sign_up().client.get("/npcs").expect(200).json == {"items": [], "next": None}


def test_the_admin_lists_everybodys(product):
    user = product.sign_up()
    npc_id = make_npc(user.client)
    assert npc_id in sum(pages(product.admin, "limit=100"), [])


@pytest.mark.parametrize("query", ["limit=0", "limit=-1", "limit=x", "limit=101", "limit=1.5",
                                   "limit=99999999999999999999"])
def test_wrong_limits(product, query):
    product.sign_up().client.get(f"/npcs/?{query}").expect_error(422, naming="limit")
