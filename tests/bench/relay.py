"""The OpenAI API as a relay: what it adds to a call's latency, how many streams it carries, and how many tokens."""

import http.client
import json
import pathlib
import re
import selectors
import socket
import statistics
import sys
import time

import measure
import report
from chats import write_body
from harness.processes import Process
from harness.product import Product
from harness.waiting import wait_until

PATH = "/v1/chat/completions"
TOKENS_A_SECOND = 2
STREAM_TOKENS = 40
FIRST_TOKEN_CALLS = 200
BUSY_STREAMS, BUSY_TOKENS = 64, 4000
# A plan that counts tokens and never refuses.
PLAN = {"name": "counted", "tokens_per_minute": 1_000_000_000}
REQUEST = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello!"}]}


class Tokens:
    """token_server.py as a process."""

    def __init__(self, folder, tokens, interval):
        self.tokens = tokens
        program = pathlib.Path(__file__).with_name("token_server.py")
        self._process = Process("token server", [sys.executable, program, "--tokens", tokens, "--interval", interval],
                                folder / f"tokens-{tokens}-{interval}.log")

    def start(self):
        self._process.start()
        self.port = int(wait_until(lambda: self._process.output().strip(), 10, "the token server's port"))
        return self

    def stop(self):
        self._process.stop()

    @property
    def pid(self):
        return self._process.pid

    def url(self):
        return f"http://127.0.0.1:{self.port}/v1"


def new_user(product):
    user = product.sign_up()
    product.admin.put(f"/users/{user.name}/plan", json_body=PLAN).expect(200)
    return user


def embedded_product(stack, name, model_url):
    """Its stores are files, and plans are counted in the process."""
    return stack.keep(Product(stack.folder / name, {"OPENAI_BASE_URL": model_url, "RATE_LIMIT": "0"})).start()


def compare(stack, folder, options):
    """Everything of this file; a dictionary of figures."""
    return {"latency": latency(stack, folder, options), "first_token": first_token(stack, folder, options),
            "streams": streams(stack, folder, options), "busy": busy(stack, folder, options)}


def latency(stack, folder, options):
    """Medians of rounds at one connection: p50 of a direct call, and of relayed ones."""
    embedded = embedded_product(stack, "relay-product", stack.canned.url("/v1"))
    body = write_body(folder / "relay.json", REQUEST)
    loads = {
        "direct": measure.Load(stack.canned.url(PATH), body),
        "in process": measure.Load(f"http://127.0.0.1:{embedded.port}{PATH}", body, new_user(embedded).key),
        "redis": measure.Load(f"http://127.0.0.1:{stack.product.port}{PATH}", body, new_user(stack.product).key),
    }
    for load in loads.values():
        load.run(1, 1)
    results = {name: [] for name in loads}
    for number in range(options.rounds):
        report.say(f"relay, round {number + 1} of {options.rounds}…")
        for name, load in loads.items():
            results[name].append(load.run(1, options.seconds))
    figures = {name: measure.medians(runs) for name, runs in results.items()}
    for name in ("in process", "redis"):
        figures[name]["added_ms"] = statistics.median(
            ours["p50_ms"] - direct["p50_ms"] for ours, direct in zip(results[name], results["direct"]))
    return figures


class StreamCaller:
    """Times the first token of streamed answers, over one kept connection."""

    def __init__(self, port, key=""):
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._body = json.dumps({**REQUEST, "stream": True})
        self._headers = {"Content-Type": "application/json", **({"Authorization": key} if key else {})}

    def call(self):
        """Milliseconds until the first token was read."""
        begun = time.perf_counter()
        self._connection.request("POST", PATH, self._body, self._headers)
        answer = self._connection.getresponse()
        while b'"content"' not in answer.readline():
            pass
        elapsed = time.perf_counter() - begun
        rest = answer.read()
        if answer.status != 200 or not rest.rstrip().endswith(b"[DONE]"):
            raise RuntimeError(f"a stream answered {answer.status} and ended with {rest[-80:]!r}")
        return elapsed * 1e3


def first_token(stack, folder, options):
    """Milliseconds to the first token at p50, medians of interleaved rounds."""
    tokens = stack.keep(Tokens(folder, 2, 0)).start()
    product = embedded_product(stack, "first-token-product", tokens.url())
    callers = {"direct": StreamCaller(tokens.port), "relayed": StreamCaller(product.port, new_user(product).key)}
    results = {name: [] for name in callers}
    for _ in range(options.rounds + 1):
        for name, caller in callers.items():
            results[name].append(statistics.median(caller.call() for _ in range(FIRST_TOKEN_CALLS)))
    rounds = list(zip(results["direct"], results["relayed"]))[1:]  # the first warms up
    return {"direct_ms": statistics.median(direct for direct, _ in rounds),
            "relayed_ms": statistics.median(relayed for _, relayed in rounds),
            "added_ms": statistics.median(relayed - direct for direct, relayed in rounds)}


class StreamReader:
    """One streamed answer on a connection of its own, checked for gaps while it comes."""

    TOKEN = re.compile(rb'"content": ?"w(\d+) "')
    LONGEST = 64  # bytes of what TOKEN finds

    def __init__(self, port, key):
        self.tokens = 0
        self.whole = False
        self.broken = ""
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=30)
        body = json.dumps({**REQUEST, "stream": True}).encode()
        self.sock.sendall(f"POST {PATH} HTTP/1.1\r\nHost: bench\r\nAuthorization: {key}\r\nContent-Type: application/json\r\n"
                          f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        self.sock.setblocking(False)
        self._head_read = False
        self._raw = b""  # not taken out of its chunks yet
        self._text = b""  # not looked through yet

    def read(self):
        """False once there is nothing more to come."""
        try:
            data = self.sock.recv(262144)
        except BlockingIOError:
            return True
        except OSError as error:
            self.broken = str(error)
            return False
        if not data:
            self.broken = "closed before its end"
            return False
        self._raw += data
        return self._take_chunks() and not self.whole and not self.broken

    def _take_chunks(self):
        if not self._head_read:
            head, separator, rest = self._raw.partition(b"\r\n\r\n")
            if not separator:
                return True
            if b" 200 " not in head[:16]:
                self.broken = head.split(b"\r\n")[0].decode()
                return False
            self._head_read, self._raw = True, rest
        raw, at = self._raw, 0
        while (line_end := raw.find(b"\r\n", at)) >= 0:
            size = int(raw[at:line_end], 16)
            if line_end + 2 + size + 2 > len(raw):
                break
            self._text += raw[line_end + 2:line_end + 2 + size]
            at = line_end + 2 + size + 2
            self.whole = size == 0
        self._raw = raw[at:]
        self._count_tokens()
        return True

    def _count_tokens(self):
        end = 0
        for found in self.TOKEN.finditer(self._text):
            if int(found[1]) != self.tokens:
                self.broken = f"token {int(found[1])} instead of {self.tokens}"
                return
            self.tokens += 1
            end = found.end()
        self._text = self._text[max(end, len(self._text) - self.LONGEST):]


def read_streams(port, key, count, seconds, meanwhile=None):
    """Opens `count` streams, reads them to their ends, and closes them. Calls `meanwhile` once all are open."""
    selector = selectors.DefaultSelector()
    readers = []
    deadline = time.monotonic() + seconds
    open_streams = 0

    def read_some(wait):
        nonlocal open_streams
        for key_, _ in selector.select(wait):
            if not key_.data.read():
                selector.unregister(key_.fileobj)
                open_streams -= 1

    try:
        while len(readers) < count:
            for _ in range(min(50, count - len(readers))):
                reader = StreamReader(port, key)
                readers.append(reader)
                selector.register(reader.sock, selectors.EVENT_READ, reader)
                open_streams += 1
            read_some(0.01)
        if meanwhile:
            meanwhile()
        while open_streams and time.monotonic() < deadline:
            read_some(1)
    finally:
        for reader in readers:
            reader.sock.close()
    return readers


def streams(stack, folder, options):
    """Many slow streams at once: whether each came whole, and what the sidecar keeps for one."""
    tokens = stack.keep(Tokens(folder, STREAM_TOKENS, 1 / TOKENS_A_SECOND)).start()
    product = embedded_product(stack, "streams-product", tokens.url())
    key = new_user(product).key
    # The first streams make what stays: threads' arenas, and pools of connections.
    read_streams(product.port, key, options.streams, 120)
    pids = [product.sidecar_pid()]
    memory = {}

    def note_memory():
        memory["during"] = measure.resident_mib(pids)

    def settled():
        now = measure.resident_mib(pids)
        return now if now <= memory["before"] * 1.1 else None

    memory["before"] = measure.resident_mib(pids)
    report.say(f"{options.streams} streams…")
    before = measure.cpu_seconds(pids)
    readers = read_streams(product.port, key, options.streams, 120, note_memory)
    used = measure.cpu_seconds(pids) - before
    try:
        memory["after"] = wait_until(settled, 15, "memory to be given back", interval=0.5)
    except TimeoutError:
        memory["after"] = measure.resident_mib(pids)
    whole = sum(reader.whole and reader.tokens == STREAM_TOKENS for reader in readers)
    return {"streams": options.streams, "whole": whole, "memory": memory,
            "problems": sorted({reader.broken for reader in readers if reader.broken})[:5],
            "cpu_us_a_token": used * 1e6 / (options.streams * STREAM_TOKENS)}


def busy(stack, folder, options):
    """As many tokens a second as the machine relays, model and reader beside it."""
    tokens = stack.keep(Tokens(folder, BUSY_TOKENS, 0)).start()
    product = embedded_product(stack, "busy-product", tokens.url())
    key = new_user(product).key
    direct = read_rate(tokens.port, "", options.rounds)
    groups = {"sidecar": [product.sidecar_pid()],
              "nginx": [pid for pid in product.pids() if pid != product.sidecar_pid()]}
    before = {name: measure.cpu_seconds(pids) for name, pids in groups.items()}
    relayed = read_rate(product.port, key, options.rounds)
    count = BUSY_STREAMS * BUSY_TOKENS * options.rounds
    return {"direct": direct, "relayed": relayed,
            "cpu_us_a_token": {name: (measure.cpu_seconds(pids) - before[name]) * 1e6 / count
                               for name, pids in groups.items()}}


def read_rate(port, key, rounds):
    """Tokens a second, the median of rounds."""
    rates = []
    for _ in range(rounds):
        begun = time.monotonic()
        readers = read_streams(port, key, BUSY_STREAMS, 120)
        if not all(reader.whole and reader.tokens == BUSY_TOKENS for reader in readers):
            raise RuntimeError(f"broken streams: {sorted({reader.broken for reader in readers})[:5]}")
        rates.append(BUSY_STREAMS * BUSY_TOKENS / (time.monotonic() - begun))
    return statistics.median(rates)
