#!/usr/bin/python3
"""The proof that many edges and many sidecars behave as one.

Three of each, their stores, a balancer and a load of chats, each on a machine of its own (network namespaces of this one),
and one fault after another. Afterwards every history is read back: each acknowledged turn is there once and in order, none that was never sent, and
each was answered knowing all before it; and nobody got more than docs/operations.md says that plans let through. What
clients saw of each fault is printed as a table. Needs root; leaves nothing
behind, however it ends.
"""

import argparse
import json
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "bench")]

from proof import faults, network, redis_stores, report, scale  # noqa: E402
from proof.fleet import Fleet  # noqa: E402
from proof.load import Load  # noqa: E402
from proof.pair import PORT  # noqa: E402

STORES = {"redis": redis_stores.SingleRedis, "cluster": redis_stores.ClusterOfRedis}
CLIENTS, PAUSE = 20, 0.05
SCALE_SECONDS = 10
BEGUN = time.monotonic()


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", choices=STORES, default="cluster", help="where the chats are (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=1, metavar="N", help="of all faults, from the second on in a "
                        "random order (1)")
    parser.add_argument("--seconds", type=float, default=1.5, metavar="N", help="that a fault lasts (1.5)")
    parser.add_argument("--only", action="append", metavar="TEXT", help="only faults with this in their name")
    parser.add_argument("--seed", type=int, default=None, metavar="N", help="of the order and of the clients' choices")
    parser.add_argument("--scale", action="store_true", help="instead, print what a turn costs at 1, 2 and 3 pairs")
    # Of one measurement in its namespaces.
    parser.add_argument("--pairs", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--json", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--keep", type=pathlib.Path, metavar="FOLDER", help="copy the logs there in the end")
    return parser.parse_args()


def say(text):
    print(f"[{time.monotonic() - BEGUN:6.1f}] {text}", flush=True)


def chosen_faults(options, store, dice):
    every = [fault for fault in faults.faults_for(store)
             if not options.only or any(text in fault.name for text in options.only)]
    for number in range(options.rounds):
        yield from every if number == 0 else dice.sample(every, len(every))


def prove(options):
    """The sentences on what is wrong."""
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**6)
    fleet = Fleet(STORES[options.store]).start().admit()
    say(f"{len(fleet.edges)} edges and sidecars on {fleet.store.name}; seed {seed}")
    load = Load(fleet.address, PORT, fleet.people, greedy=fleet.greedy(), clients=CLIENTS, pause=PAUSE, seed=seed)
    doer = faults.Doer(fleet, load, say)
    with faults.running(load):
        for fault in chosen_faults(options, fleet.store, random.Random(seed)):
            doer.do(fault, options.seconds)
        doer.settle()
    say("reading all back")
    limits = report.limits(fleet, load.record, doer.outcomes)
    found = report.findings(fleet, load.record, doer.outcomes, limits)
    print(f"\n{report.table(load.record, doer.outcomes)}\n")
    print(report.summary(load.record, doer.outcomes, limits), flush=True)
    return found


def print_scale(options):
    """Measures each number of pairs in namespaces of its own."""
    rows = []
    with tempfile.NamedTemporaryFile("r", prefix="npcchat-scale-") as file:
        for pairs in (1, 2, 3):
            status = network.enter([__file__, "--store", options.store, "--pairs", str(pairs), "--json", file.name])
            if status != 0:
                return status
            rows.append(json.loads(pathlib.Path(file.name).read_text()))
    print(scale.text(rows))
    return 1 if any(row["failed"] for row in rows) else 0


def keep_logs(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for path in network.FOLDER.rglob("*.log"):
        shutil.copy(path, folder / "-".join(path.relative_to(network.FOLDER).parts))


def main():
    options = parse_arguments()
    if not network.inside():
        reason = network.unavailable()
        if reason:
            print(f"prove: {reason}", file=sys.stderr)
            return 2
        if options.scale:
            return print_scale(options)
        return network.enter([__file__, *sys.argv[1:]])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if options.pairs:
            figures = scale.measure_pairs(STORES[options.store], options.pairs, SCALE_SECONDS)
            options.json.write_text(json.dumps(figures))
            return 0
        found = prove(options)
    finally:
        if options.keep:
            keep_logs(options.keep)
    for finding in found[:40]:
        print(f"FOUND {finding}")
    print(f"{len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
