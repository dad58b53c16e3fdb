"""Processes that tests start: their logs, their children, and their end by process id."""

import os
import pathlib
import shutil
import signal
import subprocess

from .waiting import quietly, wait_until


class Process:
    """A program with its output in a file. It dies with the tests, and stop() ends it by its process id."""

    def __init__(self, name, command, log, *, env=None, cwd=None, user=None, stop_signal=signal.SIGTERM):
        self.name = name
        self.log = pathlib.Path(log)
        self._command = [str(part) for part in command]
        self._env = env
        self._cwd = cwd
        self._user = user
        self._stop_signal = stop_signal
        self._popen = None
        self._log_start = 0

    @property
    def pid(self):
        return self._popen.pid

    def start(self):
        # setpriv: the kernel ends the program if the tests are killed, and postgres refuses to run as root.
        prefix = ["setpriv", "--pdeathsig", self._stop_signal.name[3:]]
        if self._user is not None and os.geteuid() == 0:
            prefix += ["--reuid", self._user, "--regid", self._user, "--clear-groups"]
        with open(self.log, "ab") as output:
            self._log_start = output.tell()
            self._popen = subprocess.Popen(prefix + ["--"] + self._command, stdin=subprocess.DEVNULL, stdout=output,
                                           stderr=subprocess.STDOUT, env=self._env, cwd=self._cwd)
        return self

    def alive(self):
        return self._popen is not None and self._popen.poll() is None

    def require_alive(self):
        if not self.alive():
            raise RuntimeError(f"{self.name} ended with {self._popen.returncode}:\n{self.tail()}")

    def signal(self, number):
        self._popen.send_signal(number)

    def wait(self, timeout):
        """The exit status; TimeoutExpired where the program goes on."""
        return self._popen.wait(timeout)

    def stop(self, timeout=15):
        """Asks the program to end, and kills it after `timeout` seconds. Returns its exit status."""
        if self._popen is None:
            return None
        if self.alive():
            self.signal(signal.SIGCONT)
            self.signal(self._stop_signal)
            try:
                self.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
        return self._popen.returncode

    def kill(self):
        self.signal(signal.SIGKILL)
        return self.wait(10)

    def output(self):
        """What it has printed since it was started last; the log has all."""
        return self.log.read_bytes()[self._log_start:].decode(errors="replace") if self.log.exists() else ""

    def tail(self, lines=40):
        return "\n".join(self.output().splitlines()[-lines:])


def descendants(pid):
    """Process ids of all that `pid` started, directly or not."""
    children = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        stat = quietly(lambda path=f"/proc/{entry}/stat": pathlib.Path(path).read_text())
        if stat:
            children.setdefault(int(stat.rsplit(")", 1)[1].split()[1]), []).append(int(entry))
    found, todo = [], [pid]
    while todo:
        for child in children.get(todo.pop(), []):
            found.append(child)
            todo.append(child)
    return found


def command_line(pid):
    """The words of the command that `pid` runs; empty where it is gone."""
    text = quietly(pathlib.Path(f"/proc/{pid}/cmdline").read_bytes)
    return [word.decode(errors="replace") for word in (text or b"").rstrip(b"\0").split(b"\0")] if text else []


def status_field(pid, field):
    """A field of /proc/PID/status, such as Threads or VmRSS."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return value.strip()
    raise KeyError(field)


def exists(pid):
    """True while `pid` runs; a zombie counts as gone."""
    stat = quietly(lambda: pathlib.Path(f"/proc/{pid}/stat").read_text(), OSError, ProcessLookupError)
    return bool(stat) and stat.rsplit(")", 1)[1].split()[0] != "Z"


def wait_gone(pids, timeout):
    wait_until(lambda: not any(exists(pid) for pid in pids), timeout, f"the end of processes {pids}")


def send_signal(pids, number):
    for pid in pids:
        quietly(lambda pid=pid: os.kill(pid, number), ProcessLookupError)


def find_program(name, *folders):
    """The path of a program in PATH or `folders`."""
    for folder in folders:
        path = pathlib.Path(folder) / name
        if path.exists():
            return str(path)
    found = shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name} is not installed")
    return found
