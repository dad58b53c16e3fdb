"""The benchmark's figures as one table of plain text, and what they say about the targets."""

import os
import pathlib
import sys

RATIO_CHAT = 0.25
RATIO_ACCESS, RATIO_STATIC, RATIO_BASIC = 0.9, 0.93, 1.0
BURST_SECONDS = 3
RELAY_ADDED_MS, FIRST_TOKEN_ADDED_MS = 0.25, 0.4
STREAM_KB, STREAM_MEMORY_LEFT = 30, 0.1
# Memory counts as flat where the last four fifths of the turns added less than this, for nginx and sidecar each.
FLAT_GROWTH, FLAT_MIB = 0.1, 4


def say(text):
    print(text, file=sys.stderr, flush=True)


def machine():
    """What the figures were measured on."""
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {"cpu": models[0] if models else "unknown", "cores": len(os.sched_getaffinity(0)),
            "kernel": os.uname().release, "load_before": os.getloadavg()[0]}


def text(figures):
    """Everything that was measured, as text."""
    info = figures["machine"]
    parts = [f"npcchat bench: {info['cores']} cores, {info['cpu']}, Linux {info['kernel']}; client and servers share "
             "the cores"]
    if info["load_before"] > 0.5 * info["cores"]:
        parts += [f"The machine was busy before this began (load {info['load_before']:.1f}): other work disturbed the figures"]
    if "chats" in figures:
        parts += ["POST /chat_npc/ against plain nginx (medians of interleaved rounds; CPU in µs a request)",
                  chat_table(figures["chats"])]
    if "static" in figures:
        parts += ["Static file; key cached (medians of interleaved rounds; CPU in µs a request)",
                  static_table(figures["static"])]
    if "burst" in figures:
        parts += [burst_text(figures["burst"])]
    if "relay" in figures:
        parts += ["/v1/chat/completions as a relay", relay_text(figures["relay"])]
    if "turns" in figures:
        parts += ["Resident memory (MiB) over many turns", turns_table(figures["turns"])]
    parts += ["Resident memory (MiB) of the processes, shared pages counted once", memory_table(figures)]
    parts += ["\n".join(f"{'ok    ' if verdict['met'] else 'MISSED'}  {verdict['text']}" for verdict in verdicts(figures))]
    return "\n\n".join(parts)


def table(head, rows):
    """Columns as wide as they must be; the first to the left, numbers to the right."""
    cells = [head, *[[str(cell) for cell in row] for row in rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    return "\n".join("  " + "  ".join(cell.ljust(width) if column == 0 else cell.rjust(width)
                                      for column, (cell, width) in enumerate(zip(row, widths))).rstrip()
                     for row in cells)


def chat_table(rows):
    groups = list(rows[0]["cpu_us"])
    head = ["", "conn", "req/s", "p50 ms", "p99 ms", "to (b)", *[f"cpu:{group}" for group in groups], "non-2xx"]
    body = []
    for row in rows:
        used = [f"{row['cpu_us'][group]:.0f}" for group in groups]
        body.append([f"({row['name']})", row["connections"], f"{row['requests_per_second']:.0f}",
                     f"{row['p50_ms']:.2f}", f"{row['p99_ms']:.2f}", f"{row['ratio_to_b']:.2f}", *used,
                     row["failures"]])
    return table(head, body)


def static_table(figures):
    named = (("plain nginx", "plain"), ("auth_basic + limit_req", "basic"), ("module: auth, limit", "access"),
             ("module: its log and metrics too", "module"))
    rows = [[name, f"{row['requests_per_second']:.0f}", f"{row['p50_ms']:.2f}", f"{row['p99_ms']:.2f}",
             f"{row['cpu_us']['nginx']:.1f}", row["failures"]] for name, row in ((name, figures[key]) for name, key in named)]
    return (f"{table(['', 'req/s', 'p50 ms', 'p99 ms', 'cpu:nginx', 'non-2xx'], rows)}\n"
            f"  to plain nginx: auth and limit {figures['ratio_access']:.3f}, all of it {figures['ratio']:.3f}; all of it to "
            f"auth_basic + limit_req {figures['ratio_basic']:.3f}")


def burst_text(figures):
    runs = "; ".join(f"{run['good']} answered in {run['seconds']:.2f} s" for run in figures["runs"])
    return (f"{figures['chats']} chats at once, the model taking {figures['model_seconds']} s: {runs}; "
            f"{figures['sidecar_threads']} threads in the sidecar")


def relay_text(figures):
    calls = figures["latency"]
    head = ["one connection", "req/s", "p50 ms", "p99 ms", "added p50 ms", "non-2xx"]
    rows = [[title, f"{calls[name]['requests_per_second']:.0f}", f"{calls[name]['p50_ms']:.3f}",
             f"{calls[name]['p99_ms']:.2f}", f"{calls[name]['added_ms']:.3f}" if "added_ms" in calls[name] else "",
             calls[name]["failures"]] for title, name in (("direct", "direct"), ("relayed, plan in process", "in process"),
                                                          ("relayed, plan in Redis", "redis"))]
    first, streams, busy = figures["first_token"], figures["streams"], figures["busy"]
    memory = streams["memory"]
    return (f"{table(head, rows)}\n\n"
            f"  first streamed token, p50: direct {first['direct_ms']:.3f} ms, relayed {first['relayed_ms']:.3f} ms, "
            f"added {first['added_ms']:.3f} ms\n"
            f"  {streams['streams']} streams at once, 2 tokens a second each: {streams['whole']} whole; sidecar "
            f"{memory['before']:.1f} MiB before, {memory['during']:.1f} during, {memory['after']:.1f} after, "
            f"{stream_kb(streams):.1f} kB a stream; {streams['cpu_us_a_token']:.1f} µs CPU a token in the sidecar"
            f"{''.join(f'; {problem}' for problem in streams['problems'])}\n"
            f"  as fast as they go: {busy['relayed']:.0f} tokens/s, direct {busy['direct']:.0f}; µs CPU a token: "
            + ", ".join(f"{name} {used:.1f}" for name, used in busy["cpu_us_a_token"].items()))


def stream_kb(streams):
    return (streams["memory"]["during"] - streams["memory"]["before"]) * 1048.576 / streams["streams"]


def turns_table(figures):
    groups = [name for name in figures["samples"][0] if name != "turns"]
    rows = [[sample["turns"], *[f"{sample[group]:.1f}" for group in groups]] for sample in figures["samples"]]
    return table(["turns", *groups], rows)


def memory_table(figures):
    groups = list(figures["memory_before"])
    rows = [[name, *[f"{figures[f'memory_{name}'][group]:.1f}" for group in groups]] for name in ("before", "after")]
    return table(["", *groups], rows)


def is_flat(samples, group):
    early = next(sample for sample in samples if sample["turns"] >= samples[-1]["turns"] / 5)[group]
    return samples[-1][group] <= early * (1 + FLAT_GROWTH) + FLAT_MIB


def verdicts(figures):
    """Each target: met or not. `always`: missing it fails the benchmark even without --check."""
    found = []

    def add(met, sentence, always=False):
        found.append({"met": bool(met), "text": sentence, "always": always})

    if "chats" in figures:
        failures = sum(row["failures"] for row in figures["chats"])
        add(failures == 0, f"{failures} failed requests of {sum(row['requests'] for row in figures['chats'])}", True)
        most = max(row["connections"] for row in figures["chats"])
        ratio = next(row["ratio_to_b"] for row in figures["chats"]
                     if row["name"] == "c" and row["connections"] == most)
        add(ratio >= RATIO_CHAT, f"c/b at {most} connections: {ratio:.3f} (target {RATIO_CHAT})")
    if "static" in figures:
        static = figures["static"]
        failures = sum(static[name]["failures"] for name in ("plain", "basic", "access", "module"))
        add(failures == 0, f"static file: {failures} failed requests", True)
        add(static["ratio_access"] >= RATIO_ACCESS,
            f"static file, auth and limit: {static['ratio_access']:.3f} of plain nginx (target {RATIO_ACCESS})")
        add(static["ratio"] >= RATIO_STATIC, f"static file, log and metrics too: {static['ratio']:.3f} of plain nginx (target {RATIO_STATIC})")
        add(static["ratio_basic"] >= RATIO_BASIC,
            f"static file, log and metrics too: {static['ratio_basic']:.3f} of auth_basic + limit_req (target {RATIO_BASIC})")
    if "burst" in figures:
        burst = figures["burst"]
        lost = sum(burst["chats"] - run["good"] for run in burst["runs"])
        slowest = max(run["seconds"] for run in burst["runs"])
        add(lost == 0, f"burst: {lost} chats without an answer", True)
        add(slowest <= BURST_SECONDS, f"burst: all answered within {slowest:.2f} s (target {BURST_SECONDS})")
    if "relay" in figures:
        calls, first, streams = (figures["relay"][name] for name in ("latency", "first_token", "streams"))
        add(all(calls[name]["failures"] == 0 for name in calls), "relay: no failed requests", True)
        added = calls["in process"]["added_ms"]
        add(added <= RELAY_ADDED_MS, f"relay: {added:.3f} ms added at p50 (target {RELAY_ADDED_MS})")
        add(first["added_ms"] <= FIRST_TOKEN_ADDED_MS,
            f"relay: the first token {first['added_ms']:.3f} ms later at p50 (target {FIRST_TOKEN_ADDED_MS})")
        add(streams["whole"] == streams["streams"], f"relay: {streams['whole']} of {streams['streams']} streams whole", True)
        add(stream_kb(streams) <= STREAM_KB, f"relay: {stream_kb(streams):.1f} kB a stream (target {STREAM_KB})")
        memory = streams["memory"]
        add(memory["after"] <= memory["before"] * (1 + STREAM_MEMORY_LEFT),
            f"relay: {memory['after']:.1f} MiB after the streams, {memory['before']:.1f} before (target: within 10 %)")
    if "turns" in figures:
        samples = figures["turns"]["samples"]
        add(figures["turns"]["failures"] == 0, f"{figures['turns']['failures']} failed turns", True)
        flat = all(is_flat(samples, group) for group in ("nginx", "sidecar"))
        add(flat, f"memory of nginx and sidecar flat over {samples[-1]['turns']} turns")
    return found
