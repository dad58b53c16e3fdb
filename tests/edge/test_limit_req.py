"""Our limiter and stock limit_req, side by side in one nginx, on the same arrivals."""

import re

import pytest

LINE = re.compile(r'(limiting requests|delaying request)(?:, dry run)?, excess: ([0-9.]+),? by zone "(\w+)"')


def both(stock, ours, rate, *, dry_run="off"):
    """Parts of a configuration: the same rate twice, and locations with one of the limits or with both."""
    http = f"""
    limit_req_zone $http_authorization zone=stock:1m rate={rate};
    npcchat_limit_zone zone=ours:1m rate={rate};
    limit_req_status 429;
    limit_req_log_level warn;
    npcchat_limit_log_level warn;
    limit_req_dry_run {dry_run};
    npcchat_limit_dry_run {dry_run};
    """
    server = f"""
        npcchat on;
        location /stock/ {{ limit_req zone=stock {stock}; alias {{folder}}/pages/; }}
        location /ours/ {{ npcchat_limit zone=ours {ours}; alias {{folder}}/pages/; }}
        location /both/ {{
            limit_req zone=stock {stock};
            npcchat_limit zone=ours {ours};
            add_header X-Stock $limit_req_status always;
            add_header X-Ours $npcchat_limit_status always;
            alias {{folder}}/pages/;
        }}
        location /warm/ {{ alias {{folder}}/pages/; }}
    """
    return {"http": http, "server": server}


@pytest.fixture
def pair(edge):
    def make(*arguments, **options):
        nginx = edge(**both(*arguments, **options))
        nginx.page("page.html", "page")
        # The key is cached: from here on a request goes through both limiters at one time of nginx's clock.
        nginx.client("alices-key").get("/warm/page.html").expect(200)
        return nginx
    return make


@pytest.mark.parametrize("rate, parameters", [
    ("300r/s", "burst=5 nodelay"),
    ("500r/s", "burst=20 delay=8"),
    ("200r/s", "burst=12"),
    ("20000r/m", "burst=3 delay=1"),
    ("1r/s", "nodelay"),
    ("1r/m", "burst=7 nodelay"),
    ("1000r/s", ""),
])
def test_every_request_fares_the_same(pair, rate, parameters):
    """Both only look on, on one request at the same millisecond: what they say is equal whatever the timing."""
    nginx = pair(parameters, parameters, rate, dry_run="on")
    client = nginx.client("alices-key")
    seen = set()
    for number in range(400):
        answer = client.get("/both/page.html").expect(200)
        assert answer.headers["X-Ours"] == answer.headers["X-Stock"], f"request {number}"
        seen.add(answer.headers["X-Ours"])
    assert seen <= {"PASSED", "DELAYED_DRY_RUN", "REJECTED_DRY_RUN"} and len(seen) > 1, seen

    logged = {"stock": [], "ours": []}
    for what, excess, zone in LINE.findall(nginx.log()):
        logged[zone].append((what, excess))
    assert logged["ours"] and logged["ours"] == logged["stock"]


@pytest.mark.parametrize("parameters", ["burst=4 nodelay", "nodelay", "burst=9 delay=20"])
def test_the_same_statuses(pair, parameters):
    """At one a minute nothing leaks during the test."""
    nginx = pair(parameters, parameters, "1r/m")
    client = nginx.client("alices-key")
    got = [(client.get("/stock/page.html").status, client.get("/ours/page.html").status) for _ in range(15)]
    assert [ours for _, ours in got] == [stock for stock, _ in got]
    assert {ours for _, ours in got} == {200, 429}


def test_the_same_wait(pair):
    """Two requests at ten a second: the second of each waits for the rest of a tenth of a second."""
    nginx = pair("burst=5", "burst=5", "10r/s")
    client = nginx.client("alices-key")
    for name in ("stock", "stock", "ours", "ours"):
        client.get(f"/{name}/page.html").expect(200)
    delayed = [(zone, float(excess)) for what, excess, zone in LINE.findall(nginx.log()) if what.startswith("delay")]
    assert [zone for zone, _ in delayed] == ["stock", "ours"]
    assert all(0 < excess <= 1 for _, excess in delayed)


def test_both_in_one_location(pair):
    """The stricter one decides, and each counts what it sees."""
    nginx = pair("burst=2 nodelay", "burst=5 nodelay", "1r/m")
    client = nginx.client("alices-key")
    assert [client.get("/both/page.html").status for _ in range(5)] == [200] * 3 + [429] * 2
    assert [client.get("/ours/page.html").status for _ in range(5)] == [200] * 3 + [429] * 2
