"""npcchat_metrics: what nginx counts over all workers, as Prometheus reads it."""

import pytest
from harness.prometheus import Metrics
from harness.talk import all_at_once
from harness.waiting import wait_until

SERVER = """
    npcchat on;
    location / { }
    location = /metrics {
        npcchat open;
        npcchat_metrics;
    }
    location /limited {
        npcchat_limit zone=users burst=0 nodelay;
        npcchat_route "a \\"b\\" \\\\c";
    }
    location ~ ^/named/(x|y)$ { }
    location /off {
        npcchat off;
    }
    location /named-off {
        npcchat off;
        npcchat_route static;
    }
"""


@pytest.fixture
def nginx(edge):
    nginx = edge(SERVER, workers=2)
    for page in ("page", "limited", "named/x", "off", "named-off"):
        nginx.page(page, "a page\n")
    return nginx


def read(nginx):
    return Metrics(nginx.client().get("/metrics").expect(200).text)


class Rise:
    """How much counters rise: requests are counted after their answers."""

    def __init__(self, nginx):
        self._nginx = nginx
        self._before = read(nginx)

    def expect(self, count, name, **labels):
        wait_until(lambda: read(self._nginx).total(name, **labels) - self._before.total(name, **labels) >= count, 5,
                   f"{name}{labels} to rise by {count}")
        assert read(self._nginx).total(name, **labels) - self._before.total(name, **labels) == count


REQUESTS = "npcchat_edge_requests_total"


def test_requests_by_route_status_and_role(nginx, keys):
    user, admin = keys.new_user("counted"), keys.new_user("boss", role="admin")
    rise = Rise(nginx)
    for _ in range(3):
        nginx.client(user).get("/page").expect(200)
    nginx.client(admin).get("/page").expect(200)
    nginx.client().get("/page").expect(401)
    nginx.client(user).get("/named/z").expect(404)
    nginx.client(user).get("/named/x").expect(200)
    nginx.client(user).request("POST", "/page").expect(405)
    rise.expect(3, REQUESTS, route="/", status="200", role="user")
    rise.expect(1, REQUESTS, route="/", status="200", role="admin")
    rise.expect(1, REQUESTS, route="/", status="401", role="none")
    rise.expect(1, REQUESTS, route="/", status="405", role="user")
    rise.expect(1, REQUESTS, route="^/named/(x|y)$", status="200", role="user")


def test_names_of_routes(nginx, keys):
    user = keys.new_user("router")
    rise = Rise(nginx)
    nginx.client(user).get("/limited").expect(200)
    nginx.client().get("/off").expect(200)
    nginx.client().get("/named-off").expect(200)
    rise.expect(1, REQUESTS, route='a \\"b\\" \\\\c', status="200")
    rise.expect(1, REQUESTS, route="other", status="200")
    rise.expect(1, REQUESTS, route="static", status="200")


def test_authentication_and_lookups(nginx, keys):
    user = keys.new_user("newcomer")
    rise = Rise(nginx)
    for _ in range(4):
        nginx.client(user).get("/page").expect(200)
    nginx.client("nobody's key").get("/page").expect(401)
    nginx.client("nobodys-key").get("/page").expect(401)
    nginx.client("nobodys-key").get("/page").expect(401)
    nginx.client().get("/page").expect(401)
    keys.status = 500
    try:
        nginx.client("another-key").get("/page").expect(503)
    finally:
        keys.status = None
    for result, count in {"miss": 1, "hit": 3, "denied": 2, "none": 2, "error": 1, "stale": 0}.items():
        rise.expect(count, "npcchat_edge_auth_total", result=result)
    for result, count in {"found": 1, "unknown": 1, "failed": 1}.items():
        rise.expect(count, "npcchat_edge_key_lookups_total", result=result)


def test_limits(nginx, keys):
    limited = keys.new_user("limited", plan="rpm=1;burst=0", user_id=501)
    exempt = keys.new_user("exempt", role="admin", user_id=0)
    rise = Rise(nginx)
    assert [nginx.client(limited).get("/limited").status for _ in range(3)] == [200, 429, 429]
    nginx.client(exempt).get("/limited").expect(200)
    rise.expect(1, "npcchat_edge_limit_total", result="passed")
    rise.expect(1, "npcchat_edge_limit_total", result="exempt")
    rise.expect(2, "npcchat_edge_limit_total", result="rejected")


def test_times(nginx, keys):
    user = keys.new_user("timed")
    nginx.client(user).get("/page").expect(200)
    before = read(nginx)
    keys.delay = 0.12
    try:
        nginx.client(keys.new_user("slow")).get("/page").expect(200)
    finally:
        keys.delay = 0
    for name in ("npcchat_edge_request_duration_seconds", "npcchat_edge_first_byte_seconds"):
        wait_until(lambda name=name: read(nginx).get(f"{name}_count", route="/") >
                   before.get(f"{name}_count", route="/"), 5, name)
        after = read(nginx)
        took = after.get(f"{name}_sum", route="/") - before.get(f"{name}_sum", route="/")
        assert 0.1 < took < 5
        assert after.get(f"{name}_bucket", route="/", le="0.1") == before.get(f"{name}_bucket", route="/", le="0.1")


def test_zones(nginx, keys):
    metrics = read(nginx)
    for zone in ("keys", "users"):
        total = metrics.get("npcchat_edge_zone_bytes", zone=zone)
        assert 900_000 < total <= 2 ** 20 and 0 < metrics.get("npcchat_edge_zone_free_bytes", zone=zone) < total
    assert {"known", "unknown"} == {labels["state"] for labels in metrics.labels("npcchat_edge_cached_keys")}


def test_all_workers_count_together(nginx, keys):
    user = keys.new_user("everywhere")
    nginx.client(user).get("/page").expect(200)
    rise = Rise(nginx)
    all_at_once(lambda _: nginx.client(user).get("/page").expect(200), range(200))
    rise.expect(200, REQUESTS, route="/", status="200", role="user")


def test_no_user_is_named(nginx, keys):
    user = keys.new_user("a-name-to-look-for", plan="rpm=77;burst=7")
    nginx.client(user).get("/page").expect(200)
    text = nginx.client().get("/metrics").text
    assert "a-name-to-look-for" not in text and user not in text and "rpm" not in text


def test_only_reading(nginx, keys):
    assert nginx.client().request("HEAD", "/metrics").expect(200).body == b""
    answer = nginx.client().post("/metrics", data=b"x")
    assert answer.status == 405 and answer.headers["Allow"] == "GET, HEAD"
    assert nginx.client().get("/metrics").headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
