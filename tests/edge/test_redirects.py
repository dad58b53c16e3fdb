"""One request, however often nginx redirects it inside: counted once, its key checked in every location it reaches."""

import pytest
from harness.fakes import header

# A first request and one more fit the limit; the zone's rate gives none back during a test.
LIMIT = "npcchat_limit zone=users burst=1 nodelay;"


def count_passed(nginx, path, key="alices-key", tries=4):
    """How many requests pass before the first is refused; those after it are refused too."""
    got = [nginx.client(key).get(path).status for _ in range(tries)]
    passed = got.index(429)
    assert set(got[passed:]) == {429}, got
    assert set(got[:passed]) == {200}, got
    return passed


@pytest.mark.parametrize("name, server, path", [
    ("a file", "", "/page.html"),
    ("index", "", "/"),
    ("index in a folder", "", "/folder/"),
    ("try_files", "location / { try_files $uri.html =404; }", "/page"),
    ("try_files with a fallback", "location / { try_files $uri /page.html; }", "/x"),
    ("try_files with a named location",
     "location / { try_files /none @named; } location @named { rewrite ^ /page.html break; }", "/x"),
    ("rewrite last", "location /old { rewrite ^/old(.*)$ /page.html last; }", "/old"),
    ("rewrite break", "location /old { rewrite ^ /page.html break; }", "/old"),
    ("rewrite in the server", "rewrite ^/old$ /older; rewrite ^/older$ /page.html;", "/old"),
    ("rewrite twice", "location /a { rewrite ^ /b last; } location /b { rewrite ^ /page.html last; }", "/a"),
    ("error_page with another answer", "error_page 404 =200 /page.html;", "/none"),
    ("error_page with a named location",
     "error_page 404 = @named; location @named { rewrite ^ /page.html break; }", "/none"),
    ("if", "location / { if ($arg_x) { set $y 1; } }", "/page.html?x=1"),
    ("limit_except", "location / { limit_except GET { deny all; } }", "/page.html"),
])
def test_counted_once(edge, name, server, path):
    nginx = edge(f"npcchat on; {LIMIT}\n{server}")
    nginx.page("page.html", "page")
    nginx.page("index.html", "page")
    nginx.page("folder/index.html", "page")
    assert count_passed(nginx, path) == 2
    assert count_passed(nginx, path, key="bobs-key") == 2


def test_x_accel_redirect_is_counted_once(edge, upstream):
    nginx = edge(f"""
        npcchat on; {LIMIT}
        location /app {{ proxy_pass http://{upstream.address}; }}
        location /files/ {{ internal; alias {{folder}}/pages/; }}
        location @named {{ rewrite ^ /page.html break; }}
    """)
    nginx.page("page.html", "page")
    nginx.page("files/index.html", "")
    path = "/app?h-X-Accel-Redirect=/files/page.html"
    assert nginx.client("alices-key").get(path).expect(200).text == "page"
    nginx.client("alices-key").get(path).expect(200)
    nginx.client("alices-key").get(path).expect(429)
    assert nginx.client("bobs-key").get("/app?h-X-Accel-Redirect=@named").expect(200).text == "page"
    nginx.client("bobs-key").get("/app").expect(200)
    nginx.client("bobs-key").get("/app").expect(429)


def test_limits_of_two_locations_count_once(edge):
    """The first limit that a request meets is its limit; the location that it is sent on to does not count it again."""
    nginx = edge(f"""
        npcchat on;
        location /a {{ {LIMIT} rewrite ^ /b last; }}
        location /first {{ {LIMIT} try_files /none /b; }}
        location /b {{ {LIMIT} rewrite ^ /page.html break; }}
    """)
    nginx.page("page.html", "page")
    assert count_passed(nginx, "/a") == 2
    assert count_passed(nginx, "/first", key="bobs-key") == 2


def test_a_redirect_gives_no_way_around_a_key(edge):
    nginx = edge("""
        location /open { npcchat open; rewrite ^ /closed.html last; }
        location /off { try_files /none /closed.html; }
        location /user { npcchat on; rewrite ^ /admins.html last; }
        location = /closed.html { npcchat on; }
        location = /admins.html { npcchat on; npcchat_role admin; }
    """)
    nginx.page("closed.html", "closed")
    nginx.page("admins.html", "admins")
    for path in ("/open", "/off"):
        assert nginx.client().get(path).status == 401
        assert nginx.client("alices-key").get(path).expect(200).text == "closed"
    assert nginx.client("alices-key").get("/user").status == 403
    assert nginx.client("roots-key").get("/user").expect(200).text == "admins"


def test_what_is_refused_stays_refused_on_its_error_page(edge):
    """As with allow and deny, the page of an error must itself be open; a limit never refuses it again."""
    nginx = edge(f"""
        npcchat on; {LIMIT}
        error_page 401 /401.html; error_page 403 /403.html; error_page 429 /429.html;
        location = /401.html {{ npcchat off; }}
        location /admin {{ npcchat_role admin; }}
    """)
    for status in (401, 403, 429):
        nginx.page(f"{status}.html", f"page of {status}")
    nginx.page("page.html", "page")
    refused = nginx.client().get("/page.html").expect(401)
    assert refused.text == "page of 401" and refused.headers.get_all("WWW-Authenticate") == ["Bearer"]
    assert nginx.client("alices-key").get("/admin").expect(403).text == "page of 403"
    nginx.client("alices-key").get("/page.html")
    nginx.client("alices-key").get("/page.html")
    refused = nginx.client("alices-key").get("/page.html").expect(429)
    assert refused.text == "page of 429" and int(refused.headers["Retry-After"]) >= 1


def test_a_closed_error_page_is_nginxs_own(edge):
    nginx = edge("npcchat on; error_page 401 /401.html;")
    nginx.page("401.html", "closed too")
    refused = nginx.client().get("/").expect(401)
    assert "401 Authorization Required" in refused.text
    assert refused.headers.get_all("WWW-Authenticate") == ["Bearer"]


def test_error_page_to_another_answer(edge, upstream):
    """What is over the limit can go elsewhere, as with limit_req."""
    nginx = edge(f"""
        npcchat on; {LIMIT}
        error_page 429 = @queue;
        location @queue {{ npcchat off; proxy_pass http://{upstream.address}; }}
    """)
    nginx.page("page.html", "page")
    got = [nginx.client("alices-key").get("/page.html").expect(200).text == "page" for _ in range(4)]
    assert got == [True, True, False, False]
    request = upstream.last("/page.html")
    assert not [name for name, _ in request["headers"] if name.lower().startswith("x-npcchat-")]


def test_named_locations_have_their_own_rules(edge, upstream):
    nginx = edge(f"""
        location / {{ npcchat open; try_files $uri @app; }}
        location @app {{ npcchat on; proxy_pass http://{upstream.address}; }}
    """)
    nginx.page("page.html", "page")
    nginx.client().get("/page.html").expect(200)
    nginx.client().get("/x").expect(401)
    nginx.client("alices-key").get("/x").expect(200)
    assert header(upstream.last("/x"), "X-Npcchat-User") == "7:alice"


def test_identity_goes_along_or_stays(edge, upstream):
    """From a location that is ours into one that is not: nothing of ours is sent there."""
    nginx = edge(f"""
        location /in {{ npcchat on; try_files /none @out; }}
        location @out {{ proxy_pass http://{upstream.address}; }}
    """)
    sent = {"X-Npcchat-User": "0:admin", "X-Other": "stays"}
    nginx.client("alices-key").get("/in", headers=sent).expect(200)
    request = upstream.last("/in")
    assert not [name for name, _ in request["headers"] if name.lower().startswith("x-npcchat-")]
    assert header(request, "X-Other") == "stays"


def test_a_lookup_while_a_request_is_redirected(edge, keys):
    """A key that is not cached is looked up once, though three locations ask for it."""
    nginx = edge("npcchat on; location /a { rewrite ^ /b last; } location /b { try_files /none /page.html; }")
    nginx.page("page.html", "page")
    nginx.client("alices-key").get("/a").expect(200)
    assert keys.lookups == ["alice"]
