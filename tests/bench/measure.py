"""Running a load against an address, and what it costs the processes that serve it."""

import dataclasses
import itertools
import json
import os
import pathlib
import re
import statistics
import subprocess

from harness import ROOT, processes
from harness.waiting import quietly

LOAD_SCRIPT = pathlib.Path(__file__).with_name("load.lua")
CHAT_ID_PLACE = "CHAT_ID_IS_PUT_HERE_24CH"
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

# A chat comes up again after so many turns of every connection: later than any turn takes.
CHATS_A_CONNECTION = 32

_runs = itertools.count(1)


@dataclasses.dataclass
class Load:
    """What a client of one address sends. `body` is a file; see load.lua for `mode` and `pause`."""

    url: str
    body: pathlib.Path | None = None
    key: str = ""
    mode: str = "fixed"
    pause: int = 0

    def run(self, connections, seconds, cpu_of=None):
        """One measurement with wrk: the numbers of load.lua, requests/s, and CPU µs a request by group of processes."""
        command = ["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--timeout", "30s"]
        if self.body is not None:
            command += ["-s", str(LOAD_SCRIPT), self.url, "--", str(self.body), f"key={self.key}",
                        f"mode={self.mode}", f"pause={self.pause}", f"chats={CHATS_A_CONNECTION * connections}",
                        f"prefix=b{os.getpid() % 10**7:x}-{next(_runs):x}-"]
        else:
            command += [*(["-H", f"Authorization: {self.key}"] if self.key else []), "--latency", self.url]
        groups = cpu_of() if cpu_of else {}
        before = {name: cpu_seconds(pids) for name, pids in groups.items()}
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 120)
        if done.returncode != 0:
            raise RuntimeError(f"wrk failed: {done.stdout}{done.stderr}")
        result = parse_script_output(done.stdout) if self.body is not None else parse_plain_output(done.stdout)
        result["requests_per_second"] = result["requests"] / result["seconds"]
        result["cpu_us"] = {name: (cpu_seconds(pids) - before[name]) * 1e6 / max(result["requests"], 1)
                            for name, pids in groups.items()}
        return result


def parse_script_output(text):
    for line in text.splitlines():
        if line.startswith("RESULT "):
            return json.loads(line[len("RESULT "):])
    raise RuntimeError(f"wrk printed no result:\n{text}")


def parse_plain_output(text):
    """wrk's own report, which costs it less than a script does."""
    total = re.search(r"(\d+) requests in ([\d.]+)(ms|s|m)", text)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    sockets = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    seconds = float(total[2]) * {"ms": 1e-3, "s": 1, "m": 60}[total[3]]
    return {"requests": int(total[1]), "seconds": seconds,
            "p50_ms": latency_ms(text, "50%"), "p99_ms": latency_ms(text, "99%"),
            "bad_status": int(bad[1]) if bad else 0,
            "socket_errors": sum(map(int, sockets.groups())) if sockets else 0}


def latency_ms(text, percentile):
    found = re.search(rf"^\s*{percentile}\s+([\d.]+)(us|ms|s|m)\s*$", text, re.MULTILINE)
    return float(found[1]) * {"us": 1e-3, "ms": 1, "s": 1e3, "m": 6e4}[found[2]]


def burst(url, key, body, count):
    """`count` requests at once, a connection each, with h2load. The seconds until the last answer, and how many were 2xx."""
    command = ["h2load", "--h1", "-n", str(count), "-c", str(count), "-t", "1", "-d", str(body),
               "-H", f"Authorization: {key}", "-H", "Content-Type: application/json", url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    finished = re.search(r"finished in ([\d.]+)(us|ms|s|m)", done.stdout)
    good = re.search(r"status codes: (\d+) 2xx", done.stdout)
    if not finished or not good:
        raise RuntimeError(f"h2load failed: {done.stdout}{done.stderr}")
    slowest = re.search(r"time for request:\s+\S+\s+([\d.]+)(us|ms|s|m)", done.stdout)
    unit = {"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60}
    return {"seconds": float(finished[1]) * unit[finished[2]], "good": int(good[1]),
            "slowest_seconds": float(slowest[1]) * unit[slowest[2]]}


def medians(results):
    """One result from several of the same kind: the median of each number, the sum of what went wrong."""
    names = ("requests_per_second", "p50_ms", "p99_ms")
    combined = {name: statistics.median(result[name] for result in results) for name in names}
    combined["failures"] = sum(result["bad_status"] + result["socket_errors"] for result in results)
    combined["requests"] = sum(result["requests"] for result in results)
    combined["cpu_us"] = {group: statistics.median(result["cpu_us"][group] for result in results)
                          for group in results[0]["cpu_us"]}
    return combined


def build_folder():
    """Where ./scripts/run finds what it runs."""
    return pathlib.Path(os.environ.get("NPCCHAT_BUILD_DIR", ROOT / "build"))


def with_children(pid):
    return [pid, *processes.descendants(pid)]


def cpu_seconds(pids):
    """User and system time that the processes have used so far; one that is gone counts nothing."""
    total = 0
    for pid in pids:
        stat = quietly(pathlib.Path(f"/proc/{pid}/stat").read_text, OSError)
        if stat:
            fields = stat.rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
    return total / TICKS_PER_SECOND


def resident_mib(pids):
    """Resident memory of the processes together. A page that n processes share counts 1/n for each of them."""
    return sum(filter(None, (quietly(lambda pid=pid: proportional_kib(pid), OSError) for pid in pids))) / 1024


def proportional_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0
