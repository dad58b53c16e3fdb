"""nginx's own part of what operators look at: its metrics, and its log of a chat's turn."""

import json
import re

from harness.launcher import EMBEDDED
from harness.prometheus import Metrics
from harness.talk import make_npc, say, send
from harness.waiting import wait_until

REQUESTS = "npcchat_edge_requests_total"


def test_who_may_read(launcher):
    product = launcher.shared(EMBEDDED, RATE_LIMIT=None, METRICS_ALLOW="127.9.9.0/24")
    for path in ("/metrics/edge", "/metrics/edge/"):
        Metrics(product.admin.get(path).expect(200).text)
        product.anyone.get(path).expect_error(401)
        product.sign_up().client.get(path).expect_error(403)
        inside = product.anyone.from_address("127.9.9.9")
        inside.get(path).expect(200)
        inside.with_key("no-such-key").get(path).expect(200)
        product.anyone.from_address("127.9.8.9").get(path).expect_error(401)


def test_the_products_routes(embedded):
    user = embedded.sign_up()
    say(user.client, None, "hello")
    embedded.anyone.get("/healthz").expect(200)
    embedded.anyone.get("/chat/x/y/history").expect_error(401)

    def routes():
        metrics = Metrics(embedded.admin.get("/metrics/edge").text)
        found = {labels["route"] for labels in metrics.labels(REQUESTS)}
        return {"models", "docs", "history", "signup", "metrics"} <= found and found
    assert wait_until(routes, 5, "the routes") <= {"models", "docs", "history", "signup", "metrics", "api_key", "/", "other"}


def test_the_products_limits(launcher):
    product = launcher.shared(EMBEDDED, RATE_LIMIT=None, METRICS_ALLOW="127.9.9.0/24")
    client = product.sign_up().client

    def count(result):
        return Metrics(product.admin.get("/metrics/edge").text).get("npcchat_edge_limit_total", result=result)
    before = {result: count(result) for result in ("passed", "rejected")}
    for expected in [200] * 5 + [429] * 2:
        client.post("/chat/", json_body={"message": "hello"}).expect(expected)
    wait_until(lambda: count("rejected") - before["rejected"] == 2 and count("passed") - before["passed"] == 5, 5,
               "the limits to be counted")



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
    assert not {"tokens_in", "tokens_out"} & set(line)


def test_what_has_no_chat_in_the_log(launcher):
    product = launcher.shared(EMBEDDED)
    product.anyone.get("/npcs/", headers={"X-Request-Id": "no-chat"}).expect_error(401)
    line = product_line(product, "no-chat")
    assert line["auth"] == "NONE"
    assert not {"npc", "chat", "model", "tokens_in", "tokens_out", "user", "role", "plan", "limit"} & set(line)
