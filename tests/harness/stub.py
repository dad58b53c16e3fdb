"""The stub model as tests use it: started on a free port, told how to behave, asked what it was sent."""

import http.client
import json
import pathlib
import sys
import urllib.parse

from . import ROOT
from .ports import free_port
from .processes import Process
from .waiting import wait_until

PROGRAM = ROOT / "tests" / "stub_model" / "stub_model.py"


class Stub:
    """A stub model. It keeps its port over stop() and start(), so that a client finds it again."""

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self._port_file = folder / "stub.port"
        command = [sys.executable, PROGRAM, "--port", self.port, "--port-file", self._port_file]
        self._process = Process("stub model", command, folder / "stub.log")

    def url(self, prefix=""):
        """The base URL for a client. `prefix` shows in the recorded paths, so that two providers can be told apart."""
        return f"http://127.0.0.1:{self.port}{prefix}/v1"

    def start(self):
        self._port_file.unlink(missing_ok=True)
        self._process.start()
        wait_until(self._listens, 15, "the stub model")
        return self

    def stop(self):
        self._process.stop()

    def alive(self):
        return self._process.alive()

    def behave(self, *behaviours, **settings):
        """Sets behaviours, tried in order, or one given by its settings. See stub_model.py --help."""
        self._call("POST", "/stub/behaviour", list(behaviours) if behaviours else settings)

    def reset(self):
        self.behave()
        self._call("DELETE", "/stub/requests")

    def requests(self, match=""):
        """The completions asked for since the last reset, oldest first, each with `body`, `path`, `headers`…"""
        return self._call("GET", "/stub/requests?" + urllib.parse.urlencode({"match": match}))["requests"]

    def bodies(self, match=""):
        return [request["body"] for request in self.requests(match)]

    def last_messages(self, match=""):
        """The messages of the newest request."""
        bodies = self.bodies(match)
        assert bodies, "the model was not called"
        return bodies[-1]["messages"]

    def wait_for(self, count, match="", timeout=10):
        """Waits until `count` requests have arrived since the last reset."""
        wait_until(lambda: len(self.requests(match)) >= count, timeout, f"{count} requests at the model")

    def _listens(self):
        self._process.require_alive()
        return self._port_file.exists()

    def _call(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise ValueError(f"the stub model refused: {text.decode()}")
        return json.loads(text)
