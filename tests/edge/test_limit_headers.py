"""What a client is told of its limits: on allowed answers and on refusals, once, and true."""

import re

import pytest

NAMES = ("RateLimit-Policy", "RateLimit", "x-ratelimit-limit-requests", "x-ratelimit-remaining-requests",
         "x-ratelimit-reset-requests", "Retry-After")
# A string with integer parameters, as RFC 9651 has it.
ITEM = re.compile(r'"([a-z0-9-]+)"((?:;[a-z]+=(?:\d+|"[a-z-]+"))+)')


def told(answer):
    """The headers of limits by name, each of which came at most once."""
    for name in NAMES:
        assert len(answer.headers.get_all(name, [])) <= 1, f"{name} came twice"
    return {name: answer.headers[name] for name in NAMES if name in answer.headers}


def items(value):
    """{"minute": {"q": 60, "w": 60}} of a field."""
    found = {}
    for item in value.split(", "):
        name, parameters = ITEM.fullmatch(item).groups()
        pairs = [parameter.split("=") for parameter in parameters[1:].split(";")]
        found[name] = {key: int(text) if text.isdigit() else text.strip('"') for key, text in pairs}
    return found


@pytest.fixture
def limited(edge):
    def make(directives="npcchat_limit zone=users nodelay;", server="", **options):
        nginx = edge(f"npcchat on;\n{server}\nlocation / {{ {directives} }}", **options)
        nginx.page("page.html", "page")
        return nginx
    return make


def get(nginx, key, path="/page.html"):
    return nginx.client(key).get(path)


def test_an_allowed_answer(limited, keys):
    nginx = limited()
    keys.add("k", 50, plan="rpm=60")
    assert told(get(nginx, "k").expect(200)) == {
        "RateLimit-Policy": '"minute";q=60;w=60', "RateLimit": '"minute";r=59;t=1',
        "x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "59", "x-ratelimit-reset-requests": "1s"}


def test_down_to_a_refusal(limited, keys):
    """At one an hour nothing comes back during the test."""
    nginx = limited()
    keys.add("k", 50, plan="rpm=0;rph=3")
    for remaining in (2, 1, 0):
        got = told(get(nginx, "k").expect(200))
        state = items(got["RateLimit"])["hour"]
        assert state["r"] == remaining == int(got["x-ratelimit-remaining-requests"])
        assert 1195 <= state["t"] <= 1200
        assert "Retry-After" not in got
    for _ in range(2):
        refused = told(get(nginx, "k").expect(429))
        assert refused["RateLimit-Policy"] == '"hour";q=3;w=3600'
        assert items(refused["RateLimit"])["hour"]["r"] == 0
        assert refused["x-ratelimit-remaining-requests"] == "0"
        assert 1195 <= int(refused["Retry-After"]) <= 1200
        assert items(refused["RateLimit"])["hour"]["t"] == int(refused["Retry-After"])
        # "1h0m0s", or a little less.
        assert re.fullmatch(r"1h0m0s|59m5[5-9]s", refused["x-ratelimit-reset-requests"])


def test_several_windows(limited, keys):
    nginx = limited()
    keys.add("k", 50, plan="rps=50;rpm=60;rph=500;rpd=2")
    got = told(get(nginx, "k").expect(200))
    assert got["RateLimit-Policy"] == ('"second";q=50;w=1, "minute";q=60;w=60, "hour";q=500;w=3600, '
                                       '"day";q=2;w=86400')
    state = items(got["RateLimit"])
    assert list(state) == ["second", "minute", "hour", "day"]
    assert (state["minute"]["r"], state["hour"]["r"], state["day"]["r"]) == (59, 499, 1)
    # The old headers have room for one: the tightest.
    assert (got["x-ratelimit-limit-requests"], got["x-ratelimit-remaining-requests"]) == ("2", "1")
    assert got["x-ratelimit-reset-requests"] == "12h0m0s"

    get(nginx, "k").expect(200)
    refused = told(get(nginx, "k").expect(429))
    # The longest wait of all windows.
    assert 43190 <= int(refused["Retry-After"]) <= 43200
    assert items(refused["RateLimit"])["minute"]["r"] >= 58


def test_several_limits_have_names_of_their_own(limited):
    nginx = limited("npcchat_limit zone=users burst=4 nodelay; npcchat_limit zone=guard burst=9 nodelay;",
                    http="npcchat_limit_zone zone=guard:64k rate=100r/m plan=off;")
    got = told(get(nginx, "alices-key").expect(200))
    assert got["RateLimit-Policy"] == '"minute";q=1;w=60, "minute-2";q=100;w=60'
    assert items(got["RateLimit"])["minute-2"]["r"] == 9
    # What remains is never more than the window's requests, whatever the burst.
    assert items(got["RateLimit"])["minute"]["r"] == 1


def test_open_requests_are_a_quota_too(limited, keys):
    nginx = limited("npcchat_limit zone=users nodelay; npcchat_concurrency zone=users 3;")
    keys.add("k", 50, plan="rpm=5")
    got = told(get(nginx, "k").expect(200))
    assert got["RateLimit-Policy"] == '"minute";q=5;w=60, "concurrency";q=3;qu="concurrent-requests"'
    assert items(got["RateLimit"])["concurrency"] == {"r": 2}


def test_a_plan_without_limits_has_no_headers(limited, keys):
    nginx = limited()
    keys.add("k", 50, plan="rpm=0")
    assert told(get(nginx, "k").expect(200)) == {}


REFUSAL_PAGES = {
    "none": "",
    "a page": "error_page 429 /sorry.html;",
    "a page with another status": "error_page 429 =503 /sorry.html;",
    "our own": "error_page 429 @ours; location @ours { npcchat off; npcchat_error_page; }",
    "a named location with a limit": "error_page 429 @named; location @named { npcchat_limit zone=users nodelay; "
                                     "rewrite ^ /sorry.html break; }",
    "an upstream's": "error_page 429 @up; location @up { npcchat off; proxy_pass http://UPSTREAM; }",
}


@pytest.mark.parametrize("page", REFUSAL_PAGES)
def test_through_error_pages(limited, upstream, page):
    nginx = limited(server=REFUSAL_PAGES[page].replace("UPSTREAM", upstream.address))
    nginx.page("sorry.html", "sorry")
    get(nginx, "alices-key").expect(200)
    answer = get(nginx, "alices-key")
    assert answer.status == (503 if "503" in REFUSAL_PAGES[page] else 429)
    got = told(answer)
    assert set(got) == set(NAMES)
    # One a minute is 16/1000 a second on limit_req's grid.
    assert 58 <= int(got["Retry-After"]) <= 63 and items(got["RateLimit"])["minute"]["r"] == 0


@pytest.mark.parametrize("path, status", [
    ("/none.html", 404), ("/page.html", 200), ("/folder", 301), ("/", 200), ("/jump", 200),
])
def test_once_on_every_kind_of_answer(limited, keys, path, status):
    nginx = limited(server="error_page 404 /page.html; location = /jump { npcchat_limit zone=users nodelay; "
                           "try_files /none /page.html; }")
    nginx.page("index.html", "page")
    nginx.page("folder/index.html", "page")
    keys.add("k", 50, plan="rpm=60")
    got = told(get(nginx, "k", path).expect(status))
    assert got["RateLimit"] == '"minute";r=59;t=1' and set(got) == set(NAMES) - {"Retry-After"}


def test_once_where_a_header_filter_starts_anew(limited, keys):
    """nginx takes the answer back when a precondition fails or a range lies outside."""
    nginx = limited()
    keys.add("k", 50, plan="rpm=60")
    for headers, status in (({"If-Match": '"x"'}, 412), ({"Range": "bytes=100-"}, 416), ({"Range": "bytes=0-1"}, 206),
                            ({"If-None-Match": "*"}, 304)):
        answer = nginx.client("k").get("/page.html", headers=headers).expect(status)
        assert set(told(answer)) == set(NAMES) - {"Retry-After"}, headers


def test_ours_win_over_those_of_an_upstream(edge, keys, upstream):
    """A model's endpoint speaks of its own limits, which are not the user's; but a list may name both."""
    nginx = edge(f"npcchat on; npcchat_limit zone=users nodelay; location / {{ proxy_pass http://{upstream.address}; }}")
    keys.add("k", 50, plan="rpm=60")
    query = "&".join(["h-x-ratelimit-limit-requests=9999", "h-X-RateLimit-Remaining-Requests=9998",
                      "h-x-ratelimit-limit-tokens=5", "h-RateLimit=%22tokens%22;r=7"])
    answer = nginx.client("k").get(f"/?{query}").expect(200)
    assert answer.headers.get_all("x-ratelimit-limit-requests") == ["60"]
    assert answer.headers.get_all("x-ratelimit-remaining-requests") == ["59"]
    assert answer.headers["x-ratelimit-limit-tokens"] == "5"
    assert sorted(answer.headers.get_all("RateLimit")) == ['"minute";r=59;t=1', '"tokens";r=7']


def test_an_upstreams_retry_after_is_left_alone(edge, keys, upstream):
    nginx = edge(f"npcchat on; npcchat_limit zone=users nodelay; location / {{ proxy_pass http://{upstream.address}; }}")
    answer = nginx.client("alices-key").get("/?status=503&h-Retry-After=7").expect(503)
    assert answer.headers.get_all("Retry-After") == ["7"]


def test_keepalive_survives_a_refusal(limited):
    nginx = limited()
    with nginx.connect() as connection:
        request = b"POST /page.html HTTP/1.1\r\nHost: x\r\nAuthorization: alices-key\r\nContent-Length: 4\r\n\r\nbody"
        stream = connection.makefile("rb")
        for status in (b"405", b"429", b"429"):
            connection.sendall(request)
            assert stream.readline().split()[1] == status
            length = 0
            while (line := stream.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            stream.read(length)
