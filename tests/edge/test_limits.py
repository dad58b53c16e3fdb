"""`npcchat_limit`: by user and by plan, several at once, with delays, looking on, refusing."""

import re
import subprocess
import time

import pytest
from harness.waiting import wait_until

PAGES = "alias {folder}/pages/;"


@pytest.fixture
def limited(edge):
    """An nginx with pages, whose locations carry the limits that the test gives: a dict of path to directives."""
    def make(locations, http="", **options):
        server = "npcchat on; add_header X-Limit $npcchat_limit_status always;"
        for path, directives in locations.items():
            server += f"\nlocation {path} {{ {directives} {PAGES} }}"
        nginx = edge(server, http=http, **options)
        nginx.page("page.html", "page")
        return nginx
    return make


def statuses(nginx, path="/a/page.html", key="alices-key", tries=8):
    return [nginx.client(key).get(path).status for _ in range(tries)]


def passes(nginx, path="/a/page.html", key="alices-key", tries=16):
    """How many requests pass before the first is refused, none after it."""
    got = statuses(nginx, path, key, tries)
    passed = got.index(429) if 429 in got else tries
    assert set(got[passed:]) <= {429}, got
    return passed


def planned(keys, plan, number=100):
    return keys.add(f"key-of-{plan}-{number}", number, plan=plan)


# --- whose bucket, which rate ---

def test_a_bucket_for_each_user_over_all_locations(limited):
    limit = "npcchat_limit zone=users burst=3 nodelay;"
    nginx = limited({"/a/": limit, "/b/": limit})
    assert passes(nginx, tries=2) == 2
    assert passes(nginx, "/b/page.html") == 2
    assert passes(nginx, key="bobs-key") == 4


def test_a_users_keys_share_the_bucket(limited, keys):
    keys.add("alices-other-key", 7, "alice")
    nginx = limited({"/a/": "npcchat_limit zone=users burst=3 nodelay;"})
    assert passes(nginx, tries=3) == 3
    assert passes(nginx, key="alices-other-key") == 1


def test_the_admin_is_not_limited(limited):
    nginx = limited({"/a/": "npcchat_limit zone=users; npcchat_concurrency zone=users 1;"})
    answers = [nginx.client("roots-key").get("/a/page.html").expect(200) for _ in range(5)]
    assert {answer.headers["X-Limit"] for answer in answers} == {"EXEMPT"}
    assert not [name for name in answers[0].headers if "ratelimit" in name.lower()]


@pytest.mark.parametrize("plan, passed", [
    ("rpm=6", 6), ("rpm=6;burst=2", 3), ("rpm=6;burst=0", 1), ("burst=1;rpm=6;tpm=9", 2), ("rpm=0", 16), ("tpm=9", 2),
    ("", 2), ("rph=3", 2), ("rpm=9;rph=3", 3), ("rpm=9;rph=8;rpd=4", 4), ("rpm=0;rpd=5", 5), ("rpm=0;rps=0;rpd=0", 16),
])
def test_rates_by_plan(limited, keys, plan, passed):
    nginx = limited({"/a/": "npcchat_limit zone=users burst=1 nodelay;"})
    assert passes(nginx, key=planned(keys, plan)) == passed


@pytest.mark.parametrize("rate, passed", [("3r/h", 3), ("1r/d", 3), ("1r/m", 3), ("0r/m", 16)])
def test_the_zones_rate(limited, rate, passed):
    nginx = limited({"/a/": "npcchat_limit zone=own burst=2 nodelay;"},
                    http=f"npcchat_limit_zone zone=own:64k rate={rate};")
    assert passes(nginx) == passed


def test_a_zone_may_pass_over_plans(limited, keys):
    nginx = limited({"/a/": "npcchat_limit zone=own burst=2 nodelay;"},
                    http="npcchat_limit_zone zone=own:64k rate=1r/m plan=off;")
    assert passes(nginx, key=planned(keys, "rpm=9")) == 3


def test_an_exact_hour_gives_back(limited, keys):
    """3600 an hour is one a second, where limit_req's grid knows no hours at all."""
    nginx = limited({"/a/": "npcchat_limit zone=own nodelay;"}, http="npcchat_limit_zone zone=own:64k rate=3600r/h;")
    client = nginx.client("alices-key")
    start = time.monotonic()
    client.get("/a/page.html").expect(200)
    refused = client.get("/a/page.html").expect(429)
    assert refused.headers["Retry-After"] == "1"
    wait_until(lambda: client.get("/a/page.html").status == 200, 5, "one more request to pass", interval=0.01)
    assert time.monotonic() - start >= 0.9


# --- several at once ---

def test_all_limits_must_pass_and_a_refusal_costs_nothing(limited):
    http = "npcchat_limit_zone zone=strict:64k rate=1r/m; npcchat_limit_zone zone=wide:64k rate=1r/m;"
    strict, wide = "npcchat_limit zone=strict burst=2 nodelay;", "npcchat_limit zone=wide burst=9 nodelay;"
    for first, second in ((strict, wide), (wide, strict)):
        nginx = limited({"/a/": first + second, "/wide/": wide, "/strict/": strict}, http=http)
        assert passes(nginx, tries=10) == 3
        # Seven refusals later, the wide zone has counted three.
        assert passes(nginx, "/wide/page.html") == 7
        assert passes(nginx, key="bobs-key", path="/strict/page.html", tries=2) == 2
        assert passes(nginx, key="bobs-key") == 1
        assert passes(nginx, key="bobs-key", path="/wide/page.html") == 9


def test_windows_of_a_plan_are_charged_together_or_not_at_all(limited, keys):
    key = planned(keys, "rpm=9;rpd=4")
    nginx = limited({"/a/": "npcchat_limit zone=users nodelay;"})
    assert statuses(nginx, key=key, tries=12) == [200] * 4 + [429] * 8
    state = nginx.client(key).get("/a/page.html").expect(429).headers["RateLimit"]
    assert '"minute";r=5;' in state and '"day";r=0;' in state


def test_inherited_replaced_and_off(edge):
    nginx = edge(f"""
        npcchat on;
        npcchat_limit zone=users burst=2 nodelay;
        location /inherits/ {{ {PAGES} }}
        location /own/ {{ npcchat_limit zone=own burst=4 nodelay; {PAGES} }}
        location /off/ {{ npcchat_limit off; {PAGES} }}
    """, http="npcchat_limit_zone zone=own:64k rate=1r/m;")
    nginx.page("page.html", "page")
    assert passes(nginx, "/own/page.html") == 5
    assert passes(nginx, "/off/page.html") == 16
    assert passes(nginx, "/inherits/page.html") == 3


# --- delays ---

def test_requests_wait_for_their_turn(limited):
    nginx = limited({"/a/": "npcchat_limit zone=own burst=20;"}, http="npcchat_limit_zone zone=own:64k rate=2r/s;")
    client = nginx.client("alices-key")
    # A worker's first request takes longer than others.
    nginx.client("bobs-key").get("/a/page.html").expect(200)
    start = time.monotonic()
    client.get("/a/page.html").expect(200)
    answers = [client.get("/a/page.html").expect(200) for _ in range(3)]
    # Each comes at once after the one before, and waits for the rest of half a second: long, for a busy machine.
    assert time.monotonic() - start >= 3 * 0.5 - 0.05
    assert [answer.headers["X-Limit"] for answer in answers] == ["DELAYED"] * 3
    assert answers[-1].text == "page"


def test_a_body_comes_through_a_delay(edge, upstream):
    nginx = edge(f"npcchat on; location / {{ npcchat_limit zone=own burst=5; proxy_pass http://{upstream.address}; }}",
                 http="npcchat_limit_zone zone=own:64k rate=10r/s;")
    client = nginx.client("alices-key")
    for size in (10, 300_000):
        assert client.post("/", data=b"x" * size).expect(200).json["body"] == size
        assert client.post("/", data=iter([b"y" * size, b"z"])).expect(200).json["body"] == size + 1


def test_delay_sets_where_waiting_begins(limited):
    nginx = limited({"/a/": "npcchat_limit zone=own burst=5 delay=2;"},
                    http="npcchat_limit_zone zone=own:64k rate=10r/s;")
    client = nginx.client("alices-key")
    got = [client.get("/a/page.html").expect(200).headers["X-Limit"] for _ in range(3)]
    assert got == ["PASSED"] * 3
    wait_until(lambda: client.get("/a/page.html").headers["X-Limit"] == "DELAYED", 5, "a delay")


def test_who_leaves_while_waiting_is_noticed(limited):
    """The wait would be a minute."""
    nginx = limited({"/a/": "npcchat_limit zone=users burst=5;"})
    nginx.client("alices-key").get("/a/page.html").expect(200)
    with nginx.connect() as connection:
        connection.sendall(b"GET /a/page.html HTTP/1.1\r\nHost: x\r\nAuthorization: alices-key\r\n\r\n")
        wait_until(lambda: "delaying request, excess: " in nginx.log(), 5, "the delay")
    access = nginx.folder / "access.log"
    wait_until(lambda: "/a/page.html 499" in access.read_text(), 5, "nginx to notice")


def test_what_waits_outlives_a_reload(limited):
    nginx = limited({"/a/": "npcchat_limit zone=own burst=5;"}, http="npcchat_limit_zone zone=own:64k rate=2r/s;")
    nginx.client("alices-key").get("/a/page.html").expect(200)
    with nginx.connect() as connection:
        connection.sendall(b"GET /a/page.html HTTP/1.0\r\nAuthorization: alices-key\r\n\r\n")
        wait_until(lambda: "delaying request, excess: " in nginx.log(), 5, "the delay")
        nginx.reload()
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")


# --- dry run, status, log ---

def test_a_dry_run_refuses_and_delays_nothing(limited):
    zone = "npcchat_limit_zone zone=own:64k rate=1r/m;"
    nginx = limited({"/a/": "npcchat_limit zone=own burst=2 nodelay;", "/b/": "npcchat_limit zone=users burst=1;"},
                    http=zone + "npcchat_limit_dry_run on;")
    answers = [nginx.client("alices-key").get("/a/page.html").expect(200) for _ in range(5)]
    assert [answer.headers["X-Limit"] for answer in answers] == ["PASSED"] * 3 + ["REJECTED_DRY_RUN"] * 2
    assert not [name for answer in answers for name in answer.headers if name.lower().startswith(("rate", "retry"))]
    answers = [nginx.client("alices-key").get("/b/page.html").expect(200) for _ in range(3)]
    assert [answer.headers["X-Limit"] for answer in answers] == ["PASSED", "DELAYED_DRY_RUN", "REJECTED_DRY_RUN"]
    assert re.search(r'limiting requests, dry run, excess: [23]\.\d{3} by zone "own", user: "alice"', nginx.log())
    assert "delaying request, dry run, excess: " in nginx.log()


@pytest.mark.parametrize("level, refusal, delay", [
    ("", "error", "warn"), ("npcchat_limit_log_level info;", "info", "info"),
    ("npcchat_limit_log_level notice;", "notice", "info"), ("npcchat_limit_log_level warn;", "warn", "notice"),
])
def test_status_and_log_level(limited, level, refusal, delay):
    nginx = limited({"/a/": f"npcchat_limit zone=users burst=1; npcchat_limit_status 503; npcchat_limit_dry_run off; "
                            f"{level}", "/dry/": f"npcchat_limit zone=users burst=1; npcchat_limit_dry_run on; {level}"})
    client = nginx.client("alices-key")
    client.get("/a/page.html").expect(200)
    client.get("/dry/page.html").expect(200)
    client.get("/a/page.html").expect(503)
    assert f"[{delay}]" in line_with(nginx, "delaying request")
    refused = line_with(nginx, "limiting requests, excess: ")
    assert f"[{refusal}]" in refused and 'user: "alice"' in refused and "alices-key" not in nginx.log()


def line_with(nginx, text):
    return next(line for line in nginx.log().splitlines() if text in line)


# --- the zone ---

def test_more_users_than_the_zone_holds(limited, keys):
    """The oldest give way, as in limit_req; nobody is refused for want of memory."""
    nginx = limited({"/a/": "npcchat_limit zone=own burst=1 nodelay; npcchat_concurrency zone=own 2;"},
                    http="npcchat_limit_zone zone=own:32k rate=1r/m;")
    for number in range(1000, 1400):
        nginx.client(planned(keys, "", number)).get("/a/page.html").expect(200)
    assert passes(nginx, key=planned(keys, "", 1399)) == 1


def test_a_reload_keeps_what_was_counted(limited):
    nginx = limited({"/a/": "npcchat_limit zone=users burst=3 nodelay;"})
    assert passes(nginx, tries=2) == 2
    nginx.reload()
    assert passes(nginx) == 2


def test_all_workers_count_in_one_bucket(limited):
    nginx = limited({"/a/": "npcchat_limit zone=users burst=9 nodelay;"}, workers=3)
    assert passes(nginx) == 10


def test_streams_of_one_connection_wait_each_for_itself(limited):
    nginx = limited({"/a/": "npcchat_limit zone=own burst=9;"}, http="npcchat_limit_zone zone=own:64k rate=50r/s;",
                    listen=" http2")
    done = subprocess.run(["h2load", "-n", "10", "-c", "1", "-m", "10", "-H", "Authorization: alices-key",
                           f"http://127.0.0.1:{nginx.port}/a/page.html"], capture_output=True, text=True, timeout=60)
    assert "status codes: 10 2xx, 0 3xx, 0 4xx, 0 5xx" in done.stdout, done.stdout
    assert nginx.log().count("delaying request, excess: ") >= 5
