"""Streams that go wrong: an endpoint that fails at every point, a client that leaves at every point, a slow reader."""

import json
import signal
import socket
import time

import pytest
from harness.launcher import EMBEDDED, REDIS
from harness.services import Redis
from harness.stack import Stack
from harness.streams import chat_stream, say_streamed
from harness.talk import fresh_chat_id, history, in_background, make_npc, said, say, send
from harness.waiting import wait_until

BEFORE = {
    "500": ({"status": 500}, 502), "429": ({"status": 429, "retry_after": "7"}, 503), "HTML": ({"malformed": "html"}, 502),
    "not a stream": ({"malformed": "empty_content"}, 502), "reset": ({"malformed": "reset"}, 502),
    "truncated": ({"malformed": "truncated"}, 502), "endless": ({"malformed": "endless"}, (502, 504)),
    "hang before the head": ({"malformed": "hang"}, 504), "hang after the head": ({"hang_after": 0}, 504),
    "hang after who speaks": ({"hang_after": 1}, 504), "cut after the head": ({"cut_after": 0}, 502),
    "cut after who speaks": ({"cut_after": 1}, 502), "slow": ({"latency": 20}, 504),
    "trickle": ({"trickle": True, "chunk_gap": 0.1}, 504),
    "an error at once": ({"pieces": ["a"], "stream_fault": "error_event"}, 502),
    "a line of 10 MB at once": ({"pieces": ["a"], "stream_fault": "long_line"}, 502),
}

IN_MID_STREAM = {
    "cut": ({"cut_after": 3}, 502), "hang": ({"hang_after": 3}, 504), "slow": ({"chunk_gap": 0.7}, 504),
    "half a chunk": ({"stream_fault": "half_chunk"}, 502), "invalid UTF-8": ({"stream_fault": "invalid_utf8"}, 502),
    "a line of 10 MB": ({"stream_fault": "long_line"}, 502), "an error": ({"stream_fault": "error_event"}, 502),
    "reset": ({"stream_fault": "reset"}, 502), "not JSON": ({"stream_fault": "not_json"}, 502),
}

PIECES = ["one", " two", " three", " four"]

LEAVING = {
    "before the head": ({"malformed": "hang"}, 0), "before the first piece": ({"hang_after": 1}, 0),
    "in mid-stream": ({"hang_after": 3}, 2), "while it trickles": ({"trickle": True, "chunk_gap": 0.02}, 0),
    "while nothing is shown": ({"pieces": ["<think>"] + ["hm"] * 500, "chunk_gap": 0.05}, 0),
    "between pieces": ({"pieces": ["x"] * 500, "chunk_gap": 0.05}, 3),
}


@pytest.fixture
def user(tuned):
    return tuned.sign_up()


@pytest.mark.parametrize("name", BEFORE)
def test_a_fault_before_the_first_piece_is_a_plain_error(tuned, user, name):
    behaviour, status = BEFORE[name]
    npc_id = make_npc(user.client)
    chat_id = say(user.client, npc_id, "before")["chat_id"]
    tuned.stub.behave(**behaviour)
    start = time.monotonic()
    answer = send(user.client, npc_id, "lost", chat_id, stream=True)
    assert time.monotonic() - start < 4   # MODEL_TIMEOUT is 2 s in this product
    answer.expect_error(*(status if isinstance(status, tuple) else (status,)))
    assert status != 503 or answer.headers["Retry-After"] == "7"
    tuned.stub.behave()
    say_streamed(user.client, npc_id, "after", chat_id)
    assert [turn["text"] for turn in history(user.client, chat_id)][::2] == ["before", "after"]


@pytest.mark.parametrize("name", IN_MID_STREAM)
def test_a_fault_in_mid_stream_ends_with_an_error_event(tuned, user, name):
    behaviour, status = IN_MID_STREAM[name]
    npc_id, chat_id = make_npc(user.client), fresh_chat_id()
    tuned.stub.behave(**{"pieces": PIECES, **behaviour})
    with chat_stream(user.client, npc_id, "lost", chat_id) as stream:
        assert stream.status == 200
        *deltas, last = stream.events()
    assert deltas and "one two three four".startswith("".join(event.json["delta"] for event in deltas))
    assert last.kind == "error" and set(last.json) == {"detail", "status"}
    assert last.json["status"] == status and "stub" not in last.data
    tuned.stub.behave()
    # Nothing of it was stored, and the chat is free.
    user.client.get(f"/chat/{chat_id}/history").expect_error(404)
    say(user.client, npc_id, "after", chat_id)


def test_after_the_end_of_the_answer_an_endpoint_may_fail(tuned, user):
    """All that can still be missing is the usage."""
    for number, behaviour in enumerate(({"cut_after": 5 + 1}, {"hang_after": 5 + 1, "done": False})):
        tuned.stub.behave(pieces=PIECES, **behaviour)
        _, final = say_streamed(user.client, None, f"hello {number}")
        assert final["response"] == "one two three four"
        assert final["usage"]["completion_tokens"] > 0 and final["usage"]["prompt_tokens"] > 0


def tokens(product):
    """What the product has counted so far: (in, out)."""
    counts = product.admin.get("/metrics", headers={"Accept": "application/json"}).expect(200).json
    return counts["tokens_in"], counts["tokens_out"]


@pytest.mark.parametrize("with_npc", [True, False], ids=["npc", "assistant"])
@pytest.mark.parametrize("name", LEAVING)
def test_a_client_that_leaves_cancels_the_call(product, name, with_npc):
    behaviour, pieces = LEAVING[name]
    user = product.sign_up()
    npc_id = make_npc(user.client) if with_npc else None
    chat_id = say(user.client, npc_id, "before")["chat_id"]
    tokens_in, tokens_out = tokens(product)
    product.stub.reset()
    product.stub.behave(**{"pieces": PIECES, **behaviour})
    leave_after(product, user, npc_id, chat_id, pieces)
    left = time.monotonic()
    wait_until(lambda: product.stub.requests()[0]["outcome"] == "client left", 5, "the end of the call to the model")
    assert time.monotonic() - left < 1.5   # a second, and what a busy machine takes
    product.stub.behave()
    wait_until(lambda: send(user.client, npc_id, "after", chat_id).status == 200, 2, "the chat to be free")
    assert [turn["text"] for turn in history(user.client, chat_id)][::2] == ["before", "after"]
    # What the model had read and written is counted all the same.
    assert tokens(product)[0] > tokens_in and (pieces == 0 or tokens(product)[1] > tokens_out)


def leave_after(product, user, npc_id, chat_id, pieces):
    """Asks for a stream and leaves once the model was asked and so many pieces have come."""
    body = {"message": "gone", "chat_id": chat_id, "stream": True, **({"npc_id": npc_id} if npc_id else {})}
    connection = http_post(user.client, "/chat_npc/" if npc_id else "/chat/", body)
    try:
        product.stub.wait_for(1, "gone")
        received = b""
        while received.count(b'{"delta"') < pieces:
            received += connection.recv(4096)
    finally:
        connection.close()


def http_post(client, path, body):
    """A socket on which a request was sent and nothing was read."""
    text = json.dumps(body).encode()
    connection = socket.create_connection(("127.0.0.1", client.port), 10)
    connection.sendall(f"POST {path} HTTP/1.1\r\nHost: npcchat\r\nAuthorization: {client.key}\r\n"
                       f"Content-Length: {len(text)}\r\n\r\n".encode() + text)
    return connection


def test_a_client_that_leaves_a_whole_answer_cancels_too(product):
    user = product.sign_up()
    product.stub.behave(malformed="hang", count=1)
    chat_id = fresh_chat_id()
    connection = http_post(user.client, "/chat/", {"message": "gone", "chat_id": chat_id})
    product.stub.wait_for(1, "gone")
    connection.close()
    left = time.monotonic()
    wait_until(lambda: product.stub.requests("gone")[0]["outcome"] == "client left", 5, "the end of the call")
    assert time.monotonic() - left < 1.5
    wait_until(lambda: send(user.client, None, "after", chat_id).status == 200, 2, "the chat to be free")
    assert [turn["text"] for turn in history(user.client, chat_id)][::2] == ["after"]


def test_many_that_leave_at_once(product):
    user = product.sign_up()
    product.stub.behave(pieces=["x"] * 3, hang_after=2)
    connections = [http_post(user.client, "/chat/", {"message": f"gone {at}", "stream": True}) for at in range(100)]
    product.stub.wait_for(100, "gone", 20)
    for connection in connections:
        connection.close()
    wait_until(lambda: all(one["outcome"] == "client left" for one in product.stub.requests("gone")), 5,
               "the end of all calls")


def test_what_a_client_sends_early_is_not_lost(embedded):
    """The next request may come on the connection while the answer still does."""
    user = embedded.sign_up()
    embedded.stub.behave(pieces=["x"] * 8, chunk_gap=0.1)
    connection = http_post(user.client, "/chat/", {"message": "first", "stream": True})
    head = f"GET /npcs/ HTTP/1.1\r\nHost: npcchat\r\nAuthorization: {user.key}\r\nConnection: close\r\n\r\n"
    connection.sendall(head.encode())
    received = b""
    while part := connection.recv(65536):
        received += part
    connection.close()
    assert received.count(b'{"delta"') == 8 and b'"response"' in received and b'{"items": []' in received


def test_a_silent_stream_is_pinged(fresh):
    product = fresh.start(EMBEDDED, MODEL_FIRST_TOKEN_TIMEOUT="17")
    user = product.sign_up()
    product.stub.behave(hang_after=1)
    start = time.monotonic()
    with chat_stream(user.client, None, "hello", "a-chat") as stream:
        # The 200 goes out with the first ping, at 15 s.
        assert stream.status == 200 and 14.5 < time.monotonic() - start < 17
        ping, *events = iter(stream.read_event, None)
    assert (ping.kind, ping.data) == (":", "ping")
    assert [event.kind for event in events] == ["error"] and events[0].json["status"] == 504
    user.client.get("/chat/a-chat/history").expect_error(404)


def test_a_slow_reader_gets_everything(embedded):
    user = embedded.sign_up()
    word = "0123456789" * 100
    embedded.stub.behave(pieces=[word] * 15_000)
    with chat_stream(user.client, None, "hello") as stream:
        assert stream.read_event().json == {"delta": word}
        assert embedded.stub.requests("hello")[0]["outcome"] == "running"
        events = stream.events()
    assert "".join(event.json["delta"] for event in events[:-1]) == word * 14_999
    assert events[-1].json["response"] == word * 15_000


def test_sigterm_lets_streams_finish(launcher):
    with launcher.group() as group:
        stack = Stack(group.start(EMBEDDED))
        try:
            product = stack.start().product
            user = product.sign_up()
            product.stub.behave(pieces=["x"] * 30, chunk_gap=0.1)
            with chat_stream(user.client, None, "hello", "a-chat") as stream:
                stream.read_event()
                stack.signal_sidecar(signal.SIGTERM)
                wait_until(lambda: product.anyone.get("/readyz").status != 200, 10, "the end of new requests")
                send(user.client, None, "too late").expect_error(502, 503)
                *deltas, final = stream.events()
            assert len(deltas) == 29 and final.json["response"] == "x" * 30
            assert stack.wait_sidecar(10) == 0
            stack.start_sidecar()
            stack.wait_ready()
            assert said(history(user.client, "a-chat")) == [("user", "hello"), ("assistant", "x" * 30)]
        finally:
            stack.stop()


def test_redis_lost_in_mid_stream(launcher):
    redis = Redis(launcher.new_folder("redis"), durable=True).start()
    try:
        with launcher.group() as group:
            product = group.start(REDIS, REDIS_URL=redis.url(), STORE_TIMEOUT="1")
            user = product.sign_up()
            product.stub.behave(pieces=["x"] * 20, chunk_gap=0.05)
            with chat_stream(user.client, None, "hello", "a-chat") as stream:
                stream.read_event()
                redis.kill()
                *deltas, last = stream.events()
            assert len(deltas) == 19 and last.kind == "error" and last.json["status"] == 503
            redis.start()
            product.stub.behave()
            wait_until(lambda: send(user.client, None, "again", "a-chat", stream=True).status == 200, 10, "recovery")
            assert [turn["text"] for turn in history(user.client, "a-chat")][::2] == ["again"]
    finally:
        redis.stop()


def test_a_turn_whose_lease_was_lost_is_not_acknowledged(launcher):
    """A frozen sidecar's lease ends; somebody else goes on in the chat, and the late turn is an error."""
    with launcher.group() as group:
        product = group.start(REDIS)
        user = product.sign_up()
        product.stub.behave(pieces=["x"] * 20, chunk_gap=0.1, match="slow")
        with chat_stream(user.client, None, "slow", "a-chat") as stream:
            stream.read_event()
            redis_without_leases(launcher, product)
            say(user.client, None, "quick", "a-chat")
            last = stream.events()[-1]
        assert last.kind == "error" and last.json["status"] == 503
        assert [turn["text"] for turn in history(user.client, "a-chat")][::2] == ["quick"]


def redis_without_leases(launcher, product):
    """Takes away every lease, as their end would."""
    database = int(product.env["REDIS_URL"].rsplit("/", 1)[1])
    with launcher.redis.client(database) as client:
        for key in client.scan_iter("*:lease"):
            client.delete(key)


def test_streams_at_once(product):
    user = product.sign_up()
    product.stub.behave(pieces=["x"] * 10, chunk_gap=0.05)
    streams = [in_background(say_streamed, user.client, None, f"hello {at}") for at in range(60)]
    for stream in streams:
        deltas, final = stream.result()
        assert len(deltas) == 10 and final["response"] == "x" * 10
