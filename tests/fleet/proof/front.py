"""What is neither ours nor a store: the balancer in front of the edges, and the models behind the sidecars."""

import os
import re
import signal
import sys

from harness import ROOT, processes
from harness.client import Client
from harness.stub import PROGRAM
from harness.waiting import quietly, wait_until

from .pair import PORT
from .service import Service

BALANCER = ROOT / "conf" / "balancer.conf"
SERVER = re.compile(r"server 10\.0\.0\.11:8001 ([^;]*);\n(?: *server 10\.[^\n]*\n)+")
MODEL_PORT = 8080
MODEL_SECONDS = 0.02

class Nginx(Service):
    """An nginx without our module. Subclasses write its configuration."""

    program = "nginx"
    stop_signal = signal.SIGQUIT

    def configuration(self):
        raise NotImplementedError

    def command(self):
        self._write()
        folder = self.machine.folder
        return ([processes.find_program("nginx", "/usr/sbin"), "-p", folder, "-c", folder / "nginx.conf", "-e",
                 folder / "error.log"], {"PATH": os.environ["PATH"]})

    def _write(self):
        (self.machine.folder / "nginx.conf").write_text(self.configuration())


class Balancer(Nginx):
    """As conf/balancer.conf has it, but for addresses and paths."""

    def __init__(self, machine, edges):
        super().__init__(machine)
        self.out = set()
        self._edges = edges

    def client(self, key=None, timeout=10):
        return Client(PORT, key, host=self.machine.address, timeout=timeout)

    def configuration(self):
        text = BALANCER.read_text()
        more = SERVER.search(text)[1]
        servers = "\n        ".join(f"server {edge.address} {more}{' down' if edge in self.out else ''};"
                                    for edge in self._edges)
        text = SERVER.sub(lambda _: servers + "\n", text)
        folder = self.machine.folder
        text = text.replace("worker_processes auto;", "user root;\nworker_processes 1;\ndaemon off;")
        text = text.replace("/run/nginx-balancer.pid", f"{folder}/nginx.pid")
        text = text.replace("/var/log/nginx/balancer-error.log", f"{folder}/error.log")
        paths = "".join(f"    {name}_temp_path {folder}/{name};\n"
                        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        return text.replace("http {\n", "http {\n" + paths)

    def ready(self):
        answer = quietly(lambda: self.client().get("/readyz"))
        return answer is not None and answer.status == 200

    def take_out(self, edge):
        """Sends nothing new to the edge, and waits until what was sent is answered."""
        self.out.add(edge)
        self._reload()

    def put_back(self, edge):
        self.out.discard(edge)
        self._reload()

    def _reload(self):
        old = processes.descendants(self.pid)
        self._write()
        processes.send_signal([self.pid], signal.SIGHUP)
        wait_until(lambda: not any(processes.exists(pid) for pid in old), 60, "the balancer's old workers")


class StubModel(Service):
    """Quotes each message, and says how many messages came with it."""

    program = "stub-model"

    @property
    def base_url(self):
        return f"http://{self.machine.address}:{MODEL_PORT}/v1"

    def command(self):
        return ([sys.executable, PROGRAM, "--host", self.machine.address, "--port", MODEL_PORT, "--notice", "",
                 "--latency", MODEL_SECONDS, "--keep", 1], None)

    def ready(self):
        answer = quietly(lambda: Client(MODEL_PORT, host=self.machine.address).get("/v1/models"))
        return answer is not None and answer.status == 200


class CannedModel(Nginx):
    """One answer for all, at no cost: for measurements."""

    base_url = StubModel.base_url

    def configuration(self):
        # Beside scripts/bench's, only this is needed of it.
        from servers import ANSWER, CONFIGURATION
        text = CONFIGURATION.replace("127.0.0.1:{port}", f"{self.machine.address}:{MODEL_PORT}")
        return text.format(folder=self.machine.folder, modules="", http="", user="user root;", port=MODEL_PORT,
                           server=f"location / {{ default_type application/json; return 200 '{ANSWER}'; }}")

    ready = StubModel.ready
