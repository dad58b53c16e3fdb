"""npcchat-sidecar export and import: what one store keeps goes on in another, once and whole."""

import json
import os
import pty
import signal
import sqlite3
import stat
import subprocess
from contextlib import closing

import psycopg2
import pytest
from harness.launcher import EMBEDDED, POSTGRESQL, REDIS
from harness.sidecar_command import SIDECAR, run_sidecar, start_sidecar
from harness.talk import end, full_history, history, make_npc, said, say, send
from harness.waiting import wait_until

MEMORY = "She owes me a penny. Zażółć 🐉"
PLAN = {"tokens_per_day": 1000000, "concurrent_chats": 4}
LORE = "# The bridge\n\nThe bridge of Ostrava was built by a blind mason called Wojtek.\n"


def export(product, path):
    done = run_sidecar(product.env, "export", path)
    assert done.returncode == 0, done.stdout + done.stderr
    return path if path.is_file() else path / "npcchat-export.jsonl"


def import_(product, path, status=0):
    product.state.mkdir(parents=True, exist_ok=True)
    done = run_sidecar(product.env, "import", path)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def lines_of(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def content_of(path):
    """What an export has, without what says which export it is."""
    return [line for line in lines_of(path) if line["type"] != "export"]


class World:
    """Users, NPCs, documents, chats and a memory in a product's stores."""

    def __init__(self, product):
        self.user = product.sign_up()
        self.other = product.sign_up()
        product.admin.put(f"/users/{self.user.name}/plan", json_body=PLAN).expect(200)
        client = self.user.client
        self.npc = make_npc(client, has_scratchpad=True, world="ostrava")
        self.admins_npc = make_npc(product.admin)
        self.document = client.post(f"/npcs/{self.npc}/documents/", json_body={
            "title": "Bridges", "text": LORE, "metadata": {"b": 1, "a": [2]}}).expect(201).json
        client.post("/worlds/ostrava/documents/", json_body={"text": "Salt costs nine groats."}).expect(201)
        product.admin.post("/add_to_rag_db/", json_body={"text": "Shared with all."}).expect(200)
        product.stub.behave(answer="<scratchpad>Who is she?</scratchpad>Good day.")
        self.ended = say(client, self.npc, "hello\n\"quoted\"")["chat_id"]
        product.stub.behave(answer=MEMORY)
        end(client, self.ended).expect(200)
        product.stub.reset()
        self.open = say(client, self.npc, "one", "chosen-name")["chat_id"]
        say(client, self.npc, "two", self.open)
        self.plain = say(self.other.client, None, "no NPC", self.open)["chat_id"]
        self.admins = say(product.admin, self.admins_npc, "the admin's")["chat_id"]
        self.histories = {key: full_history(product, *key) for key in self.chats()}

    def chats(self):
        return [(self.user.name, self.ended), (self.user.name, self.open), (self.other.name, self.plain),
                ("admin", self.admins)]

    def check(self, product):
        """All of it is in the product, and goes on."""
        client = product.client_of(self.user.key, self.user.name)
        other = product.client_of(self.other.key, self.other.name)
        for key in self.chats():
            assert full_history(product, *key) == self.histories[key]
        assert client.get(f"/npcs/{self.npc}").expect(200).json["owner"] == self.user.name
        product.admin.get(f"/npcs/{self.admins_npc}").expect(200)
        assert other.post("/verify_token/").expect(200).json == {"username": self.other.name, "role": "user"}
        assert product.admin.get(f"/users/{self.user.name}/plan").expect(200).json == PLAN
        found = client.get(f"/npcs/{self.npc}/documents/{self.document['document_id']}").expect(200).json
        assert found["text"] == LORE and found["metadata"] == {"b": 1, "a": [2]}
        assert client.get("/usage").expect(200).json["total"]["requests"] >= 4
        product.stub.reset()
        answer = say(client, self.npc, "Who built the bridge?", self.open)
        assert self.document["document_id"] in str(answer["knowledge"])
        sent = product.stub.last_messages()
        assert "Wojtek" in sent[0]["content"]
        assert [m["content"] for m in sent if m["role"] == "user"] == ["one", "two", "Who built the bridge?"]
        product.stub.reset()
        say(client, self.npc, "Do you know me?", self.ended)
        assert MEMORY in product.stub.last_messages()[0]["content"]
        assert len(product.stub.last_messages()) == 2, "what the memory stands for is not sent again"
        send(client, self.admins_npc, "hello", self.open).expect_error(409)
        log_in = {"username": self.user.name, "password": self.user.password}
        assert product.anyone.post("/api_key/", json_body=log_in).expect(200)


@pytest.fixture(scope="module")
def exported(launcher):
    """A world on the embedded stores, and its export."""
    with launcher.group() as group:
        product = group.start(EMBEDDED)
        world = World(product)
        product.stop()
        yield world, export(product, product.folder), product


def test_a_file_of_secrets_is_its_owners_alone(exported):
    world, path, _ = exported
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text(encoding="utf-8")
    assert world.user.key not in text and world.user.password not in text
    records = lines_of(path)
    assert records[0]["type"] == "export" and records[0]["version"] == 1
    assert records[-1] == {"type": "end", "lines": len(records)}


def test_there_and_back(launcher, fresh, exported):
    world, path, _ = exported
    team = fresh.prepare(REDIS)
    printed = import_(team, path)
    assert "2 users" in printed and "2 NPCs" in printed and "3 documents" in printed and "4 chats" in printed
    before = content_of(export(team, team.folder / "once.jsonl"))
    assert {record["type"] for record in before} == {"user", "npc", "document", "usage", "chat", "end"}
    # Again: nothing changes.
    assert "0 users, 0 NPCs, 0 documents, 0 chats with 0 messages" in import_(team, path)
    twice = export(team, team.folder / "twice.jsonl")
    assert content_of(twice) == before
    # And back.
    alone = fresh.prepare(EMBEDDED)
    import_(alone, twice)
    alone.start()
    world.check(alone)
    alone.stop()
    team.start()
    world.check(team)
    team.stop()
    # What was said since is not undone, nor doubled.
    import_(team, path)
    team.restart()
    assert len(full_history(team, world.user.name, world.open)["history"]) == 6
    # Nor does a key come back that was ended since.
    team.anyone.with_key(world.user.key).post("/verify_token/").expect_error(401)
    # A later export goes on with the chats that the earlier one has brought.
    later = export(alone, alone.folder / "later.jsonl")
    third = fresh.prepare(POSTGRESQL)
    import_(third, path)
    import_(third, later)
    third.start()
    assert len(full_history(third, world.user.name, world.open)["history"]) == 6


def many_chats(path, target, count):
    """The export with many chats more, some of them long; and the messages of each."""
    lines = path.read_text(encoding="utf-8").splitlines()
    user = next(json.loads(line)["id"] for line in lines if '"type":"user"' in line)
    said_in = {}
    for number in range(count):
        chat_id, length = f"many-{number}", 1200 if number % 50 == 7 else 4
        messages = [{"role": "assistant" if i % 2 else "user", "time": 1700000000000 + i, "text": f"{chat_id} {i}"}
                    for i in range(length)]
        said_in[chat_id] = [message["text"] for message in messages]
        for first in range(0, length, 500):
            lines.insert(-1, json.dumps({
                "type": "chat", "user": user, "chat_id": chat_id, "npc_id": "", "remembered": 0,
                "used": 4000000000000, "count": length, "first": first + 1, "messages": messages[first:first + 500]}))
    lines[-1] = json.dumps({"type": "end", "lines": len(lines)})
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return said_in


def killed_halfway(product, number, done, *arguments):
    """Starts the command and ends it by a signal as soon as `done` says so; False where it was quicker."""
    process = start_sidecar(product.env, product.folder / "command.log", *arguments)
    wait_until(lambda: done() or not process.alive(), 30, "a part of the work", interval=0.001)
    process.signal(number)
    return process.wait(10) != 0


def kept_chats(product):
    """How many chats its database has: where there is Redis too, they are imported into the archive."""
    if "DATABASE_URL" in product.env:
        database, schema = psycopg2.connect(product.env["DATABASE_URL"]), "npcchat."
    else:
        database, schema = sqlite3.connect(f"file:{product.state}/npcchat.db?mode=ro", uri=True), ""
    with closing(database), closing(database.cursor()) as cursor:
        cursor.execute(f"SELECT count(*) FROM {schema}chats")
        return cursor.fetchone()[0]


@pytest.mark.parametrize("stores", [EMBEDDED, REDIS])
def test_killed_and_run_again(launcher, fresh, exported, stores):
    world, path, _ = exported
    target = fresh.product(launcher.store_env(stores), stub=False)
    target.state.mkdir(parents=True)
    file = target.folder / "many.jsonl"
    said_in = many_chats(path, file, 2000)
    import_(target, path)
    for number in (signal.SIGKILL, signal.SIGINT):
        known = kept_chats(target)
        assert killed_halfway(target, number, lambda known=known: kept_chats(target) > known, "import", file)
    assert ", 0 chats with" not in import_(target, file), "it was not halfway"
    # An export that is killed goes on as well.
    out = target.folder / "out.jsonl"
    part = target.folder / "out.jsonl.part"
    assert killed_halfway(target, signal.SIGKILL, lambda: part.exists() and part.stat().st_size > 100_000,
                          "export", out)
    with part.open("ab") as file_part:
        file_part.write(b'{"type":"chat","user":1,"cha')
    printed = run_sidecar(target.env, "export", out)
    assert printed.returncode == 0 and "going on" in printed.stderr
    found = {}
    for line in lines_of(out):
        if line["type"] == "chat":
            texts = found.setdefault((line["user"], line["chat_id"]), [])
            assert line["first"] == len(texts) + 1
            texts += [message["text"] for message in line["messages"]]
    user = next(line["id"] for line in lines_of(out) if line["type"] == "user" and line["name"] == world.user.name)
    assert {chat_id: texts for (owner, chat_id), texts in found.items() if chat_id.startswith("many-")} == said_in
    assert all(owner == user for owner, chat_id in found if chat_id.startswith("many-"))
    assert len(found) == len(said_in) + 4


def test_a_name_that_is_taken(fresh, exported):
    world, path, _ = exported
    product = fresh.start(EMBEDDED)
    taken = product.sign_up(world.user.name.upper(), "another password")
    product.stop()
    printed = import_(product, path, status=1)
    assert f"'{world.user.name}' is taken" in printed and "1 conflicts" in printed
    product.restart()
    # Neither got anything of the other; everybody else is there.
    client = product.client_of(taken.key, taken.name)
    client.get(f"/chat/{world.open}/history").expect_error(404)
    product.anyone.with_key(world.user.key).post("/verify_token/").expect_error(401)
    other = product.client_of(world.other.key, world.other.name)
    assert said(history(other, world.plain))[0] == ("user", "no NPC")


@pytest.mark.parametrize("broken, wanted", [
    (lambda lines: lines[:2] + ['{"type": "user", "id": 1'] + lines[3:], "line 3: "),
    (lambda lines: lines[:1] + [lines[1].replace('"password_hash"', '"pass"')] + lines[2:], "line 2: password_hash"),
    (lambda lines: lines[:2] + ['{"type":"parrot"}'] + lines[3:], "line 3: type: 'parrot'"),
    (lambda lines: [lines[0].replace('"version":1', '"version":2')] + lines[1:], "newer"),
    (lambda lines: lines[1:], "line 1: "),
    (lambda lines: lines[:-1], "not whole"),
    (lambda lines: lines[:2] + lines[3:], "lines: says"),
    (lambda lines: [], "not whole"),
])
def test_a_broken_file(fresh, exported, broken, wanted):
    _, path, _ = exported
    product = fresh.product(stub=False)
    file = product.folder / "broken.jsonl"
    file.write_text("".join(line + "\n" for line in broken(path.read_text(encoding="utf-8").splitlines())),
                    encoding="utf-8")
    assert wanted in import_(product, file, status=1)


def test_errors_say_what_to_do(fresh, exported):
    _, path, _ = exported
    product = fresh.product(stub=False)
    product.state.mkdir(parents=True)
    for arguments, status, wanted in (
            (("export",), 2, "name a file"), (("import",), 2, "name a file"), (("import", "a", "b"), 2, "'b'"),
            (("import", "--force"), 2, "'--force'"), (("exprot",), 2, "'exprot'"),
            (("import", product.folder / "nothing.jsonl"), 1, "cannot be read"),
            (("export", product.folder / "no" / "folder.jsonl"), 1, "No such file"),
            (("export", path), 1, "is there already")):
        done = run_sidecar(product.env, *arguments)
        assert done.returncode == status and wanted in done.stderr, (arguments, done)
    help_ = run_sidecar(product.env, "export", "--help")
    assert help_.returncode == 0 and "import FILE|DIR" in help_.stdout
    # Half an export of another store is not gone on with.
    part = product.folder / "mixed.jsonl.part"
    part.write_text("\n".join(path.read_text(encoding="utf-8").splitlines()[:2]) + "\n", encoding="utf-8")
    done = run_sidecar(product.env, "export", product.folder / "mixed.jsonl")
    assert done.returncode == 1 and "another store" in done.stderr


def test_progress(fresh, exported):
    _, path, _ = exported
    product = fresh.product(stub=False)
    product.state.mkdir(parents=True)
    plain = import_(product, path.parent)  # the folder, and its file of the usual name
    assert "\r" not in plain and "bytes of" in plain
    primary, secondary = pty.openpty()
    try:
        done = subprocess.run([SIDECAR, "export", product.folder / "on-a-terminal.jsonl"], env=product.env,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=secondary, timeout=60)
        shown = os.read(primary, 65536).decode()
    finally:
        os.close(primary)
        os.close(secondary)
    assert done.returncode == 0
    assert "\r" in shown and "#" in shown and " %" in shown
