"""Chats at a steady rate through the whole product, apart by what went on beside them.

They come one after the other at the same distances, whatever the answers take, from one player's NPC that knows a
document itself. Their model and their embedder answer at once, so that nothing but the product is waited for. Slices
of some seconds with and without something else alternate: the machine's own changes of speed meet both.
"""

import contextlib
import json
import os
import pathlib
import random
import statistics
import subprocess
import threading
import time

import servers
from harness.talk import make_npc

CHATS_A_SECOND, CONNECTIONS = 60, 6
SLICE = 4  # seconds
SETTLING = 0.3  # of a slice, that are not counted
DIMENSIONS = 384
FRAGMENTS, VARIANTS, TOPICS = 12, 256, 500
SYLLABLES = [a + b + c for a in "bdfgklmnprst" for b in "aeiou" for c in ("", "r", "n", "ston")]


def word(rng):
    """Few words are common and most are rare, as in a language."""
    number = int(len(SYLLABLES) ** 3 * rng.random() ** 6)
    syllables = []
    while number or not syllables:
        number, syllable = divmod(number, len(SYLLABLES))
        syllables.append(SYLLABLES[syllable])
    return "".join(syllables)


def text(rng, words):
    return " ".join(word(rng) for _ in range(words)) + "."


def vectors(rng):
    """Vectors without end, as JSON, put together of ready fragments: two thirds of them say what the topic is."""
    pool = [[",".join(f"{rng.gauss(0, 1):.2f}" for _ in range(DIMENSIONS // FRAGMENTS)) for _ in range(VARIANTS)]
            for _ in range(FRAGMENTS)]
    topics = [[rng.choice(variants) for variants in pool[:8]] for _ in range(TOPICS)]
    while True:
        yield "[" + ",".join(rng.choice(topics) + [rng.choice(variants) for variants in pool[8:]]) + "]"


def embedder(folder, digits):
    """Gives 32 vectors for what is long, one for what is short: the job's batches, and questions. It has 16 to the
    power of `digits` answers for each, and takes any."""
    folder.mkdir(parents=True)
    more = vectors(random.Random(1))
    for number in range(16 ** digits):
        (folder / f"many-{number:0{digits}x}.json").write_text("[" + ",".join(next(more) for _ in range(32)) + "]")
        (folder / f"one-{number:0{digits}x}.json").write_text(f"[{next(more)}]")
    folder.chmod(0o755)
    http = f"""map $content_length $kind {{ default many; "~^[0-9]{{1,3}}$" one; }}
        map $request_id $number {{ "~^(?<begin>.{{{digits}}})" $begin; }}"""
    server = f"""client_max_body_size 10m;
        location /info {{ default_type application/json; return 200 '{{"model_id": "canned"}}'; }}
        location / {{
            default_type application/json;
            error_page 405 =200 $uri;
            root {folder};
            rewrite ^ /$kind-$number.json break;
        }}"""
    return servers.Nginx(folder / "nginx", http=http, server=server).start()


@contextlib.contextmanager
def endpoints(folder, digits):
    """The environment of a product whose model and embedder answer at once."""
    model = servers.canned(folder / "model")
    try:
        embeds = embedder(folder / "embedder", digits)
        try:
            yield {"EMBED_URL": embeds.url("/embed"), "OPENAI_BASE_URL": model.url("/v1")}
        finally:
            embeds.stop()
    finally:
        model.stop()


class Chats:
    """As a context manager: they come as long as it is open."""

    def __init__(self, product, folder):
        self._slices = []  # (name, begin, end)
        user = product.sign_up()
        npc_id = make_npc(user.client)
        user.client.post(f"/npcs/{npc_id}/documents/", json_body={"text": "A long sword of steel costs nine."}).expect(201)
        body = pathlib.Path(folder) / f"chat-{npc_id}.json"
        body.write_text(json.dumps({"npc_id": npc_id, "message": "What does the long sword of steel cost?"}))
        self._log = body.with_suffix(".log")
        # One connection after the other: all at once, they would send all at once for ever.
        self._command = ["h2load", "--h1", "-t", "1", "-c", str(CONNECTIONS), "-n", "100000000", "-r", "1",
                         "--rate-period", f"{1000 // CHATS_A_SECOND}ms", "--rps", str(CHATS_A_SECOND // CONNECTIONS),
                         "-d", str(body), "-H", f"Authorization: {user.key}", "-H", "Content-Type: application/json",
                         "--log-file", str(self._log), f"http://127.0.0.1:{product.port}/chat_npc/"]
        self._process = None

    def __enter__(self):
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()

    @contextlib.contextmanager
    def slice(self, name):
        begun = time.time()
        yield
        self._slices.append((name, begun + SETTLING, time.time() - SETTLING))

    def milliseconds(self):
        """What each took, by the slice's name in which it began."""
        rows = [line.split("\t") for line in self._log.read_text().splitlines()]
        rows = [(int(began) / 1e6, status, int(took) / 1e3) for began, status, took in (row[:3] for row in rows if len(row) > 2)]
        assert rows and all(status == "200" for _, status, _ in rows), "a chat failed"
        found = {}
        for name, begin, end in self._slices:
            found.setdefault(name, []).extend(took for began, _, took in rows if begin <= began < end)
        return found


def beside(work, *arguments):
    """Calls it in a thread that has the processor only while nobody else wants it: a client stands elsewhere."""
    failures = []

    def run():
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        try:
            work(*arguments)
        except Exception as failure:  # noqa: BLE001: it is raised below
            failures.append(failure)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


def percentile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def report(stores, found):
    """A line for each kind of slice, and what p50 and p99 are of the first kind's."""
    first = None
    for name, values in found.items():
        p50, p90, p99 = (percentile(values, part) for part in (.5, .9, .99))
        first = first or (p50, p99)
        print(f"  {stores:18}{name:12}  p50 {p50:6.2f}  p90 {p90:6.2f}  p99 {p99:6.2f}  mean {statistics.mean(values):6.2f}"
              f"  of {len(values)}; of the first: p50 {p50 / first[0]:.2f}, p99 {p99 / first[1]:.2f}", flush=True)
