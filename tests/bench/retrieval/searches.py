"""Chats while others search 100,000 chunks, and between: what the searches and the chats take, on each of the stores."""

import json
import pathlib
import random
import re
import shutil
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1])]

from harness.client import Client  # noqa: E402
from harness.launcher import ALL_STORES, Launcher  # noqa: E402
from harness.waiting import wait_until  # noqa: E402
from steady import CHATS_A_SECOND, SLICE, Chats, beside, endpoints, report, text  # noqa: E402

CHUNKS, UPLOAD, WORDS = 100_352, 512, 30  # an upload is whole batches of the embedder's, a document one chunk
SEARCHES_A_SECOND, QUESTION_WORDS = 10, 8
PAIRS = 10  # of slices
LOADING = 1800  # seconds at most


def client_of(product):
    return Client(product.port, product.admin.key, timeout=120)


def load(product):
    """The shared documents, embedded, in memory, and with all vectors in the graph."""
    rng = random.Random(2)
    admin = client_of(product)
    for _ in range(0, CHUNKS, UPLOAD):
        texts = [text(rng, WORDS) for _ in range(UPLOAD)]
        admin.post("/add_to_rag_db/", json_body={"texts": texts}).expect(200)
    wait_until(lambda: admin.get("/reindex/").expect(200).json["status"] == "ready", LOADING, "embedding", interval=1)
    ask(admin, rng)
    wait_until(lambda: "vectors indexed" in product.log_text(), LOADING, "the graph", interval=1)


def ask(admin, rng):
    admin.post("/rag/", json_body={"query": text(rng, QUESTION_WORDS)}).expect(200)


def search_some(product, rng):
    """Searches at a steady rate for a slice."""
    admin = client_of(product)
    begun = time.monotonic()
    for number in range(SLICE * SEARCHES_A_SECOND):
        time.sleep(max(0, begun + number / SEARCHES_A_SECOND - time.monotonic()))
        ask(admin, rng)


def buckets(product, by):
    """How many searches among many chunks took at most so many seconds: {bound: count}."""
    pattern = rf'npcchat_search_duration_seconds_bucket{{by="{by}",chunks="many",le="([^"]+)"}} (\d+)'
    found = re.findall(pattern, product.admin.get("/metrics").expect(200).text)
    return {float(bound): int(count) for bound, count in found}


def within(before, after, part):
    """The bound in milliseconds that this part of the searches between kept."""
    counts = {bound: after[bound] - before[bound] for bound in after}
    return min(bound for bound, count in counts.items() if count >= part * counts[float("inf")]) * 1e3


def measure(launcher, stores, folder, env):
    """Prints chats' times by what went on beside them, and the searches'."""
    with launcher.group() as group:
        product = group.start(stores, **env)
        begun = time.monotonic()
        load(product)
        print(f"  {stores:18}{CHUNKS} chunks were added, embedded and indexed in {time.monotonic() - begun:.0f} s", flush=True)
        rng = random.Random(3)
        before = {by: buckets(product, by) for by in ("words", "vectors")}
        with Chats(product, folder) as chats:
            for _ in range(PAIRS):
                with chats.slice("alone"):
                    time.sleep(SLICE)
                with chats.slice("meanwhile"):
                    beside(search_some, product, rng)
        report(stores, chats.milliseconds())
        for by, first in before.items():
            last = buckets(product, by)
            bounds = ", ".join(f"p{part * 100:g} within {within(first, last, part):g} ms" for part in (.5, .9, .99))
            print(f"  {stores:18}{last[float('inf')] - first[float('inf')]} searches by {by}: {bounds}", flush=True)


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="npcchat-searches-"))
    folder.chmod(0o711)
    launcher = Launcher(folder)
    print(f"Chats ({CHATS_A_SECOND} a second) while {SEARCHES_A_SECOND} questions a second are asked of {CHUNKS} chunks; "
          "milliseconds")
    try:
        with endpoints(folder, digits=3) as env:
            for stores in sys.argv[1:] or ALL_STORES:
                measure(launcher, stores, folder, env)
    finally:
        launcher.close()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
