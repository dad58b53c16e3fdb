"""Chats while documents are added: their latency before it and meanwhile, on each of the stores.

Chats come at a steady rate, whatever the answers take, from one player's NPC that knows a document itself. The documents
go to all, in uploads of a hundred, and are embedded by a server that answers at once, so that nothing but the product
is waited for. The model's answers are canned as well.
"""

import json
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1])]

import servers  # noqa: E402
from harness.client import Client  # noqa: E402
from harness.launcher import ALL_STORES, Launcher  # noqa: E402
from harness.talk import make_npc  # noqa: E402
from harness.waiting import wait_until  # noqa: E402

DOCUMENTS, UPLOAD = 10_016, 32  # whole batches of the embedder's
CHATS_A_SECOND, CONNECTIONS, SECONDS = 60, 6, 15
DIMENSIONS = 384
SYLLABLES = [a + b + c for a in "bdfgklmnprst" for b in "aeiou" for c in ("", "r", "n", "ston")]


def canned_embedder(folder):
    """32 vectors for what is long, one for what is short: the job's batches, and questions."""
    rng = random.Random(1)
    vectors = [[round(rng.gauss(0, 1), 3) for _ in range(DIMENSIONS)] for _ in range(32)]
    folder.mkdir(parents=True)
    (folder / "one.json").write_text(json.dumps(vectors[:1]))
    (folder / "many.json").write_text(json.dumps(vectors))
    folder.chmod(0o755)
    http = 'map $content_length $answer { default many; "~^[0-9]{1,3}$" one; }'
    server = f"""client_max_body_size 10m;
        location /info {{ default_type application/json; return 200 '{{"model_id": "canned"}}'; }}
        location / {{ default_type application/json; error_page 405 =200 $uri; root {folder}; rewrite ^ /$answer.json break; }}"""
    return servers.Nginx(folder / "nginx", http=http, server=server).start()


def word(rng):
    """Few words are common and most are rare, as in a language."""
    number = int(len(SYLLABLES) ** 3 * rng.random() ** 6)
    syllables = []
    while number or not syllables:
        number, syllable = divmod(number, len(SYLLABLES))
        syllables.append(SYLLABLES[syllable])
    return "".join(syllables)


def text(rng):
    return " ".join(word(rng) for _ in range(90)) + "."


class Chats:
    """A steady stream of chats with h2load, and what they took, in milliseconds."""

    def __init__(self, product, key, npc_id, folder):
        self._body = folder / f"chat-{npc_id}.json"
        self._body.write_text(json.dumps({"npc_id": npc_id, "message": "What does the long sword of steel cost?"}))
        self._log = self._body.with_suffix(".log")
        self._command = ["h2load", "--h1", "-c", str(CONNECTIONS), "-t", "1", "--rps", str(CHATS_A_SECOND // CONNECTIONS),
                         "-d", str(self._body), "-H", f"Authorization: {key}", "-H", "Content-Type: application/json",
                         "--log-file", str(self._log)]
        self._url = f"http://127.0.0.1:{product.port}/chat_npc/"

    def run(self, seconds):
        self._log.unlink(missing_ok=True)
        subprocess.run([*self._command, "-D", str(seconds), self._url], capture_output=True, check=True,
                       timeout=seconds + 60)
        rows = [line.split("\t") for line in self._log.read_text().splitlines()]
        assert rows and all(row[1] == "200" for row in rows), "a chat failed"
        return [int(row[2]) / 1000 for row in rows]


def uploads():
    """Bodies, made before anything is measured: that takes the processor as well."""
    rng = random.Random(2)
    return [json.dumps({"texts": [text(rng) for _ in range(UPLOAD)]}).encode() for _ in range(DOCUMENTS // UPLOAD)]


def add_documents(product, bodies, state):
    """Uploads all, one after the other; `state` learns how long it took."""
    admin = Client(product.port, product.admin.key, timeout=120)
    began = time.monotonic()
    for body in bodies:
        admin.post("/add_to_rag_db/", data=body).expect(200)
    state["uploaded"] = time.monotonic() - began
    wait_until(lambda: admin.get("/reindex/").expect(200).json["status"] == "ready", 600, "embedding")
    state["embedded"] = time.monotonic() - began


def measure(launcher, stores, folder, embedder, model, bodies):
    """(name, milliseconds) of chats before and meanwhile, and how long adding took."""
    with launcher.group() as group:
        product = group.start(stores, EMBED_URL=embedder.url("/embed"), OPENAI_BASE_URL=model.url("/v1"))
        user = product.sign_up()
        npc_id = make_npc(user.client)
        user.client.post(f"/npcs/{npc_id}/documents/", json_body={"text": "A long sword of steel costs nine."}).expect(201)
        chats = Chats(product, user.key, npc_id, folder)
        chats.run(3)
        before = chats.run(SECONDS)
        state = {}
        adding = threading.Thread(target=add_documents, args=(product, bodies, state))
        adding.start()
        meanwhile = []
        while adding.is_alive():
            meanwhile += chats.run(5)
        adding.join()
        after = chats.run(SECONDS)
        assert "embedded" in state, "adding failed"
        return before, meanwhile, after, state


def percentile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def run(launcher, folder, all_stores):
    embedder = canned_embedder(folder / "canned-embedder")
    model = servers.canned(folder / "canned-model")
    bodies = uploads()
    print(f"Chats ({CHATS_A_SECOND} a second) while {DOCUMENTS} documents are added and embedded; milliseconds")
    try:
        for stores in all_stores:
            before, meanwhile, after, state = measure(launcher, stores, folder, embedder, model, bodies)
            for name, values in (("before", before), ("meanwhile", meanwhile), ("after", after)):
                parts = "".join(f"  p{part * 100:g} {percentile(values, part):7.2f}" for part in (.5, .9, .99))
                print(f"  {stores:18}{name:12}{parts}  mean {statistics.mean(values):6.2f}  of {len(values)}")
            print(f"  {stores:18}uploaded after {state['uploaded']:.0f} s, embedded after {state['embedded']:.0f} s", flush=True)
    finally:
        model.stop()
        embedder.stop()


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="npcchat-additions-"))
    folder.chmod(0o711)
    launcher = Launcher(folder)
    try:
        run(launcher, folder, sys.argv[1:] or ALL_STORES)
    finally:
        launcher.close()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
