"""What ./scripts/bench-retrieval measures: how often the right passage is among the first, by words, vectors and both.

The set is questions.tsv beside this file: on each line a passage, and behind a tab a question that it answers, or
nothing. Some questions share no word with their passage, others a name that many passages have. Words alone and both are the product's own, through /rag/; vectors alone are the encoder's cosines.
"""

import pathlib
import shutil
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from harness.embedder import Embedder  # noqa: E402
from harness.launcher import EMBEDDED, POSTGRESQL, Launcher  # noqa: E402
from harness.waiting import wait_until  # noqa: E402

DEPTHS = (1, 5, 10, 20)


def load():
    lines = (HERE / "questions.tsv").read_text(encoding="utf-8").splitlines()
    pairs = [tuple(line.split("\t")) for line in lines]
    return [passage for passage, _ in pairs], [pair for pair in pairs if pair[1]]


def recall(found, asked):
    """The part of the questions whose passage is among the first, at each depth."""
    return [sum(passage in texts[:depth] for texts, (passage, _) in zip(found, asked)) / len(asked)
            for depth in DEPTHS]


def ask_all(product, asked):
    found = []
    for _, question in asked:
        body = {"query": question, "top_k_retrieve": 2 * max(DEPTHS), "top_k_rank": max(DEPTHS)}
        found.append(product.admin.post("/rag/", json_body=body).expect(200).json["context"])
    return found


def by_cosine(embedder, passages, asked):
    vectors = dict(zip(passages, embed(embedder, passages)))
    found = []
    for query in embed(embedder, [question for _, question in asked]):
        near = {text: sum(a * b for a, b in zip(query, vector)) for text, vector in vectors.items()}
        found.append(sorted(passages, key=near.get, reverse=True))
    return found


def embed(embedder, texts):
    vectors = []
    for at in range(0, len(texts), 32):
        vectors += embedder.call("POST", "/embed", {"inputs": texts[at:at + 32]})
    return vectors


def run(stores, embedder, launcher, passages, asked):
    """Recall of words alone and of both, on these stores."""
    found = []
    for env in ({}, embedder.env):
        with launcher.group() as group:
            product = group.start(stores, **env)
            product.admin.post("/add_to_rag_db/", json_body={"texts": passages}).expect(200)
            if env:
                wait_until(lambda: product.admin.get("/reindex/").json["status"] == "ready", 120, "embedding")
            found.append(recall(ask_all(product, asked), asked))
    return found


def main():
    passages, asked = load()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="npcchat-retrieval-"))
    folder.chmod(0o711)
    launcher = Launcher(folder)
    embedder = Embedder(folder / "embedder").start()
    try:
        rows = [("vectors alone", recall(by_cosine(embedder, passages, asked), asked))]
        for stores in (EMBEDDED, POSTGRESQL):
            words, both = run(stores, embedder, launcher, passages, asked)
            rows += [(f"words alone, {stores}", words), (f"both, {stores}", both)]
        print(f"{len(asked)} questions on {len(passages)} passages. recall@" + " @".join(map(str, DEPTHS)))
        for name, values in rows:
            print(f"  {name:28}" + "  ".join(f"{value:.3f}" for value in values))
    finally:
        embedder.stop()
        launcher.close()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
