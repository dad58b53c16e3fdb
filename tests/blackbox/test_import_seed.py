"""npcchat-sidecar import-seed: users, NPCs, chats and memories of the system before this one go on working."""

import crypt
import json
import sqlite3

import pytest
from harness.launcher import ALL_STORES, EMBEDDED, REDIS
from harness.ports import fresh_address
from harness.sidecar_command import run_sidecar
from harness.talk import end, full_history, history, make_npc, said, say, send

# As the README of the system before this one creates them.
TABLES = """
CREATE TABLE users (username VARCHAR PRIMARY KEY, hashed_password VARCHAR, api_key VARCHAR UNIQUE);
CREATE TABLE IF NOT EXISTS npcs (id VARCHAR UNIQUE PRIMARY KEY, char_descr TEXT NOT NULL, world_descr TEXT NOT NULL,
                                 has_scratchpad BOOLEAN NOT NULL);
"""

KEY = "token8438316761499410150"
FOREIGN_KEY = "token1111111111111111111"
NO_PASSWORD_KEY = "token2222222222222222222"
UNKNOWN_KEY = "token9999999999999999999"
KNIGHT = "5dcc0f0a-2476-4110-8a78-c3137d2314dc"
BAKER = "0d2c9254-8bd8-42a0-8fe0-ae76e408abe7"
CHAT = "ZjlhOWY2ZTdjY2Y0NDVmMW"
FRESH_CHAT = "MDAxMTIyMzM0NDU1NjY3Nz"
MEMORY = "Arthur owes me a penny."


def bcrypt(password):
    return crypt.crypt(password, "$2b$04$" + "abcdefghijklmnopqrstuu")


USERS = [("arthur", bcrypt("excalibur"), KEY), ("Jörg Müller", bcrypt("süß, und kurz"), FOREIGN_KEY),
         ("no.password", None, NO_PASSWORD_KEY), ("no.key", bcrypt("a password"), None), ("tiny", bcrypt("x"), "k2")]
NPCS = [(KNIGHT, "You're a knight at the court of Edward I.", "You're in London.", True),
        (BAKER, "You're a baker.", "Cheapside, 1290. Zażółć 🐉", False)]
TURNS = [("user", "\n\n#USER: hello"), ("assistant", "#SCRATCHPAD: Who is he?\nA stranger.\n#ANSWER: Good day, sir."),
         ("user", "\n\n#USER: I am Arthur"), ("assistant", "Well met, Arthur.")]
SHOWN = [("user", "hello"), ("assistant", "Good day, sir."),
         ("user", "I am Arthur"), ("assistant", "Well met, Arthur.")]


def run_import(product, arguments, seed_url):
    env = product.env if seed_url is None else {**product.env, "SEED_DATABASE_URL": seed_url}
    return run_sidecar(env, "import-seed", *arguments)


def last_part(url):
    return url and url.rsplit("/", 1)[1]


class Seed:
    """An old system's database and Redis, and a product that is about to take over what is in them."""

    def __init__(self, launcher, group, stores):
        self.launcher = launcher
        self.product = group.prepare(stores)
        self.product.state.mkdir(parents=True)
        env = self.product.env
        # Where the product has PostgreSQL and Redis, they are the old system's own.
        self.database = last_part(env.get("DATABASE_URL")) or launcher.postgres.new_database()
        self.redis_number = int(last_part(env.get("REDIS_URL")) or launcher.new_redis_database())
        self._fill_database()
        self._fill_redis()

    def _fill_database(self):
        postgres = self.launcher.postgres
        postgres.execute(self.database, TABLES)
        postgres.execute(self.database, "INSERT INTO users VALUES (%s, %s, %s)", USERS)
        postgres.execute(self.database, "INSERT INTO npcs VALUES (%s, %s, %s, %s)", NPCS)

    def _fill_redis(self):
        with self.launcher.redis.client(self.redis_number) as client:
            for key, chat_id in ((KEY, CHAT), (KEY, FRESH_CHAT), (FOREIGN_KEY, CHAT), (UNKNOWN_KEY, CHAT)):
                for role, text in TURNS:
                    client.rpush(f"chat_history:{key}:{chat_id}", json.dumps({"text": text, "role": role}))
            client.set(f"long_memory:{KEY}:{CHAT}", MEMORY)
            client.rpush("chat_history:a-plain-chat", json.dumps({"text": "hello", "role": "user"}))

    def run_import(self, *arguments):
        """What the import prints, where it succeeds. Without arguments it takes over Redis too."""
        url = self.launcher.postgres.url(self.database)
        done = run_import(self.product, arguments or ("--redis", self.launcher.redis.url(self.redis_number)), url)
        assert done.returncode == 0, done.stdout + done.stderr
        printed = done.stdout + done.stderr
        assert not [key for key in (KEY, FOREIGN_KEY, NO_PASSWORD_KEY, UNKNOWN_KEY) if key in printed]
        return printed

    def store_text(self):
        """What the product's stores hold, the old system's own tables left out."""
        if "DATABASE_URL" not in self.product.env:
            connection = sqlite3.connect(f"file:{self.product.state}/npcchat.db?mode=ro", uri=True)
            try:
                return "\n".join(connection.iterdump())
            finally:
                connection.close()
        text = self.launcher.postgres.dump(self.database, "--inserts", "--schema=npcchat")
        if "REDIS_URL" in self.product.env:
            with self.launcher.redis.client(self.redis_number) as client:
                text += "".join(f"{key!r} {client.dump(key)!r}\n" for key in sorted(client.keys()))
        return text


@pytest.fixture(scope="module", params=ALL_STORES)
def seed(launcher, request):
    with launcher.group() as group:
        seed = Seed(launcher, group, request.param)
        seed.printed = seed.run_import()
        seed.product.start()
        yield seed


def old_client(seed, key):
    return seed.product.client_of(key, "somebody of old")


def test_old_keys_work(seed):
    for name, _, key in USERS:
        if key is not None:
            answer = old_client(seed, key).post("/verify_token/").expect(200)
            assert answer.json == {"username": name, "role": "user"}
    old_client(seed, UNKNOWN_KEY).post("/verify_token/").expect_error(401)


def test_old_npcs_work_and_are_the_admins(seed):
    for npc_id, char_descr, world_descr, has_scratchpad in NPCS:
        npc = seed.product.admin.get(f"/npcs/{npc_id}").expect(200).json
        assert npc.items() >= {"char_descr": char_descr, "world_descr": world_descr, "has_scratchpad": has_scratchpad,
                               "owner": "admin"}.items()
        assert char_descr in say(old_client(seed, KEY), npc_id, "hello")["response"]
    old_client(seed, KEY).get(f"/npcs/{KNIGHT}").expect_error(403)


def test_old_chats_are_there(seed):
    client = old_client(seed, KEY)
    assert said(history(client, CHAT)) == SHOWN
    shown = full_history(seed.product, "arthur", CHAT)
    assert shown["summary"] == MEMORY and said(shown["history"]) == SHOWN
    assert "Who is he?" in shown["history"][1]["scratchpad"]
    assert full_history(seed.product, KEY, CHAT) == shown
    assert said(history(old_client(seed, FOREIGN_KEY), CHAT)) == SHOWN
    assert seed.product.admin.get(f"/chat/J%C3%B6rg%20M%C3%BCller/{CHAT}/history").expect(200).json["history"]


def test_an_old_chat_goes_on(seed):
    client = old_client(seed, KEY)
    seed.product.stub.reset()
    assert "Do you know me?" in say(client, KNIGHT, "Do you know me?", FRESH_CHAT)["response"]
    messages = seed.product.stub.last_messages()
    assert [(m["role"], m["content"]) for m in messages[1:]] == [*SHOWN, ("user", "Do you know me?")]
    assert "Who is he?" not in str(messages)
    assert said(history(client, FRESH_CHAT))[:5] == [*SHOWN, ("user", "Do you know me?")]
    send(client, BAKER, "hello", FRESH_CHAT).expect_error(409)
    end(client, FRESH_CHAT).expect(200)


def test_an_old_memory_goes_on(seed):
    client = old_client(seed, KEY)
    chat = "going-on"
    with seed.launcher.redis.client(seed.redis_number) as redis:
        redis.rpush(f"chat_history:{KEY}:{chat}", json.dumps({"text": "\n\n#USER: hello", "role": "user"}),
                    json.dumps({"text": "Hello.", "role": "assistant"}))
        redis.set(f"long_memory:{KEY}:{chat}", MEMORY)
    seed.run_import()
    seed.product.stub.reset()
    say(client, KNIGHT, "Do you know me?", chat)
    system = seed.product.stub.last_messages()[0]["content"]
    assert MEMORY in system.partition("### PREVIOUS DIALOGUE:")[2]


def log_in(seed, name, password):
    client = seed.product.anyone.from_address(fresh_address())
    return client.post("/api_key/", json_body={"username": name, "password": password})


def test_names_outside_the_alphabet_are_listed_and_log_in(seed):
    assert "Jörg Müller" in seed.printed and "arthur" not in seed.printed
    log_in(seed, "Jörg Müller", "wrong").expect_error(401)
    key = log_in(seed, "Jörg Müller", "süß, und kurz").expect(200).json["api_key"]
    client = seed.product.client_of(key, "Jörg Müller")
    assert client.post("/verify_token/").json["username"] == "Jörg Müller"
    assert said(history(client, CHAT)) == SHOWN
    assert client.get(f"/npcs/{make_npc(client)}").json["owner"] == "Jörg Müller"
    old_client(seed, FOREIGN_KEY).post("/verify_token/").expect_error(401)


def test_old_passwords_log_in_and_are_hashed_anew(seed):
    before = seed.store_text().count("$2b$")
    assert before >= 1
    for name, password in (("no.key", "a password"), ("tiny", "x")):
        key = log_in(seed, name, password).expect(200).json["api_key"]
        assert seed.product.client_of(key, name).post("/verify_token/").json["username"] == name
        log_in(seed, name, password + "x").expect_error(401)
    assert seed.store_text().count("$2b$") == before - 2
    log_in(seed, "tiny", "x").expect(200)


@pytest.mark.parametrize("password", ["", "None", "null"])
def test_a_user_without_a_password_cannot_log_in(seed, password):
    log_in(seed, "no.password", password).expect_error(401, 422)


def test_old_names_are_taken(seed):
    client = seed.product.anyone.from_address(fresh_address())
    body = {"username": "Arthur", "password": "correct horse battery"}
    client.post("/signup/", json_body=body).expect_error(400)


def test_no_raw_key_is_taken_over(seed):
    text = seed.store_text()
    assert "arthur" in text
    for key in (KEY, FOREIGN_KEY, NO_PASSWORD_KEY):
        inside = text if "REDIS_URL" not in seed.product.env else text.partition("b'chat_history:")[0]
        assert key not in inside


def test_the_old_system_is_left_as_it_was(seed):
    connection = seed.launcher.postgres.connect(seed.database)
    with connection.cursor() as cursor:
        cursor.execute("SELECT username, hashed_password, api_key FROM users")
        assert sorted(cursor.fetchall(), key=str) == sorted(USERS, key=str)
        cursor.execute("SELECT id, char_descr, world_descr, has_scratchpad FROM npcs")
        assert sorted(cursor.fetchall()) == sorted(NPCS)
    connection.close()
    with seed.launcher.redis.client(seed.redis_number) as client:
        assert client.llen(f"chat_history:{KEY}:{CHAT}") == len(TURNS)
        assert client.get(f"long_memory:{KEY}:{CHAT}").decode() == MEMORY


@pytest.mark.parametrize("stores", ALL_STORES)
def test_twice_changes_nothing(launcher, fresh, stores):
    seed = Seed(launcher, fresh, stores)
    seed.run_import()
    once = seed.store_text()
    assert "arthur" in once
    seed.run_import()
    assert seed.store_text() == once
    product = seed.product.start()
    client = product.client_of(KEY, "arthur")
    say(client, KNIGHT, "One more.", CHAT)
    product.stub.behave(answer="A new memory.")
    end(client, CHAT).expect(200)
    product.admin.put(f"/npcs/{KNIGHT}", json_body={"world_descr": "York"}).expect(200)
    key = log_in(seed, "arthur", "excalibur").expect(200).json["api_key"]
    before = full_history(product, "arthur", CHAT)
    # Nor does it undo what has happened since.
    seed.run_import()
    assert full_history(product, "arthur", CHAT) == before and before["summary"] == "A new memory."
    assert len(before["history"]) == len(TURNS) + 2
    assert product.admin.get(f"/npcs/{KNIGHT}").json["world_descr"] == "York"
    product.client_of(key, "arthur").post("/verify_token/").expect(200)
    client.post("/verify_token/").expect_error(401)


def test_without_redis_only_the_tables(launcher, fresh):
    seed = Seed(launcher, fresh, EMBEDDED)
    done = run_import(seed.product, (), launcher.postgres.url(seed.database))
    assert done.returncode == 0, done.stderr
    product = seed.product.start()
    client = product.client_of(KEY, "arthur")
    client.get(f"/chat/{CHAT}/history").expect_error(404)
    say(client, BAKER, "hello", CHAT)


def test_an_import_that_cannot_work_says_so(launcher, fresh):
    seed = Seed(launcher, fresh, REDIS)
    empty = launcher.postgres.new_database()
    for url in (None, launcher.postgres.url("no_such_database"), launcher.postgres.url(empty), "nonsense"):
        done = run_import(seed.product, (), url)
        assert done.returncode not in (0, -6, -11), done.stderr
        assert done.stderr.strip() or done.stdout.strip()
