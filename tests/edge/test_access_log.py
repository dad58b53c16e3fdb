"""What the edge's log says of a request, and the ids under which other systems find it."""

import json
import re
import urllib.parse

import pytest
from harness.client import http_request, send_raw
from harness.fakes import header
from harness.waiting import wait_until

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
NEW_TRACE = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-00")


FIELDS = ("request_id", "trace_id", "path", "route", "user", "user_id", "role", "plan", "auth_status", "limit_status", "npc",
          "chat", "model", "tokens_in", "tokens_out")
# What the line of JSON calls otherwise than the variables, and what it has of nginx's own.
OTHERS = {"client": "remote_addr", "method": "request_method", "status": "status", "bytes_in": "request_length",
          "bytes": "body_bytes_sent", "request_time": "request_time", "upstream_connect_time": "upstream_connect_time",
          "upstream_header_time": "upstream_header_time", "upstream_time": "upstream_response_time",
          "completion": "request_completion", "time": "time_iso8601"}
ALL = {**{name: f"npcchat_{name}" for name in FIELDS}, **OTHERS}
HTTP = ("log_format fields escape=json '{" + ",".join(f'"{name}":"${variable}"' for name, variable in ALL.items()) + "}';"
        "access_log {folder}/fields.log fields; log_format line escape=none '$npcchat_log'; access_log {folder}/line.log line;")


@pytest.fixture
def nginx(edge, upstream):
    return edge(f"npcchat on; location / {{ npcchat_route app; proxy_pass http://{upstream.address}; }}", http=HTTP)


@pytest.fixture
def client(nginx, keys):
    return nginx.client(keys.new_user("logged", plan="rpm=90;burst=9"))


def line_of(nginx, request_id, log="fields.log"):
    """An access log's line of a request."""
    def find():
        lines = (nginx.folder / log).read_text().splitlines()
        return [line for line in map(json.loads, lines) if line["request_id"] == request_id]
    (line,) = wait_until(find, 5, f"the log line of {request_id}")
    return line


def seen_by_upstream(client, **headers):
    """A request's headers as they come to the other side of nginx."""
    shown = client.get("/x", headers=headers).expect(200).json
    return {name.lower(): value for name, value in shown["headers"]}


def test_a_valid_trace_is_passed_on(nginx, client):
    shown = seen_by_upstream(client, traceparent=TRACE, tracestate="vendor=1", **{"X-Request-Id": "traced"})
    assert shown["traceparent"] == TRACE and shown["tracestate"] == "vendor=1"
    assert line_of(nginx, "traced")["trace_id"] == TRACE[3:35]


@pytest.mark.parametrize("trace", [
    "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "cc-" + TRACE[3:] + "-what-comes-later", TRACE[:-2] + "ff",
])
def test_later_versions_and_flags_are_passed_on(client, trace):
    assert seen_by_upstream(client, traceparent=trace)["traceparent"] == trace


@pytest.mark.parametrize("trace", [
    "", "x", TRACE.upper(), TRACE[:-1], TRACE + "0", TRACE + "-more", "ff" + TRACE[2:], "0g" + TRACE[2:],
    "00-" + "0" * 32 + TRACE[35:], TRACE[:36] + "0" * 16 + "-01", TRACE.replace("-", "_"), TRACE[:53] + "zz", "x" * 5000,
])
def test_an_invalid_trace_is_replaced(client, trace):
    shown = seen_by_upstream(client, traceparent=trace, tracestate="vendor=1")
    assert NEW_TRACE.fullmatch(shown["traceparent"]), shown
    assert "tracestate" not in shown


def test_two_traces_are_none(nginx, client):
    request = http_request("GET", "/x", {"Authorization": client.key, "traceparent": TRACE})
    twice = request.replace(b"traceparent", f"Traceparent: {TRACE}\r\ntraceparent".encode())
    assert NEW_TRACE.fullmatch(header(send_raw(nginx.port, twice).json, "traceparent"))


def test_a_missing_trace_is_made(nginx, client):
    found = [NEW_TRACE.fullmatch(seen_by_upstream(client)["traceparent"]) for _ in range(200)]
    assert len({trace[1] for trace in found}) == len({trace[2] for trace in found}) == 200
    assert "0" * 16 not in {trace[2] for trace in found}


def test_one_id_finds_everything_where_both_are_new(nginx, client):
    shown = seen_by_upstream(client)
    assert NEW_TRACE.fullmatch(shown["traceparent"])[1] == shown["x-request-id"]
    assert line_of(nginx, shown["x-request-id"])["trace_id"] == shown["x-request-id"]
    shown = seen_by_upstream(client, **{"X-Request-Id": "chosen"})
    assert line_of(nginx, "chosen")["trace_id"] == NEW_TRACE.fullmatch(shown["traceparent"])[1]


def test_what_the_sidecar_tells_the_log(nginx, client):
    told = urllib.parse.quote("npc=a%20%22b%22;chat=c-1;model=org/m-8B;in=12;out=34")
    answer = client.get(f"/x?h-X-Npcchat-Log={told}&h-X-Other=y", headers={"X-Request-Id": "told"}).expect(200)
    assert "X-Npcchat-Log" not in answer.headers and answer.headers["X-Other"] == "y"
    line = line_of(nginx, "told")
    assert (line["npc"], line["chat"], line["model"]) == ('a "b"', "c-1", "org/m-8B")
    assert (line["tokens_in"], line["tokens_out"]) == ("12", "34")
    assert (line["user"], line["plan"], line["role"], line["auth_status"]) == ("logged", "rpm=90;burst=9", "user", "MISS")
    assert (line["route"], line["path"]) == ("app", "/x")


@pytest.mark.parametrize("value", [";;;", "npc", "npc=", "=x", "in=%zz;npc=%4", "other=1;npcx=2;xnpc=3"])
def test_what_says_nothing_is_not_logged(nginx, client, value):
    client.get(f"/x?h-X-Npcchat-Log={urllib.parse.quote(value)}", headers={"X-Request-Id": "said"}).expect(200)
    line = line_of(nginx, "said")
    assert not any(line[field] for field in ("npc", "chat", "model", "tokens_in", "tokens_out"))


@pytest.mark.parametrize("path, headers", [
    ("/x", {}), ("/x?h-X-Npcchat-Log=" + urllib.parse.quote("npc=a%20%22b%22;chat=c%0A1;model=m;in=12;out=34"), {}),
    ("/x?h-X-Npcchat-Log=" + urllib.parse.quote('in=1",x;out=-'), {}), ('/"quoted"/%22%5C%7F%C3%A9?secret=1', {}),
    ("/x", {"Authorization": "unknown"}), ("/refused", {}),
])
def test_the_line_says_what_the_variables_say(nginx, client, path, headers):
    client.get(path, headers={"X-Request-Id": "compared", "traceparent": TRACE, **headers})
    fields, line = line_of(nginx, "compared"), line_of(nginx, "compared", "line.log")
    expected = {"auth": fields.pop("auth_status"), "limit": fields.pop("limit_status"), **fields}
    del expected["user_id"]
    for name in ("status", "bytes_in", "bytes", "request_time"):
        expected[name] = float(expected[name])
    for name in ("tokens_in", "tokens_out"):
        expected[name] = int(expected[name]) if expected[name].isdigit() else ""
    # What there is nothing to say of is left out.
    assert line == {name: value for name, value in expected.items() if value != "" or name == "completion"}


def test_the_line_of_what_is_no_request(nginx):
    """nginx refuses it before any phase; the line is JSON all the same, with an id of its own."""
    send_raw(nginx.port, b"GET / HTTP/9.9\r\nHost: x\r\n\r\n")
    send_raw(nginx.port, b'\"\x01 / HTTP/1.1\r\n\r\n')

    def lines():
        return [json.loads(line) for line in (nginx.folder / "line.log").read_text().splitlines()]
    wait_until(lambda: len(lines()) == 2, 5, "two lines")
    assert all(line["status"] in (400, 505) and re.fullmatch("[0-9a-f]{32}", line["request_id"]) for line in lines())
