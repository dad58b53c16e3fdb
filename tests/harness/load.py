"""Requests that go on while a test does something to the server."""

import threading
import time

from .waiting import wait_until


class Load:
    """Calls `request()` over and over in threads. What it raises is kept: a request that got no answer."""

    def __init__(self, request, threads=4):
        self.answers = []
        self.lost = []
        self.slowest = 0.0
        self._request = request
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def wait_for_more(self, count=50):
        """Waits for that many further answers."""
        had = len(self.answers)
        wait_until(lambda: len(self.answers) >= had + count, 20, f"{count} more answers")

    def statuses(self):
        return {answer.status for answer in self.answers}

    def _run(self):
        while not self._stop.is_set():
            begun = time.monotonic()
            try:
                self.answers.append(self._request())
            except OSError as error:
                self.lost.append(repr(error))
            self.slowest = max(self.slowest, time.monotonic() - begun)
