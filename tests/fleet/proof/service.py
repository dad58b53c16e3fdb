"""What runs on a machine: a program, and whoever starts it again when it has died."""

import signal
import time

from harness import processes
from harness.processes import descendants
from harness.waiting import wait_until

START_TIMEOUT = 60
# As long as systemd's units and container engines wait before they start again what has died.
RESTART_AFTER = 1.0


class Service:
    """A program on a machine. Subclasses say which in `command()`, and whether it serves in `ready()`.

    All are started by the thread that made them: the kernel ends them with it.
    """

    program = "program"
    stop_signal = signal.SIGTERM

    def __init__(self, machine):
        self.machine = machine
        self.lives = []  # [from, to] of the monotonic clock; what it has in memory lives as long
        self._process = None
        self._wanted = False
        self._died = None

    def __str__(self):
        return self.machine.name

    def command(self):
        """The words of its command line, and its environment (None: that of this process)."""
        raise NotImplementedError

    def ready(self):
        raise NotImplementedError

    @property
    def pid(self):
        return self._process.pid

    def pids(self):
        """All its processes, the first one first."""
        return [self.pid, *descendants(self.pid)] if self.alive() else []

    def start(self):
        self._wanted, self._died = True, None
        command, env = self.command()
        self._process = self.machine.process(self.program, command, env=env, stop_signal=self.stop_signal,
                                             cwd=self.machine.folder)
        self.lives.append([time.monotonic(), float("inf")])
        self._process.start()
        return self

    def wait_ready(self):
        def is_ready():
            self._process.require_alive()
            return self.ready()
        wait_until(is_ready, START_TIMEOUT, f"{self.program} of {self.machine.name}")
        return self

    def stop(self, timeout=15):
        """Asks it to end, and waits. Its exit status; TimeoutExpired where it does not end by itself."""
        self._wanted = False
        self._process.signal(self.stop_signal)
        status = self._process.wait(timeout)
        self.lives[-1][1] = time.monotonic()
        return status

    def kill(self):
        """All of it at once, as where its machine or container dies. It stays away until revive()."""
        pids = self.pids()
        processes.send_signal(pids, signal.SIGKILL)
        self._process.wait(10)
        processes.wait_gone(pids, 10)
        self.lives[-1][1] = time.monotonic()

    def leave(self):
        """The same, and it does not come back by itself."""
        self._wanted = False
        self.kill()

    def alive(self):
        return self._process is not None and self._process.alive()

    def revive(self):
        """Starts it again where it has been dead for RESTART_AFTER and nobody has stopped it."""
        if not self._wanted or self.alive():
            return
        if self._died is None:
            self._died = time.monotonic()
        elif time.monotonic() - self._died >= RESTART_AFTER:
            self.start()

    def tail(self):
        return self._process.tail() if self._process else ""
