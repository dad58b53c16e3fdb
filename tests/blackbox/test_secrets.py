"""Secrets: no key, digest or password in a log or a store, whatever goes wrong. (Every other test's logs are looked
through too, when the tests end.)"""

import json
import re
import sqlite3

from harness.client import http_request, send_raw
from harness.launcher import EMBEDDED
from harness.ports import fresh_address
from harness.secrets import files_below, find_in_files
from harness.stack import Stack
from harness.talk import end, make_npc, say, send
from harness.waiting import wait_until


def use_key_everywhere(product, user):
    """Sends a key in every place where one may stand, and in those where one may end up by mistake."""
    chat_id = say(user.client, make_npc(user.client), "hello")["chat_id"]
    key = user.key
    for path in (f"/chat/{key}/{chat_id}/history", f"/chat/{key}/no-such-chat/history",
                 f"/chat/{key}/{chat_id}/history/", f"/chat/{key}/{chat_id}/history?key={key}", f"/chat/{encoded(key)}/{chat_id}/history"):
        for client in (product.admin, user.client, product.anyone, product.anyone.with_key("no-such-key")):
            client.get(path)
            client.post(path)
    for path in (f"/npcs/?api_key={key}", f"/verify_token/?key={key}", f"/nowhere?{key}", f"/chat/?token={key}",
                 f"/chat/{key}//{chat_id}/history", f"/chat/./{key}/{chat_id}/history",
                 f"/chat/{key}/{chat_id}/history/%2e", f"/chat/{key}/{chat_id}/history?x=%zz"):
        user.client.get(path)
        product.anyone.get(path)
    for authorization in (f"Bearer {key}", f"Basic {key}", f"{key} ", f"Bearer  {key}"):
        product.anyone.post("/verify_token/", headers={"Authorization": authorization})
    send_raw(product.port, http_request("GET", f"/chat/{key}/x/history HTTP/0", {"Authorization": key}))
    user.client.post("/verify_token/", headers={"Referer": f"http://x/chat/{key}/y/history", "User-Agent": "agent"})
    user.client.post("/chat/", data=b"x" * 2 ** 21)
    user.client.post("/chat/", data=b'{"message": "hello", "message": 1}')
    user.client.request("DELETE", "/chat/")


def encoded(key):
    """The key with its first character percent-encoded: not canonical, but it may not be logged either."""
    return f"%{ord(key[0]):02X}{key[1:]}"


def test_no_log_shows_a_key(product):
    user = product.sign_up()
    product.secrets.add(encoded(user.key), "a key in disguise")
    use_key_everywhere(product, user)
    product.admin.get(f"/chat/{product.admin_key}/x/history")
    body = {"username": user.name, "password": user.password}
    product.anyone.from_address(fresh_address()).post("/api_key/", json_body={**body, "password": user.password + "?"})
    renewed = product.anyone.from_address(fresh_address()).post("/api_key/", json_body=body).json["api_key"]
    product.client_of(renewed, user.name).post("/verify_token/").expect(200)
    wait_until(lambda: user.name in product.log_text(), 5, "the logs, where they are looked for")
    assert product.secrets_in_logs() == []


def test_no_log_shows_a_key_while_things_go_wrong(fresh):
    stack = Stack(fresh.start(EMBEDDED)).start()
    try:
        product = stack.product
        user = product.sign_up()
        chat_id = say(user.client, None, "hello")["chat_id"]
        product.secrets.add(encoded(user.key), "a key in disguise")
        stack.kill_sidecar()
        for path in (f"/chat/{user.key}/{chat_id}/history", f"/npcs/?key={user.key}", f"/nowhere/{chat_id}"):
            assert product.admin.get(path).status >= 404
            assert user.client.get(path).status >= 403
        use_key = f"/chat/{user.key}/{chat_id}/history"
        product.anyone.with_key("unknown-key-of-some-length").get(use_key)
        user.client.get("/npcs/", headers={"Referer": f"http://elsewhere{use_key}"})
        product.admin.get(f"/chat/{encoded(user.key)}/{chat_id}/history")
        assert "connect()" in (product.logs / "error.log").read_text(), "nothing went wrong"
        assert product.secrets_in_logs() == []
    finally:
        stack.stop()


def test_no_metric_shows_a_key(product):
    user = product.sign_up()
    say(user.client, None, "hello")
    for headers in ({}, {"Accept": "application/json"}):
        text = product.admin.get("/metrics", headers=headers).expect(200).text
        assert product.secrets.found_in(text, "the metrics") == []


def test_messages_are_in_no_log_unless_asked_for(product, tuned):
    for instance, logged in ((product, False), (tuned, True)):
        user = instance.sign_up()
        instance.stub.behave(answer="quicksilver reply")
        npc_id = make_npc(user.client, char_descr="quicksilver npc")
        chat_id = say(user.client, npc_id, "quicksilver message")["chat_id"]
        end(user.client, chat_id)
        instance.stub.behave(status=500)
        send(user.client, None, "quicksilver failure")
        wait_until(lambda product=instance, name=user.name: product.log_text().count(name) >= 7, 3, "the logs")
        text = instance.log_text()
        assert ("quicksilver message" in text and "quicksilver reply" in text) == logged
        assert ("quicksilver" in text) == logged


def test_the_access_log_is_json_and_names_the_user(product):
    user = product.sign_up()
    user.client.get("/npcs/", headers={"X-Request-Id": "named-request"}).expect(200)
    product.anyone.get("/npcs/", headers={"X-Request-Id": "nameless-request", "User-Agent": 'a "quoted\\ agent\x01'})
    log = product.logs / "access.log"
    # Each of nginx's processes writes its lines together, after the answers.
    wait_until(lambda: {"named-request", "nameless-request"} <= set(re.findall(r"[a-z]+-request", log.read_text())), 5,
               "both lines in the access log")
    lines = {line["request_id"]: line for line in map(json.loads, log.read_text().splitlines())}
    assert user.name in lines["named-request"].values()
    assert lines["nameless-request"]["status"] == 401


def test_the_sidecars_log_is_json(product):
    say(product.sign_up().client, None, "hello")
    lines = (product.logs / "sidecar.log").read_text().splitlines()
    assert lines and all(isinstance(json.loads(line), dict) for line in lines)


def store_text(launcher, product):
    """All that the product's stores hold, as text."""
    if "DATABASE_URL" not in product.env:
        connection = sqlite3.connect(f"file:{product.state}/npcchat.db?mode=ro", uri=True)
        try:
            return "\n".join(connection.iterdump())
        finally:
            connection.close()
    text = launcher.postgres.dump(product.env["DATABASE_URL"].rsplit("/", 1)[1], "--inserts")
    if "REDIS_URL" in product.env:
        text += redis_text(launcher.redis.client(int(product.env["REDIS_URL"].rsplit("/", 1)[1])))
    return text


def redis_text(client):
    readers = {b"string": client.get, b"hash": client.hgetall, b"list": lambda key: client.lrange(key, 0, -1),
               b"set": client.smembers, b"zset": lambda key: client.zrange(key, 0, -1), b"stream": client.xrange}
    with client:
        return "".join(f"{key!r} {readers[client.type(key)](key)!r}\n" for key in client.scan_iter())


def test_no_store_holds_a_key_or_a_password(launcher, any_product):
    product = any_product
    user = product.sign_up()
    chat_id = say(user.client, make_npc(user.client), "remember the milk")["chat_id"]
    end(user.client, chat_id)
    text = store_text(launcher, product)
    assert user.name in text and "remember the milk" in text, "the stores are not where they are looked for"
    for secret in (user.key, user.password, product.admin_key):
        assert secret not in text
    assert "$y$" in text, "passwords are not kept as yescrypt"


def test_no_model_key_is_written_anywhere(product):
    say(product.sign_up().client, None, "hello")
    for path in files_below(product.state):
        text = path.read_text(encoding="latin-1")
        for name in ("OPENAI_API_KEY", "NEBIUS_API_KEY", "ADMIN_KEY"):
            assert product.env[name] not in text, f"{name} is in {path}"


def test_the_search_finds_what_is_there(product, tmp_path):
    """The check itself can fail."""
    (tmp_path / "x.log").write_text(f"GET /chat/{product.admin_key}/x")
    assert "the key of the admin is in x.log" in find_in_files(product.secrets, tmp_path)
