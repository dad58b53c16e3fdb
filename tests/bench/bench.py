#!/usr/bin/python3
"""Measures npcchat against plain nginx, in one run on one machine. Figures are this machine's; the ratios say more.

  (a)      a canned completion, served by nginx with one worker
  (b)      plain nginx, one worker, as a proxy to (a)
  (c)      POST /chat_npc/ through the whole stack, nginx with one worker too, on a Redis and a PostgreSQL of its own,
           with (a) as the model; chats of eight turns
  (c new)  the same, a new chat for every request
  static   a small file behind the module, key cached and limit on, with nginx's log and with its own, against the same
           file from plain nginx, and behind auth_basic and limit_req
  burst    many chats at once against a model that takes two seconds
  relay    /v1/chat/completions against the same call made directly, thousands of slow streams, and fast ones
"""

import argparse
import contextlib
import json
import pathlib
import resource
import shutil
import signal
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1]), str(pathlib.Path(__file__).resolve().parent)]

import chats  # noqa: E402
import relay  # noqa: E402
import report  # noqa: E402
import static_file  # noqa: E402
from stack import Stack  # noqa: E402


def parse_arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="short measurements, only to see that all of it works")
    parser.add_argument("--long", action="store_true", help="also send --turns turns and watch the memory")
    parser.add_argument("--only", choices=("chats", "static", "burst", "relay", "memory"), action="append",
                        help="leave the other parts out; may be repeated")
    parser.add_argument("--seconds", type=int, metavar="N", help="length of one measurement (3; quick: 1)")
    parser.add_argument("--rounds", type=int, metavar="N", help="interleaved rounds (5; quick: 1)")
    parser.add_argument("--static-rounds", type=int, metavar="N", help="the same for the static file (9; quick: 3)")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16, 64], metavar="N",
                        help="connections at once (1 16 64)")
    parser.add_argument("--burst", type=int, default=1000, metavar="N", help="chats of the burst (1000)")
    parser.add_argument("--streams", type=int, metavar="N", help="slow streams at once (4000; quick: 200)")
    parser.add_argument("--turns", type=int, default=100_000, metavar="N", help="turns of --long (100000)")
    parser.add_argument("--json", metavar="FILE", type=pathlib.Path, help="also write all figures here")
    parser.add_argument("--check", action="store_true", help="fail where a target is missed, not only on failed requests")
    options = parser.parse_args()
    options.seconds = options.seconds or (1 if options.quick else 3)
    options.rounds = options.rounds or (1 if options.quick else 5)
    options.streams = options.streams or (200 if options.quick else 4000)
    options.static_rounds = options.static_rounds or (3 if options.quick else 9)
    return options


def chosen_parts(options):
    if options.only:
        return options.only
    return ["chats", "static", "burst", "relay"] + (["memory"] if options.long else [])


def measure(options, folder, stop):
    """All parts that were asked for; a dictionary of figures."""
    parts = chosen_parts(options)
    figures = {"machine": report.machine()}
    stack = stop.enter_context(Stack(folder))
    report.say("starting Redis, PostgreSQL, a canned model and npcchat…")
    stack.start()
    figures["memory_before"] = stack.memory()
    if "chats" in parts:
        figures["chats"] = chats.compare(stack, folder, options)
    if "memory" in parts:
        figures["turns"] = chats.watch_memory(stack, options)
    if "static" in parts:
        figures["static"] = static_file.compare(stack, folder, options)
    figures["memory_after"] = stack.memory()
    if "burst" in parts:
        figures["burst"] = chats.burst(stack, options)
    if "relay" in parts:
        figures["relay"] = relay.compare(stack, folder, options)
    return figures


def raise_descriptor_limit():
    """As many as there may be: a stream is one here, and two in nginx and in the sidecar each."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main():
    options = parse_arguments()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))
    raise_descriptor_limit()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="npcchat-bench-"))
    folder.chmod(0o711)
    try:
        with contextlib.ExitStack() as stop:
            figures = measure(options, folder, stop)
    except KeyboardInterrupt:
        return 130
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(report.text(figures))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    verdicts = report.verdicts(figures)
    failed = [verdict for verdict in verdicts if not verdict["met"] and (options.check or verdict["always"])]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
