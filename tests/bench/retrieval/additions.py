"""Chats while documents are added and embedded, and between: what they take, on each of the stores."""

import json
import pathlib
import random
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

DOCUMENTS, UPLOAD, WORDS = 10_016, 32, 90  # whole batches of the embedder's


def uploads():
    """Bodies, made before anything is measured: that takes the processor as well."""
    rng = random.Random(2)
    return [json.dumps({"texts": [text(rng, WORDS) for _ in range(UPLOAD)]}).encode() for _ in range(DOCUMENTS // UPLOAD)]


def add_some(product, bodies):
    """Uploads for a slice, one after the other, and waits until they are embedded."""
    admin = Client(product.port, product.admin.key, timeout=120)
    end = time.monotonic() + SLICE
    while bodies and time.monotonic() < end:
        admin.post("/add_to_rag_db/", data=bodies.pop()).expect(200)
    wait_until(lambda: admin.get("/reindex/").expect(200).json["status"] == "ready", 600, "embedding", interval=1)


def measure(launcher, stores, folder, env, bodies):
    """(chats' times by what went on beside them, seconds that adding took)."""
    with launcher.group() as group:
        product = group.start(stores, **env)
        adding = 0
        with Chats(product, folder) as chats:
            while bodies:
                with chats.slice("alone"):
                    time.sleep(SLICE)
                begun = time.monotonic()
                with chats.slice("meanwhile"):
                    beside(add_some, product, bodies)
                adding += time.monotonic() - begun
        return chats.milliseconds(), adding


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="npcchat-additions-"))
    folder.chmod(0o711)
    launcher = Launcher(folder)
    bodies = uploads()
    print(f"Chats ({CHATS_A_SECOND} a second) while {DOCUMENTS} documents are added and embedded; milliseconds")
    try:
        with endpoints(folder, digits=2) as env:
            for stores in sys.argv[1:] or ALL_STORES:
                found, adding = measure(launcher, stores, folder, env, list(bodies))
                report(stores, found)
                print(f"  {stores:18}all were added and embedded in {adding:.0f} s", flush=True)
    finally:
        launcher.close()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
