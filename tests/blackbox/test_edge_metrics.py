"""npcchat_metrics: what nginx counts over all workers, as Prometheus reads it."""

import pytest
from harness.edge import Edge, Sidecar
from harness.launcher import EMBEDDED
from harness.prometheus import Metrics
from harness.talk import all_at_once, say
from harness.waiting import wait_until

LIMITED = """
        location /limited { alias %s/page; npcchat_limit zone=users burst=0 nodelay; npcchat_route "a \\"b\\" \\\\c"; }
        location ~ ^/named/(x|y)$ { alias %s/page; }
        location /off { npcchat off; return 204; }
        location /named-off { npcchat off; npcchat_route static; return 204; }
"""


@pytest.fixture(scope="module")
def edge(launcher):
    folder = launcher.new_folder("edge")
    folder.mkdir(parents=True)
    sidecar = Sidecar(folder / "keys.sock").start()
    nginx = folder / "nginx"
    edge = Edge(nginx, sidecar, server=LIMITED.replace("%s", str(nginx)))
    try:
        yield edge.start()
    finally:
        edge.stop()
        sidecar.stop()


def read(edge):
    return Metrics(edge.metrics())


class Rise:
    """How much counters rise: requests are counted after their answers."""

    def __init__(self, edge):
        self._edge = edge
        self._before = read(edge)

    def expect(self, count, name, **labels):
        wait_until(lambda: read(self._edge).total(name, **labels) - self._before.total(name, **labels) >= count, 5,
                   f"{name}{labels} to rise by {count}")
        assert read(self._edge).total(name, **labels) - self._before.total(name, **labels) == count


REQUESTS = "npcchat_edge_requests_total"


def test_requests_by_route_status_and_role(edge):
    user, admin = edge.sidecar.add_user("counted"), edge.sidecar.add_user("boss", role="admin")
    rise = Rise(edge)
    for _ in range(3):
        edge.client(user).get("/page").expect(200)
    edge.client(admin).get("/page").expect(200)
    edge.client().get("/page").expect(401)
    edge.client(user).get("/named/z").expect(404)
    edge.client(user).get("/named/x").expect(200)
    edge.client(user).request("POST", "/page").expect(405)
    rise.expect(3, REQUESTS, route="/page", status="200", role="user")
    rise.expect(1, REQUESTS, route="/page", status="200", role="admin")
    rise.expect(1, REQUESTS, route="/page", status="401", role="none")
    rise.expect(1, REQUESTS, route="/page", status="405", role="user")
    rise.expect(1, REQUESTS, route="^/named/(x|y)$", status="200", role="user")


def test_names_of_routes(edge):
    user = edge.sidecar.add_user("router")
    rise = Rise(edge)
    edge.client(user).get("/limited").expect(200)
    edge.client().get("/off").expect(204)
    edge.client().get("/named-off").expect(204)
    rise.expect(1, REQUESTS, route='a \\"b\\" \\\\c', status="200")
    rise.expect(1, REQUESTS, route="other", status="204")
    rise.expect(1, REQUESTS, route="static", status="204")


def test_authentication_and_lookups(edge):
    user = edge.sidecar.add_user("newcomer")
    rise = Rise(edge)
    for _ in range(4):
        edge.client(user).get("/page").expect(200)
    edge.client("nobody's key").get("/page").expect(401)
    edge.client("nobodys-key").get("/page").expect(401)
    edge.client("nobodys-key").get("/page").expect(401)
    edge.client().get("/page").expect(401)
    edge.sidecar.status = 500
    try:
        edge.client("another-key").get("/page").expect(503)
    finally:
        edge.sidecar.status = None
    for result, count in {"miss": 1, "hit": 3, "denied": 2, "none": 2, "error": 1, "stale": 0}.items():
        rise.expect(count, "npcchat_edge_auth_total", result=result)
    for result, count in {"found": 1, "unknown": 1, "failed": 1}.items():
        rise.expect(count, "npcchat_edge_key_lookups_total", result=result)


def test_limits(edge):
    limited = edge.sidecar.add_user("limited", plan="rpm=1;burst=0", user_id=501)
    exempt = edge.sidecar.add_user("exempt", role="admin", user_id=0)
    rise = Rise(edge)
    assert [edge.client(limited).get("/limited").status for _ in range(3)] == [200, 429, 429]
    edge.client(exempt).get("/limited").expect(200)
    rise.expect(1, "npcchat_edge_limit_total", result="passed")
    rise.expect(1, "npcchat_edge_limit_total", result="exempt")
    rise.expect(2, "npcchat_edge_limit_total", result="rejected")


def test_times(edge):
    user = edge.sidecar.add_user("timed")
    edge.client(user).get("/page").expect(200)
    before = read(edge)
    edge.sidecar.delay = 0.12
    try:
        edge.client(edge.sidecar.add_user("slow")).get("/page").expect(200)
    finally:
        edge.sidecar.delay = 0
    for name in ("npcchat_edge_request_duration_seconds", "npcchat_edge_first_byte_seconds"):
        wait_until(lambda name=name: read(edge).get(f"{name}_count", route="/page") >
                   before.get(f"{name}_count", route="/page"), 5, name)
        after = read(edge)
        took = after.get(f"{name}_sum", route="/page") - before.get(f"{name}_sum", route="/page")
        assert 0.1 < took < 5
        assert after.get(f"{name}_bucket", route="/page", le="0.1") == before.get(f"{name}_bucket", route="/page", le="0.1")


def test_zones(edge):
    metrics = read(edge)
    for zone in ("keys", "users"):
        total = metrics.get("npcchat_edge_zone_bytes", zone=zone)
        assert 900_000 < total <= 2 ** 20 and 0 < metrics.get("npcchat_edge_zone_free_bytes", zone=zone) < total
    assert {"known", "unknown"} == {labels["state"] for labels in metrics.labels("npcchat_edge_cached_keys")}


def test_all_workers_count_together(edge):
    user = edge.sidecar.add_user("everywhere")
    edge.client(user).get("/page").expect(200)
    rise = Rise(edge)
    all_at_once(lambda _: edge.client(user).get("/page").expect(200), range(200))
    rise.expect(200, REQUESTS, route="/page", status="200", role="user")


def test_no_user_is_named(edge):
    user = edge.sidecar.add_user("a-name-to-look-for", plan="rpm=77;burst=7")
    edge.client(user).get("/page").expect(200)
    text = edge.metrics()
    assert "a-name-to-look-for" not in text and user not in text and "rpm" not in text


def test_only_reading(edge):
    assert edge.client().request("HEAD", "/metrics").expect(200).body == b""
    answer = edge.client().post("/metrics", data=b"x")
    assert answer.status == 405 and answer.headers["Allow"] == "GET, HEAD"
    assert edge.client().get("/metrics").headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"


# --- as the product has it ---

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
