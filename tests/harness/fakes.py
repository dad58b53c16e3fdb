"""What stands behind the edge in its own tests: a sidecar's key socket, and an upstream that says what it was sent."""

import collections
import hashlib
import http.server
import json
import pathlib
import secrets
import socketserver
import threading
import time
import urllib.parse

from . import edge
from .ports import free_port


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An answer leaves in one piece.
    wbufsize = -1

    def log_message(self, *_):
        pass

    def address_string(self):
        return "-"

    def send(self, status, headers=(), body=b""):
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class _Server:
    """Runs between start() and stop(), any number of times at the same address."""

    def __init__(self):
        self._server = None
        self._thread = None

    def start(self):
        self._server = self._make()
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def stop(self):
        if self._server is None:
            return
        self._server.shutdown()
        self._thread.join(10)
        self._server.close_connections()
        self._server.server_close()
        self._server = None


class _Connections:
    """Threads for connections, which can be closed from outside."""

    daemon_threads = True
    # Closing waits for no thread: their connections are closed.
    block_on_close = False
    request_queue_size = 256

    def __init__(self, *arguments):
        self._open = set()
        super().__init__(*arguments)

    def process_request(self, request, client_address):
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request, client_address):
        """A connection that nginx or stop() closed is no error."""

    def close_connections(self):
        for request in list(self._open):
            self.shutdown_request(request)


class _UnixServer(_Connections, socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    pass


class _TcpServer(_Connections, socketserver.ThreadingMixIn, socketserver.TCPServer):
    allow_reuse_address = True


def digest_of(key):
    return hashlib.sha256(key.encode()).hexdigest()


class KeyServer(_Server):
    """The sidecar's socket for key lookups, with keys that the test adds. `lookups` names whose were asked for.

    Every answer takes `delay` seconds, and has `status` where that is set. `requests` has the lookups' headers.
    """

    def __init__(self, path):
        super().__init__()
        self.path = pathlib.Path(path)
        self.lookups = []
        self.requests = []
        self.delay = 0.0
        self.status = None
        self._keys = {}
        self._asked = collections.Counter()
        self._lock = threading.Lock()
        self._thawed = threading.Event()
        self._thawed.set()

    def add(self, key, user_id, name=None, *, role="user", plan=""):
        self._keys[digest_of(key)] = (user_id, name or f"user{user_id}", role, plan)
        return key

    def new_user(self, name, *, user_id=None, **more):
        """A key that nobody has had before, of a new user unless `user_id` says whose."""
        return self.add("npc_" + secrets.token_urlsafe(32), len(self._keys) + 100 if user_id is None else user_id, name,
                        **more)

    def remove(self, key):
        del self._keys[digest_of(key)]

    def asked(self, key):
        """How often it was asked for a key."""
        return self._asked[digest_of(key)]

    def freeze(self):
        """Takes lookups and answers none until thaw()."""
        self._thawed.clear()

    def thaw(self):
        self._thawed.set()

    def stop(self):
        self.thaw()
        super().stop()

    def answer(self, headers):
        with self._lock:
            self._asked[headers.get("X-Npcchat-Key")] += 1
            self.requests.append(list(headers.items()))
        self._thawed.wait(60)
        time.sleep(self.delay)
        if self.status is not None:
            return self.status, []
        if headers.get("X-Npcchat-Secret") != edge.SECRET:
            return 403, []
        found = self._keys.get(headers.get("X-Npcchat-Key"))
        self.lookups.append(found[1] if found else None)
        if found is None:
            return 404, []
        user_id, name, role, plan = found
        answer = [("X-Npcchat-User", f"{user_id}:{name}"), ("X-Npcchat-Role", role)]
        return 204, answer + ([("X-Npcchat-Plan", plan)] if plan else [])

    def _make(self):
        keys = self

        class Handler(_Handler):
            def do_GET(self):
                self.send(*keys.answer(self.headers))

        # The path is never without a socket: nginx takes that for worse than a server that is away.
        new = self.path.with_suffix(".new")
        new.unlink(missing_ok=True)
        server = _UnixServer(str(new), Handler)
        new.rename(self.path)
        return server


class Upstream(_Server):
    """Answers with what it was sent, as JSON. `seen` has the same, oldest first.

    A query may ask for another answer: `status=`, and any `h-NAME=` for a header NAME.
    """

    def __init__(self):
        super().__init__()
        self.port = free_port()
        self.seen = []

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def last(self, path):
        """The newest request to a path."""
        found = [request for request in self.seen if request["path"] == path]
        assert found, f"no request to {path} among {[request['path'] for request in self.seen]}"
        return found[-1]

    def _make(self):
        upstream = self

        class Handler(_Handler):
            disable_nagle_algorithm = True

            def do_GET(self):
                path, _, query = self.path.partition("?")
                seen = {"method": self.command, "path": path, "query": query, "body": len(self.read_body()),
                        "headers": [list(pair) for pair in self.headers.items()]}
                upstream.seen.append(seen)
                wanted = dict(urllib.parse.parse_qsl(query))
                headers = [(name[2:], value) for name, value in wanted.items() if name.startswith("h-")]
                self.send(int(wanted.get("status", 200)), headers, json.dumps(seen).encode())

            do_POST = do_PUT = do_HEAD = do_DELETE = do_GET

            def read_body(self):
                if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                    return self.rfile.read(int(self.headers.get("Content-Length", 0)))
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

        return _TcpServer(("127.0.0.1", self.port), Handler)


def header(request, name):
    """A header's value as the upstream got it; None where it got none."""
    values = [value for key, value in request["headers"] if key.lower() == name.lower()]
    assert len(values) <= 1, f"{name} came {len(values)} times"
    return values[0] if values else None
