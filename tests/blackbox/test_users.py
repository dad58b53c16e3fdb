"""What the admin sees of users and does to them: the list, plans, and their end."""

import pytest
from harness.ports import fresh_address
from harness.product import fresh_name
from harness.talk import fresh_chat_id, history, in_background, make_npc, say, send

PLAN = {"requests_per_minute": 600, "burst": 500, "tokens_per_minute": 1_000_000, "tokens_per_day": 10_000_000,
        "concurrent_chats": 50}


def set_plan(product, name, **plan):
    return product.admin.put(f"/users/{name}/plan", json_body=plan)


def all_users(product, limit=100):
    """Every user, page by page."""
    users, after = [], ""
    while after is not None:
        page = product.admin.get(f"/users/?limit={limit}&after={after}").expect(200).json
        assert len(page["items"]) <= limit
        users += page["items"]
        after = page["next"]
    return users


def test_users_are_listed(product):
    made = [product.sign_up().name for _ in range(3)]
    listed = [user["username"] for user in all_users(product, limit=2)]
    assert [name for name in listed if name in made] == made
    assert len(set(listed)) == len(listed) and "admin" not in listed
    user = next(user for user in all_users(product) if user["username"] == made[0])
    assert user["plan"] == {} and user["created"].endswith("Z")


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "after=x", "after=-1"])
def test_pages_that_are_none(product, query):
    product.admin.get(f"/users/?{query}").expect_error(422, naming=query.split("=")[0])


def test_users_are_the_admins_business(product):
    user = product.sign_up()
    for method, path in (("GET", "/users/"), ("GET", f"/users/{user.name}/plan"), ("PUT", f"/users/{user.name}/plan"),
                         ("DELETE", f"/users/{user.name}")):
        body = {} if method == "PUT" else None
        user.client.request(method, path, json_body=body).expect_error(403)
        product.anyone.request(method, path, json_body=body).expect_error(401)
    say(user.client, None, "still here")


def test_a_plan_is_kept(product):
    user = product.sign_up()
    assert product.admin.get(f"/users/{user.name}/plan").expect(200).json == {}
    assert set_plan(product, user.name, **PLAN).expect(200).json == PLAN
    assert product.admin.get(f"/users/{user.name.upper()}/plan/").expect(200).json == PLAN
    assert next(one for one in all_users(product) if one["username"] == user.name)["plan"] == PLAN
    # It is replaced as a whole.
    assert set_plan(product, user.name, burst=7).expect(200).json == {"burst": 7}
    assert product.admin.get(f"/users/{user.name}/plan").expect(200).json == {"burst": 7}
    assert set_plan(product, user.name, burst=None, new_field=1).expect(200).json == {}


@pytest.mark.parametrize("plan, field", [
    ({"requests_per_minute": -1}, "requests_per_minute"), ({"requests_per_minute": "60"}, "requests_per_minute"),
    ({"burst": 1.5}, "burst"), ({"tokens_per_minute": 0}, "tokens_per_minute"), ({"tokens_per_day": -5}, "tokens_per_day"),
    ({"concurrent_chats": 0}, "concurrent_chats"), ({"models": []}, "models"), ({"models": "gpt-4o"}, "models"),
    ({"models": ["gpt-4o", "no-such-model"]}, "models[1]"),
])
def test_plans_that_are_none(product, plan, field):
    user = product.sign_up()
    set_plan(product, user.name, burst=7).expect(200)
    set_plan(product, user.name, **plan).expect_error(422, naming=field)
    assert product.admin.get(f"/users/{user.name}/plan").expect(200).json == {"burst": 7}


def test_plans_of_nobody(product):
    set_plan(product, "nobody-at-all", burst=7).expect_error(404)
    product.admin.get("/users/nobody-at-all/plan").expect_error(404)
    product.admin.delete("/users/nobody-at-all").expect_error(404)


def test_the_admin_has_no_plan_and_no_end(product):
    set_plan(product, "admin", burst=7).expect_error(422)
    product.admin.delete("/users/admin").expect_error(422)
    assert product.admin.get("/users/admin/plan").expect(200).json == {}
    say(product.admin, None, "hello")


def test_a_plan_counts_at_once(product):
    """The edge keeps plans beside keys: a new one must not wait for that to end."""
    user = product.sign_up()
    say(user.client, None, "without a limit")
    set_plan(product, user.name, requests_per_minute=2, burst=1).expect(200)
    statuses = [send(user.client, None, "hello").status for _ in range(4)]
    assert statuses == [200, 200, 429, 429]
    set_plan(product, user.name).expect(200)
    say(user.client, None, "without a limit again")


def test_a_plan_goes_with_a_new_key(product):
    user = product.sign_up()
    set_plan(product, user.name, requests_per_minute=1, burst=0).expect(200)
    body = {"username": user.name, "password": user.password}
    key = product.anyone.from_address(fresh_address()).post("/api_key/", json_body=body).expect(200).json["api_key"]
    client = product.client_of(key, user.name)
    assert [send(client, None, "hello").status for _ in range(2)] == [200, 429]


def test_nothing_is_left_of_a_deleted_user(any_product):
    product = any_product
    user, other = product.sign_up(), product.sign_up()
    npc_id, others_npc = make_npc(user.client), make_npc(other.client)
    chat_id = fresh_chat_id()
    say(user.client, npc_id, "remember me", chat_id)
    say(other.client, npc_id, "and me", chat_id)
    product.admin.delete(f"/users/{user.name}").expect(204)

    user.client.post("/verify_token/").expect_error(401)
    send(user.client, None, "hello").expect_error(401)
    product.admin.get(f"/npcs/{npc_id}").expect_error(404)
    send(other.client, npc_id, "are you there?").expect_error(404)
    product.admin.get(f"/chat/{user.name}/{chat_id}/history").expect_error(404)
    product.admin.delete(f"/users/{user.name}").expect_error(404)
    assert user.name not in [one["username"] for one in all_users(product)]
    body = {"username": user.name, "password": user.password}
    product.anyone.from_address(fresh_address()).post("/api_key/", json_body=body).expect_error(401)

    # The others keep what is theirs.
    assert [turn["text"] for turn in history(other.client, chat_id)][::2] == ["and me"]
    say(other.client, others_npc, "still here")

    # Who takes the name inherits nothing.
    again = product.sign_up(user.name)
    again.client.get(f"/chat/{chat_id}/history").expect_error(404)
    assert again.client.get("/npcs/").expect(200).json["items"] == []
    assert again.client.get("/usage").expect(200).json["days"] == []


def test_both_keys_of_a_deleted_user_end(product):
    user = product.sign_up()
    body = {"username": user.name, "password": user.password, "grace_seconds": 600}
    key = product.anyone.from_address(fresh_address()).post("/api_key/", json_body=body).expect(200).json["api_key"]
    clients = [user.client, product.client_of(key, user.name)]
    for client in clients:
        client.post("/verify_token/").expect(200)
    product.admin.delete(f"/users/{user.name}").expect(204)
    for client in clients:
        client.post("/verify_token/").expect_error(401)


def test_a_user_who_is_deleted_in_mid_turn(product):
    """The turn may end as it will; afterwards nothing of it is to be found."""
    user = product.sign_up()
    chat_id = fresh_chat_id()
    product.stub.behave({"latency": 1, "count": 1})
    running = in_background(send, user.client, None, "hello", chat_id)
    product.stub.wait_for(1)
    product.admin.delete(f"/users/{user.name}").expect(204)
    assert running.result(timeout=10).status in (200, 503)
    again = product.sign_up(user.name)
    again.client.get(f"/chat/{chat_id}/history").expect_error(404)


def test_plans_and_users_outlive_a_restart(fresh, stores):
    product = fresh.start(stores)
    user, gone = product.sign_up(), product.sign_up(fresh_name("gone"))
    set_plan(product, user.name, **PLAN).expect(200)
    product.admin.delete(f"/users/{gone.name}").expect(204)
    product.restart()
    assert product.admin.get(f"/users/{user.name}/plan").expect(200).json == PLAN
    gone.client.post("/verify_token/").expect_error(401)
    say(user.client, None, "hello")
