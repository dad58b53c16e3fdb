"""nginx and the sidecar without ./scripts/run over them, so that a test can kill either and start it again."""

import os
import pathlib
import signal

from . import processes
from .edge import sanitizer_environment
from .processes import Process, command_line
from .product import START_TIMEOUT
from .waiting import quietly, wait_until

MASTER = "nginx: master process "


class Stack:
    """Takes over what a Product runs: the same commands, configuration and state, each a process of the tests.

    ./scripts/run ends everything when one of its processes dies; what watches them in production restarts that one.
    """

    def __init__(self, product):
        self.product = product
        nginx, sidecar = self._find_nginx(), product.sidecar_pid()
        # nginx writes its title over its arguments and environment; a path with blanks would not survive that.
        nginx_words = command_line(nginx)[0][len(MASTER):].split()
        self._nginx_cwd = os.readlink(f"/proc/{nginx}/cwd")
        self._sidecar_words = command_line(sidecar)
        self._sidecar_env = environment(sidecar)
        self._sidecar_cwd = os.readlink(f"/proc/{sidecar}/cwd")
        product.stop()
        self._nginx = Process("nginx", nginx_words, product.folder / "nginx.out", cwd=self._nginx_cwd,
                              env={"PATH": os.environ["PATH"], **sanitizer_environment()},
                              stop_signal=signal.SIGQUIT)
        self._sidecar = self._new_sidecar()

    def start(self):
        self._sidecar.start()
        self._nginx.start()
        self.wait_ready()
        return self

    def stop(self):
        self._nginx.stop()
        self._sidecar.stop()

    @property
    def sidecar_pid(self):
        return self._sidecar.pid

    def kill_sidecar(self):
        self._sidecar.kill()

    def signal_sidecar(self, number):
        self._sidecar.signal(number)

    def wait_sidecar(self, timeout):
        """The sidecar's exit status."""
        return self._sidecar.wait(timeout)

    def start_sidecar(self):
        self._sidecar = self._new_sidecar().start()

    def wait_ready(self, timeout=START_TIMEOUT):
        wait_until(self._ready, timeout, "readiness")

    def _ready(self):
        self._sidecar.require_alive()
        self._nginx.require_alive()
        answer = quietly(lambda: self.product.anyone.get("/readyz"))
        return answer is not None and answer.status == 200

    def _new_sidecar(self):
        # Its log goes where that of the run went: it is looked through for secrets in the end.
        log = self.product.logs / "sidecar-by-hand.log"
        return Process("sidecar", self._sidecar_words, log, cwd=self._sidecar_cwd, env=self._sidecar_env)

    def _find_nginx(self):
        for pid in self.product.pids():
            words = command_line(pid)
            if words and words[0].startswith(MASTER):
                return pid
        raise RuntimeError("nginx does not run")


def environment(pid):
    """The environment that a process was started with."""
    pairs = pathlib.Path(f"/proc/{pid}/environ").read_bytes().rstrip(b"\0").split(b"\0")
    return dict(pair.decode(errors="surrogateescape").partition("=")[::2] for pair in pairs)


def threads_of(pid):
    """How many threads a process has."""
    return int(processes.status_field(pid, "Threads"))

