"""The stub model itself: what it answers, how it misbehaves when told to, what it records."""

import asyncio
import contextlib
import http.client
import json
import pathlib
import signal
import socket
import subprocess
import sys
import time

import pytest

STUB = pathlib.Path(__file__).with_name("stub_model.py")
HELLO = {"model": "m", "messages": [
    {"role": "system", "content": "WORLD SETTING: London\n###\nA knight\n### PREVIOUS DIALOGUE:\nBob owes me a horse"},
    {"role": "user", "content": "Good day, <think>sir</think>"}]}


@contextlib.contextmanager
def running_stub(folder, *options):
    port_file = folder / "port"
    process = subprocess.Popen([sys.executable, str(STUB), "--port", "0", "--port-file", str(port_file), *options],
                               stdout=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 10
        while not port_file.exists():
            assert process.poll() is None and time.monotonic() < deadline, "the stub model did not start"
            time.sleep(0.01)
        yield int(port_file.read_text()), process
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    with running_stub(tmp_path_factory.mktemp("stub")) as (number, _):
        yield number


@pytest.fixture(autouse=True)
def clean(port):
    yield
    call(port, "POST", "/stub/behaviour", {})
    call(port, "DELETE", "/stub/requests")


def call(port, method, path, body=None, headers=None, timeout=10):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def complete(port, request=None, **settings):
    if settings:
        assert call(port, "POST", "/stub/behaviour", settings)[0] == 200
    return call(port, "POST", "/v1/chat/completions", request or HELLO)


def content_of(body):
    return json.loads(body)["choices"][0]["message"]["content"]


def test_quotes_what_it_was_sent(port):
    status, _, body = complete(port)
    text = content_of(body)
    assert status == 200
    assert "STUB MODEL" in text and "no real model" in text
    for quoted in ("A knight", "London", "Bob owes me a horse", "Good day, [think]sir[/think]", "received: 2."):
        assert quoted in text
    usage = json.loads(body)["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0


def test_records_requests_without_the_key(port):
    call(port, "POST", "/v1/chat/completions", HELLO, {"Authorization": "Bearer sk-secret", "X-Test": "1"})
    complete(port)
    recorded = json.loads(call(port, "GET", "/stub/requests")[2])["requests"]
    assert [r["authorization"] for r in recorded] == [True, False]
    assert recorded[0]["body"] == HELLO and recorded[0]["headers"]["x-test"] == "1"
    assert recorded[0]["outcome"] == "answered"
    assert "sk-secret" not in json.dumps(recorded)
    newer = json.loads(call(port, "GET", f"/stub/requests?since={recorded[0]['number']}")[2])["requests"]
    assert newer == recorded[1:]


def test_streams_the_same_text(port):
    whole = content_of(complete(port)[2])
    body = {**HELLO, "stream": True, "stream_options": {"include_usage": True}}
    status, headers, text = complete(port, body)
    events = [line[len("data: "):] for line in text.decode().split("\n\n") if line]
    assert status == 200 and headers["Content-Type"] == "text/event-stream"
    assert events[-1] == "[DONE]"
    chunks = [json.loads(event) for event in events[:-1]]
    assert "".join(c["choices"][0]["delta"].get("content", "") for c in chunks if c["choices"]) == whole
    assert chunks[-1]["usage"]["total_tokens"] > 0


def test_status_and_count(port):
    status, headers, body = complete(port, status=429, body="html", retry_after=7, count=1)
    assert (status, headers["Retry-After"], body[:6]) == (429, "7", b"<html>")
    assert complete(port)[0] == 200


def test_answer_and_match(port):
    assert content_of(complete(port, answer="<think>a</think>Hi", match="Good day")[2]) == "<think>a</think>Hi"
    other = {"messages": [{"role": "user", "content": "Other"}]}
    assert "You said: Other" in content_of(complete(port, other)[2])


@pytest.mark.parametrize("kind, broken", [
    ("html", lambda b: b.startswith(b"<html>")),
    ("not_json", lambda b: b"not JSON" in b),
    ("half_json", lambda b: b.startswith(b"{") and not b.endswith(b"}")),
    ("empty_body", lambda b: b == b""),
    ("no_choices", lambda b: json.loads(b)["choices"] == []),
    ("missing_choices", lambda b: "choices" not in json.loads(b)),
    ("empty_choice", lambda b: json.loads(b)["choices"] == [{}]),
    ("empty_content", lambda b: content_of(b) == ""),
    ("null_content", lambda b: content_of(b) is None),
    ("wrong_types", lambda b: isinstance(json.loads(b)["choices"], dict)),
])
def test_malformed_bodies(port, kind, broken):
    status, _, body = complete(port, malformed=kind)
    assert status == 200 and broken(body)


def test_truncated(port):
    with pytest.raises(http.client.IncompleteRead):
        complete(port, malformed="truncated")


def test_reset(port):
    with pytest.raises(ConnectionResetError):
        complete(port, malformed="reset")


def test_hang_notices_that_the_client_left(port):
    call(port, "POST", "/stub/behaviour", {"malformed": "hang"})
    with pytest.raises(TimeoutError):
        call(port, "POST", "/v1/chat/completions", HELLO, timeout=0.3)
    deadline = time.monotonic() + 5
    while json.loads(call(port, "GET", "/stub/requests")[2])["requests"][0]["outcome"] != "client left":
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_cut_stream(port):
    call(port, "POST", "/stub/behaviour", {"cut_after": 3})
    with pytest.raises(http.client.IncompleteRead) as cut:
        call(port, "POST", "/v1/chat/completions", {**HELLO, "stream": True})
    assert cut.value.partial.count(b"data: ") == 3


def test_chunked_both_ways_and_keep_alive(port):
    call(port, "POST", "/stub/behaviour", {"chunked": True})
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    for _ in range(3):
        connection.request("POST", "/v1/chat/completions", iter([json.dumps(HELLO).encode()]), encode_chunked=True,
                           headers={"Transfer-Encoding": "chunked"})
        answer = connection.getresponse()
        assert answer.headers["Transfer-Encoding"] == "chunked" and "A knight" in content_of(answer.read())
        sock = connection.sock
        assert sock is not None
    connection.close()


@pytest.mark.parametrize("settings", [{"latenzy": 1}, {"latency": "1"}, {"malformed": "odd"}, {"status": 100},
                                      {"count": -1}, [1], {"chunked": 1}])
def test_refuses_a_wrong_setting(port, settings):
    assert call(port, "POST", "/stub/behaviour", settings)[0] == 400


def test_bad_requests(port):
    assert call(port, "POST", "/v1/chat/completions", {"messages": 1})[0] == 400
    assert call(port, "GET", "/nowhere")[0] == 404
    with socket.create_connection(("127.0.0.1", port), 10) as sock:
        sock.sendall(b"nonsense\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 400 ")


def test_models(port):
    assert json.loads(call(port, "GET", "/v1/models")[2])["data"][0]["id"] == "stub-model"


async def send_many(port, count):
    request = json.dumps(HELLO).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"

    async def one():
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head % len(request) + request)
        status = await reader.readline()
        await reader.read()
        writer.close()
        return status

    return await asyncio.gather(*(one() for _ in range(count)))


def test_a_thousand_at_once(tmp_path):
    with running_stub(tmp_path, "--latency", "1") as (port, _):
        start = time.monotonic()
        statuses = asyncio.run(send_many(port, 1000))
        assert statuses == [b"HTTP/1.1 200 OK\r\n"] * 1000
        assert 1 <= time.monotonic() - start < 10


def test_ends_cleanly_while_it_answers(tmp_path):
    with running_stub(tmp_path) as (port, process):
        call(port, "POST", "/stub/behaviour", {"malformed": "hang"})
        with socket.create_connection(("127.0.0.1", port), 10) as sock:
            text = json.dumps(HELLO).encode()
            sock.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))
            while not json.loads(call(port, "GET", "/stub/requests")[2])["requests"]:
                assert process.poll() is None
            process.send_signal(signal.SIGTERM)
            assert process.wait(5) == 0
