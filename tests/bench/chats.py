"""Chat turns through the whole stack: against plain nginx, in their thousands, and all at once."""

import json
import statistics
import threading

import measure
import report
import servers
from harness import processes
from harness.client import Client
from harness.stub import Stub
from harness.talk import make_npc

MODEL_SECONDS = 2


def compare(stack, folder, options):
    """Medians of interleaved rounds for (a), (b) and (c), at each number of connections, and the ratios c/b."""
    plain = stack.keep(servers.plain_proxy(folder / "plain", stack.canned))
    model_request = write_body(folder / "model-request.json", {
        "model": "gpt-4o-mini",
        "messages": [{"role": "system", "content": "You are a knight. " * 12}, {"role": "user", "content": "Hello!"}]})
    loads = {
        "a": measure.Load(stack.canned.url("/v1/chat/completions"), model_request),
        "b": measure.Load(plain.url("/v1/chat/completions"), model_request),
        "c": chat_load(stack, folder, "rolling"),
        "c new": chat_load(stack, folder, "new"),
    }

    def cpu_groups():
        return {**stack.groups(), "plain": measure.with_children(plain.pid)}

    for name, load in loads.items():
        load.run(options.connections[-1], 1)
    results = {(name, count): [] for count in options.connections for name in loads}
    for number in range(options.rounds):
        report.say(f"chats, round {number + 1} of {options.rounds}…")
        for count in options.connections:
            for name, load in loads.items():
                results[name, count].append(load.run(count, options.seconds, cpu_groups))
    rows = [{"name": name, "connections": count, **measure.medians(runs)} for (name, count), runs in results.items()]
    for row in rows:
        ratios = [run["requests_per_second"] / plain_run["requests_per_second"] for run, plain_run in
                  zip(results[row["name"], row["connections"]], results["b", row["connections"]])]
        row["ratio_to_b"] = statistics.median(ratios)
    return rows


def write_body(path, content):
    path.write_text(json.dumps(content))
    return path


def chat_load(stack, folder, mode):
    body = write_body(folder / "chat.json", {"npc_id": stack.npc_id, "chat_id": measure.CHAT_ID_PLACE,
                                             "message": "Hail! What news from the road?"})
    return measure.Load(f"http://127.0.0.1:{stack.product.port}/chat_npc/", body, stack.user.key, mode)


def watch_memory(stack, options):
    """Sends turns until there are enough, and notes the memory of each process every tenth of them."""
    load = chat_load(stack, stack.folder, "rolling")
    samples, sent, failures = [], 0, 0
    while sent < options.turns:
        result = load.run(options.connections[-1], 5)
        sent += result["requests"]
        failures += result["bad_status"] + result["socket_errors"]
        if not samples or sent - samples[-1]["turns"] >= options.turns / 10 or sent >= options.turns:
            samples.append({"turns": sent, **stack.memory()})
            report.say(f"{sent} turns of {options.turns}…")
    return {"samples": samples, "failures": failures}


class PeakThreads:
    """Watches the number of a process's threads until it is left."""

    def __init__(self, pid):
        self.peak = 0
        self._pid = pid
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()

    def _watch(self):
        while True:
            self.peak = max(self.peak, int(processes.status_field(self._pid, "Threads")))
            if self._end.wait(0.1):
                return


def burst(stack, options):
    """Many chats at once against a slow model, three times over."""
    stub = stack.keep(Stub(stack.folder / "slow")).start()
    stub.behave(latency=MODEL_SECONDS)
    product = stack.new_product("slow-product", 1, stub.url())
    user = product.sign_up()
    body = write_body(stack.folder / "burst.json",
                      {"npc_id": make_npc(user.client), "message": "Hail! What news from the road?"})
    # Looks the key up once, so that the burst measures chats alone.
    Client(product.port, user.key).post("/verify_token/").expect(200)
    runs = []
    with PeakThreads(product.sidecar_pid()) as threads:
        for number in range(1 if options.quick else 3):
            report.say(f"{options.burst} chats at once, round {number + 1}…")
            runs.append(measure.burst(f"http://127.0.0.1:{product.port}/chat_npc/", user.key, body, options.burst))
    return {"chats": options.burst, "model_seconds": MODEL_SECONDS, "sidecar_threads": threads.peak, "runs": runs}
