"""How models are reached: over TLS, through a proxy, on connections that are kept and that may have ended meanwhile."""

import contextlib
import select
import socket
import socketserver
import threading

import pytest
from harness import processes
from harness.authority import Authority
from harness.ports import free_port
from harness.processes import Process
from harness.streams import chat_stream, say_streamed
from harness.talk import say, send
from harness.waiting import quietly, wait_until

NAME = "localhost"


class Relay(socketserver.ThreadingTCPServer):
    """Passes connections on to `port`, and counts them. With `speaks_connect` it is an HTTP proxy that knows CONNECT."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port, speaks_connect=False, address="127.0.0.1"):
        super().__init__((address, 0), None)
        self.target, self.speaks_connect = port, speaks_connect
        self.lines, self.open = [], set()

    def finish_request(self, request, client_address):
        if self.speaks_connect:
            head = b""
            while b"\r\n\r\n" not in head:
                head += request.recv(1)
            self.lines.append(head.split(b"\r\n")[0].decode())
            request.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        else:
            self.lines.append("connected")
        with socket.create_connection(("127.0.0.1", self.target)) as upstream:
            self.open.add(request)
            other = {request: upstream, upstream: request}
            with contextlib.suppress(OSError):
                while True:
                    for ready in select.select(list(other), [], [], 30)[0]:
                        data = ready.recv(65536)
                        if not data:
                            return
                        other[ready].sendall(data)

    def shutdown_request(self, request):
        self.open.discard(request)
        super().shutdown_request(request)

    def cut(self):
        """Ends all connections."""
        for connection in list(self.open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        wait_until(lambda: not self.open, 5, "the connections to end")

    @property
    def port(self):
        return self.server_address[1]


@pytest.fixture
def relay():
    """Starts relays."""
    with contextlib.ExitStack() as stop:
        def start(port, **more):
            server = Relay(port, **more)
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            stop.callback(server.server_close)
            stop.callback(thread.join, 10)
            stop.callback(server.shutdown)
            return server
        yield start


@pytest.fixture
def authority(launcher):
    folder = launcher.new_folder("certificates")
    folder.mkdir(parents=True)
    return Authority(folder)


@pytest.fixture
def tls(launcher, authority):
    """Starts a TLS server for NAME that passes on to a port; gives its own."""
    started = []

    def start(connect):
        folder = launcher.new_folder("stunnel")
        folder.mkdir()
        port = free_port()
        certificate, key = authority.certify(NAME)
        (folder / "stunnel.conf").write_text(
            "foreground = yes\npid =\nsocket = r:TCP_NODELAY=1\nsocket = l:TCP_NODELAY=1\n"
            f"[model]\naccept = 127.0.0.1:{port}\nconnect = 127.0.0.1:{connect}\ncert = {certificate}\nkey = {key}\n")
        process = Process("stunnel", [processes.find_program("stunnel"), folder / "stunnel.conf"],
                          folder / "stunnel.log")
        started.append(process.start())
        wait_until(lambda: "Configuration successful" in process.output(), 10, "stunnel")
        return port
    yield start
    for process in started:
        process.stop()


LONG = "much to tell " * 30_000 + "."


@pytest.fixture
def product(fresh):
    """On one loop, so that requests that follow each other may share a connection."""
    return fresh.product({"LOOPS": "1"})


def reach(product, address, **env):
    """Starts it with a model at that address."""
    product.env |= {"OPENAI_BASE_URL": f"{address}/openai/v1", **env}
    product.start()
    return product.sign_up().client


def use(product, client):
    """A turn, streams, one of them left, and a question and answers of many packets."""
    product.stub.behave(answer=LONG)
    chat_id = say(client, None, "a long tale " * 1000)["chat_id"]
    assert say(client, None, "and once more", chat_id)["response"] == LONG
    assert say_streamed(client, None, "in pieces", chat_id)[1]["response"] == LONG
    product.stub.behave(answer="word " * 500, chunk_gap=0.05)
    with chat_stream(client, None, "I have to go", chat_id) as stream:
        assert stream.read_event().json["delta"]
    wait_until(lambda: product.stub.requests("I have to go")[-1].get("outcome") == "client left", 5,
               "the call to be cancelled")
    product.stub.behave(answer="Good day.")
    assert say(client, None, "hello", chat_id)["response"] == "Good day."


def test_over_tls(product, tls, authority):
    client = reach(product, f"https://{NAME}:{tls(product.stub.port)}", SSL_CERT_FILE=authority.file)
    use(product, client)


@pytest.mark.parametrize("trusted", [False, True])
def test_over_tls_with_somebody_else(product, tls, authority, trusted):
    """Nothing is sent to a server whom no authority has certified, or not by that name."""
    host, env = ("127.0.0.1", {"SSL_CERT_FILE": authority.file}) if trusted else (NAME, {})
    client = reach(product, f"https://{host}:{tls(product.stub.port)}", **env)
    send(client, None, "hello").expect_error(502)
    assert product.stub.requests() == []


def test_by_a_name(product, relay):
    """The machine's own: addresses are written out elsewhere, and libcurl does not look `localhost` up."""
    name = socket.gethostname()
    address = quietly(lambda: socket.gethostbyname(name)) or ""
    if not address.startswith("127."):
        pytest.skip(f"{name} is no name of this machine's loopback")
    client = reach(product, f"http://{name}:{relay(product.stub.port, address=address).port}")
    use(product, client)


def test_connections_are_kept(product, relay):
    between = relay(product.stub.port)
    client = reach(product, f"http://127.0.0.1:{between.port}")
    chat_id = say(client, None, "hello")["chat_id"]
    for number in range(5):
        say(client, None, f"message {number}", chat_id)
        say_streamed(client, None, f"stream {number}", chat_id)
    assert len(between.lines) == 1


def test_a_kept_connection_that_has_ended(product, relay):
    """Whether the end was seen before the next request or not, the request is answered, and sent once."""
    between = relay(product.stub.port)
    client = reach(product, f"http://127.0.0.1:{between.port}")
    chat_id = say(client, None, "hello")["chat_id"]
    for number in range(20):
        between.cut()
        say(client, None, f"message {number}", chat_id)
        assert len(product.stub.requests(f"message {number}")) == 1
    assert len(between.lines) == 21


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_through_a_proxy(product, relay, tls, authority, scheme):
    port = tls(product.stub.port) if scheme == "https" else product.stub.port
    proxy = relay(port, speaks_connect=True)
    client = reach(product, f"{scheme}://{NAME}:{port}", SSL_CERT_FILE=authority.file,
                   **{f"{scheme}_proxy": f"http://127.0.0.1:{proxy.port}"})
    use(product, client)
    assert set(proxy.lines) == {f"CONNECT {NAME}:{port} HTTP/1.1"}


def test_a_proxy_that_is_not_for_all(product, relay):
    proxy = relay(product.stub.port, speaks_connect=True)
    client = reach(product, f"http://127.0.0.1:{product.stub.port}", no_proxy="127.0.0.1",
                   http_proxy=f"http://127.0.0.1:{proxy.port}")
    say(client, None, "hello")
    assert proxy.lines == []
