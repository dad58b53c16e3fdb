"""An HTTP client that sends what it is told, byte for byte, so that tests can be wrong on purpose."""

import http.client
import json
import socket
import urllib.parse

JSON_TYPE = "application/json"
FORM_TYPE = "application/x-www-form-urlencoded"


class Answer:
    """What came back: status, headers (any case) and body."""

    def __init__(self, status, headers, body, what):
        self.status = status
        self.headers = headers
        self.body = body
        self._what = what

    @property
    def text(self):
        return self.body.decode("utf-8")

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def detail(self):
        """What an error says, in either of the forms that errors have."""
        return self.json["error"]["message"] if "error" in self.json else self.json["detail"]

    @property
    def request_id(self):
        return self.headers["X-Request-Id"]

    def expect(self, status):
        """Itself, where the status is the expected one."""
        assert self.status == status, f"{self._what}: {self.status} instead of {status}: {self.text[:500]}"
        return self

    def expect_error(self, *statuses, naming=None):
        """Itself, where this is an error in the one form that errors have. `naming` is in its text."""
        assert self.status in statuses, f"{self._what}: {self.status} instead of {statuses}: {self.text[:500]}"
        content_type = self.headers.get("Content-Type", "")
        assert content_type.split(";")[0] == JSON_TYPE, f"{self._what}: {content_type}: {self.text[:200]}"
        form = "error" if " /v1/" in self._what else "detail"
        assert list(self.json) == [form] and isinstance(self.detail, str) and self.detail, self.text
        assert self.request_id, f"{self._what}: no X-Request-Id"
        leaked = [name for name in self.headers if name.lower().startswith("x-npcchat-")]
        assert not leaked, f"{self._what}: {leaked} left the edge"
        if naming is not None:
            assert naming.lower() in self.detail.lower(), f"{self._what}: {naming!r} is not in {self.detail!r}"
        return self

    def __repr__(self):
        return f"<{self._what}: {self.status} {self.text[:300]}>"


class Client:
    """Requests to one address with one key, each on a connection of its own."""

    def __init__(self, port, key=None, *, host="127.0.0.1", source=None, timeout=30):
        self.port = port
        self.key = key
        self._host = host
        self._source = source
        self._timeout = timeout

    def with_key(self, key):
        return Client(self.port, key, host=self._host, source=self._source, timeout=self._timeout)

    def from_address(self, source):
        """The same client with another source address."""
        return Client(self.port, self.key, host=self._host, source=source, timeout=self._timeout)

    def get(self, path, **more):
        return self.request("GET", path, **more)

    def post(self, path, **more):
        return self.request("POST", path, **more)

    def put(self, path, **more):
        return self.request("PUT", path, **more)

    def delete(self, path, **more):
        return self.request("DELETE", path, **more)

    def request(self, method, path, *, json_body=None, form=None, data=None, headers=None):
        """One request. The body is `json_body`, `form` (a dict) or `data` (bytes, or an iterable: sent chunked)."""
        sent = dict(headers or {})
        if self.key is not None:
            sent.setdefault("Authorization", self.key)
        if json_body is not None:
            data = json.dumps(json_body).encode()
            sent.setdefault("Content-Type", JSON_TYPE)
        elif form is not None:
            data = urllib.parse.urlencode(form).encode()
            sent.setdefault("Content-Type", FORM_TYPE)
        elif data is not None:
            sent.setdefault("Content-Type", JSON_TYPE)
        source = (self._source, 0) if self._source else None
        connection = http.client.HTTPConnection(self._host, self.port, timeout=self._timeout, source_address=source)
        try:
            connection.request(method, path, data, sent)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read(), f"{method} {path}")
        finally:
            connection.close()


class RawAnswer(http.client.HTTPResponse):
    """Reads an answer from a socket that http.client did not write to."""


def send_raw(port, request, *, host="127.0.0.1", timeout=10, method="GET"):
    """Sends bytes as they are and reads one answer, for requests that no HTTP library would send."""
    with socket.create_connection((host, port), timeout) as sock:
        return exchange(sock, request, method)


def send_to_unix_socket(path, request, *, timeout=10, method="GET"):
    """The same over a unix socket."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(timeout)
        sock.connect(str(path))
        return exchange(sock, request, method)


def exchange(sock, request, method="GET"):
    sock.sendall(request)
    answer = RawAnswer(sock, method=method)
    try:
        answer.begin()
        return Answer(answer.status, answer.headers, answer.read(), request[:80].decode("latin-1"))
    finally:
        answer.close()


def http_request(method, path, headers, body=b""):
    """The bytes of a request, for send_raw."""
    lines = [f"{method} {path} HTTP/1.1", "Host: npcchat", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
