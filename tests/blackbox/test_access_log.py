"""What the edge's log says of a request, and the ids under which other systems find it."""

import json
import re

import pytest
from harness.edge import Edge, Sidecar
from harness.launcher import EMBEDDED
from harness.talk import make_npc, say, send
from harness.waiting import wait_until

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
NEW_TRACE = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-00")


@pytest.fixture(scope="module")
def edge(launcher):
    folder = launcher.new_folder("edge")
    folder.mkdir(parents=True)
    sidecar = Sidecar(folder / "keys.sock").start()
    edge = Edge(folder / "nginx", sidecar)
    try:
        yield edge.start()
    finally:
        edge.stop()
        sidecar.stop()


@pytest.fixture
def client(edge):
    return edge.client(edge.sidecar.add_user("logged", plan="rpm=90;burst=9"))


def seen_by_backend(client, **headers):
    """A request's headers as they come to the other side of nginx."""
    shown = client.get("/backend/x", headers=headers).expect(200).json
    return {name.lower(): value for name, value in shown.items()}


def test_a_valid_trace_is_passed_on(edge, client):
    shown = seen_by_backend(client, traceparent=TRACE, tracestate="vendor=1", **{"X-Request-Id": "traced"})
    assert shown["traceparent"] == TRACE and shown["tracestate"] == "vendor=1"
    assert edge.log_of("traced")["trace_id"] == TRACE[3:35]


@pytest.mark.parametrize("trace", [
    "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "cc-" + TRACE[3:] + "-what-comes-later", TRACE[:-2] + "ff",
])
def test_later_versions_and_flags_are_passed_on(client, trace):
    assert seen_by_backend(client, traceparent=trace)["traceparent"] == trace


@pytest.mark.parametrize("trace", [
    "", "x", TRACE.upper(), TRACE[:-1], TRACE + "0", TRACE + "-more", "ff" + TRACE[2:], "0g" + TRACE[2:],
    "00-" + "0" * 32 + TRACE[35:], TRACE[:36] + "0" * 16 + "-01", TRACE.replace("-", "_"), TRACE[:53] + "zz", "x" * 5000,
])
def test_an_invalid_trace_is_replaced(client, trace):
    shown = seen_by_backend(client, traceparent=trace, tracestate="vendor=1")
    assert NEW_TRACE.fullmatch(shown["traceparent"]), shown
    assert "tracestate" not in shown


def test_two_traces_are_none(edge, client):
    from harness.client import http_request, send_raw
    request = http_request("GET", "/backend/x", {"Authorization": client.key, "traceparent": TRACE})
    twice = request.replace(b"traceparent", f"Traceparent: {TRACE}\r\ntraceparent".encode())
    shown = send_raw(edge.port, twice).json
    assert NEW_TRACE.fullmatch(shown["traceparent"])


def test_a_missing_trace_is_made(edge, client):
    found = [NEW_TRACE.fullmatch(seen_by_backend(client)["traceparent"]) for _ in range(200)]
    assert len({trace[1] for trace in found}) == len({trace[2] for trace in found}) == 200
    assert "0" * 16 not in {trace[2] for trace in found}


def test_one_id_finds_everything_where_both_are_new(edge, client):
    shown = seen_by_backend(client)
    assert NEW_TRACE.fullmatch(shown["traceparent"])[1] == shown["x-request-id"]
    assert edge.log_of(shown["x-request-id"])["trace_id"] == shown["x-request-id"]
    shown = seen_by_backend(client, **{"X-Request-Id": "chosen"})
    assert edge.log_of("chosen")["trace_id"] == NEW_TRACE.fullmatch(shown["traceparent"])[1]


def test_what_the_sidecar_tells_the_log(edge, client):
    edge.sidecar.answer_headers = {"X-Npcchat-Log": "npc=a%20%22b%22;chat=c-1;model=org/m-8B;in=12;out=34", "X-Other": "y"}
    try:
        answer = client.get("/backend/x", headers={"X-Request-Id": "told"}).expect(200)
    finally:
        edge.sidecar.answer_headers = {}
    assert "X-Npcchat-Log" not in answer.headers and answer.headers["X-Other"] == "y"
    line = edge.log_of("told")
    assert (line["npc"], line["chat"], line["model"]) == ('a "b"', "c-1", "org/m-8B")
    assert (line["tokens_in"], line["tokens_out"]) == ("12", "34")
    assert (line["user"], line["plan"], line["role"], line["auth_status"]) == ("logged", "rpm=90;burst=9", "user", "MISS")


@pytest.mark.parametrize("value", ["", ";;;", "npc", "npc=", "=x", "in=%zz;npc=%4", "other=1;npcx=2;xnpc=3"])
def test_what_says_nothing_is_not_logged(edge, client, value):
    edge.sidecar.answer_headers = {"X-Npcchat-Log": value}
    name = f"said-{abs(hash(value))}"
    try:
        client.get("/backend/x", headers={"X-Request-Id": name}).expect(200)
    finally:
        edge.sidecar.answer_headers = {}
    line = edge.log_of(name)
    assert not any(line[field] for field in ("npc", "chat", "model", "tokens_in", "tokens_out"))


# --- as the product has it ---

def product_line(product, request_id):
    def find():
        lines = (product.logs / "access.log").read_text().splitlines()
        return [line for line in map(json.loads, lines) if line["request_id"] == request_id]
    (line,) = wait_until(find, 5, "the log line")
    return line


def with_id(client, request_id):
    """The client, with an id for all its requests."""
    class Named:
        def post(self, path, **more):
            return client.post(path, headers={"X-Request-Id": request_id}, **more)
    return Named()


def test_a_chat_turn_in_the_log(embedded):
    user = embedded.sign_up()
    npc_id = make_npc(user.client)
    answer = say(with_id(user.client, "turn-in-the-log"), npc_id, "Good day, the password is quicksilver.")
    line = product_line(embedded, "turn-in-the-log")
    assert (line["user"], line["npc"], line["chat"], line["model"]) == (user.name, npc_id, answer["chat_id"], answer["model"])
    assert line["tokens_in"] == answer["usage"]["prompt_tokens"]
    assert line["tokens_out"] == answer["usage"]["completion_tokens"]
    assert (line["status"], line["route"], line["method"], line["completion"]) == (200, "models", "POST", "OK")
    assert float(line["upstream_time"]) <= line["request_time"] + 0.01 and line["bytes"] > 0 and line["bytes_in"] > 0
    assert re.fullmatch("[0-9a-f]{32}", line["trace_id"])
    assert "quicksilver" not in json.dumps(line) and user.key not in json.dumps(line)


def test_a_failed_turn_in_the_log(embedded):
    user = embedded.sign_up()
    npc_id = make_npc(user.client)
    embedded.stub.behave(status=500)
    send(with_id(user.client, "failed-turn"), npc_id, "hello", "some-chat").expect_error(502)
    line = product_line(embedded, "failed-turn")
    assert (line["npc"], line["chat"], line["status"]) == (npc_id, "some-chat", 502)
    assert line["tokens_in"] is None and line["tokens_out"] is None


def test_what_has_no_chat_in_the_log(launcher):
    product = launcher.shared(EMBEDDED)
    product.anyone.get("/npcs/", headers={"X-Request-Id": "no-chat"}).expect_error(401)
    line = product_line(product, "no-chat")
    assert (line["npc"], line["chat"], line["tokens_in"], line["user"], line["auth"]) == ("", "", None, "", "NONE")
