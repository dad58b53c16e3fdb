"""The embedder of the tests: a real sentence encoder in text-embeddings-inference's form, told how to fail."""

import fcntl
import http.client
import json
import pathlib
import shutil
import subprocess

from . import ROOT
from .ports import free_port
from .processes import Process
from .waiting import wait_until

SOURCE = ROOT / "tests" / "embedder"
PACKAGE = ("package.json", "package-lock.json", ".npmrc")


def installed():
    """A folder with the encoder and the server, installed once for each lock file."""
    folder = ROOT / "build" / "test-embedder"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = (SOURCE / "package-lock.json").read_text(encoding="utf-8")
        stamp = folder / "installed"
        if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
            for name in PACKAGE:
                shutil.copy(SOURCE / name, folder / name)
            subprocess.run(["npm", "ci", "--ignore-scripts", "--no-update-notifier", "--loglevel=error"],
                           cwd=folder, check=True, timeout=300)
            stamp.write_text(wanted, encoding="utf-8")
        shutil.copy(SOURCE / "server.mjs", folder / "server.mjs")
    return folder


class Embedder:
    """It keeps its port over stop() and start(), so that the product finds it again."""

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self._port_file = folder / "embedder.port"
        command = ["node", installed() / "server.mjs", "--port", self.port, "--port-file", self._port_file]
        self._process = Process("embedder", command, folder / "embedder.log")

    @property
    def env(self):
        """What the product has to know."""
        return {"EMBED_URL": f"http://127.0.0.1:{self.port}/embed", "RERANK_URL": f"http://127.0.0.1:{self.port}/rerank"}

    def start(self):
        self._port_file.unlink(missing_ok=True)
        self._process.start()
        wait_until(self._listens, 60, "the embedder")
        return self

    def stop(self):
        self._process.stop()

    def behave(self, **settings):
        self.call("POST", "/behaviour", settings)

    def requests(self, path="/embed"):
        """The texts of each call since the last reset."""
        return [request["texts"] for request in self.call("GET", "/requests") if request["path"] == path]

    def texts(self):
        """All texts that were embedded since the last reset."""
        return sum(self.requests(), [])

    def reset(self):
        self.behave()
        self.call("DELETE", "/requests")

    def _listens(self):
        self._process.require_alive()
        return self._port_file.exists()

    def call(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()
