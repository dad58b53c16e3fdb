"""Keys among nginx's other ways to let a request in: by address, by password, by a subrequest."""

import base64

import pytest
from harness.fakes import header
from harness.waiting import wait_until

# The password is "secret", in plain text as nginx's {PLAIN} has it.
PASSWORDS = "carol:{PLAIN}secret\n"
CAROL = "Basic " + base64.b64encode(b"carol:secret").decode()
NOT_CAROL = "Basic " + base64.b64encode(b"carol:wrong").decode()


def statuses(nginx, path, keys=(None, "alices-key", "nobodys-key")):
    return [nginx.client(key).get(path).status for key in keys]


def challenges(answer):
    return answer.headers.get_all("WWW-Authenticate") or []


@pytest.mark.parametrize("rule, satisfy, expected", [
    ("allow all;", "all", [401, 200, 401]),
    ("deny all;", "all", [401, 403, 401]),
    ("allow all;", "any", [200, 200, 200]),
    ("deny all;", "any", [401, 200, 401]),
    ("allow 127.0.0.1; deny all;", "any", [200, 200, 200]),
    ("allow 192.0.2.1; deny all;", "any", [401, 200, 401]),
    ("", "any", [401, 200, 401]),
])
def test_keys_and_addresses(edge, rule, satisfy, expected):
    nginx = edge(f"location / {{ npcchat on; satisfy {satisfy}; {rule} }}")
    nginx.page("index.html", "hello")
    assert statuses(nginx, "/") == expected
    # The same again, from the cache.
    assert statuses(nginx, "/") == expected


def test_no_challenge_where_the_address_is_enough(edge):
    nginx = edge("location / { npcchat on; satisfy any; allow all; }")
    nginx.page("index.html", "hello")
    for key in (None, "nobodys-key"):
        assert challenges(nginx.client(key).get("/").expect(200)) == []


def test_a_password_or_a_key(edge):
    nginx = edge("location / { npcchat on; satisfy any; auth_basic staff; auth_basic_user_file {folder}/passwords; }")
    (nginx.folder / "passwords").write_text(PASSWORDS)
    nginx.page("index.html", "hello")
    assert statuses(nginx, "/", [None, "alices-key", CAROL, NOT_CAROL]) == [401, 200, 200, 401]
    assert sorted(challenges(nginx.client().get("/"))) == ['Basic realm="staff"', "Bearer"]
    for key in ("alices-key", CAROL):
        assert challenges(nginx.client(key).get("/").expect(200)) == []


def test_any_of_three_leaves_no_challenge(edge, upstream):
    nginx = edge(f"""
        location / {{ npcchat on; satisfy any; auth_basic staff; auth_basic_user_file {{folder}}/passwords;
                      auth_request /ask; }}
        location = /ask {{ internal; proxy_pass http://{upstream.address}; }}
    """)
    (nginx.folder / "passwords").write_text(PASSWORDS)
    nginx.page("index.html", "hello")
    assert challenges(nginx.client().get("/").expect(200)) == []


def test_a_password_and_a_key_cannot_both_be_sent(edge):
    """There is one Authorization header: who wants both needs another place for the password."""
    nginx = edge("location / { npcchat on; auth_basic staff; auth_basic_user_file {folder}/passwords; }")
    (nginx.folder / "passwords").write_text(PASSWORDS)
    nginx.page("index.html", "hello")
    assert statuses(nginx, "/", [None, "alices-key", CAROL]) == [401, 401, 401]


def test_a_password_is_passed_on_and_a_key_is_not(edge, upstream):
    nginx = edge(f"""
        location / {{ npcchat optional; proxy_pass http://{upstream.address}; }}
        location /off/ {{ proxy_pass http://{upstream.address}; }}
    """)
    nginx.client(CAROL).get("/x").expect(200)
    assert header(upstream.last("/x"), "Authorization") == CAROL
    nginx.client("alices-key").get("/x").expect(200)
    assert header(upstream.last("/x"), "Authorization") is None
    # Where npcchat is off, the header is nobody's business but the upstream's.
    nginx.client("alices-key").get("/off/x").expect(200)
    assert header(upstream.last("/off/x"), "Authorization") == "alices-key"


@pytest.mark.parametrize("satisfy, answer, expected", [
    ("all", 200, [401, 200, 401]), ("all", 403, [401, 403, 401]),
    ("any", 200, [200, 200, 200]), ("any", 401, [401, 200, 401]), ("any", 403, [401, 200, 401]),
])
def test_keys_and_auth_request(edge, upstream, satisfy, answer, expected):
    nginx = edge(f"""
        location / {{ npcchat on; satisfy {satisfy}; auth_request /ask; }}
        location = /ask {{ internal; proxy_pass http://{upstream.address}/ask?status={answer};
                           proxy_pass_request_body off; proxy_set_header Content-Length ""; }}
    """)
    nginx.page("index.html", "hello")
    assert statuses(nginx, "/") == expected


def test_auth_request_gets_no_secret(edge, upstream):
    nginx = edge(f"""
        location / {{ npcchat on; auth_request /ask; }}
        location = /ask {{ internal; proxy_pass http://{upstream.address}; }}
    """)
    nginx.page("index.html", "hello")
    nginx.client("alices-key").get("/").expect(200)
    assert not [name for name, _ in upstream.last("/ask")["headers"] if name.lower().startswith("x-npcchat-")]


def test_while_no_key_can_be_looked_up(edge, keys):
    """Whom the address lets in needs no key; a key that cannot be checked is no reason to be told that it is wrong."""
    nginx = edge("""
        location / { npcchat on; }
        location /any/ { npcchat on; satisfy any; allow all; }
    """)
    nginx.page("index.html", "hello")
    nginx.page("any/index.html", "hello")
    keys.stop()
    assert statuses(nginx, "/") == [401, 503, 503]
    assert nginx.client().get("/any/").status == 200


def test_roles(edge):
    nginx = edge("""
        npcchat on;
        location /admin/ { npcchat_role admin; }
        location /admin/any/ { npcchat_role admin; satisfy any; allow all; }
    """)
    for name in ("index.html", "admin/index.html", "admin/any/index.html"):
        nginx.page(name, "hello")
    all_keys = (None, "alices-key", "roots-key")
    assert statuses(nginx, "/", all_keys) == [401, 200, 200]
    assert statuses(nginx, "/admin/", all_keys) == [401, 403, 200]
    assert statuses(nginx, "/admin/any/", all_keys) == [200, 200, 200]


def test_modes(edge, upstream):
    nginx = edge("".join(f"location /{mode}/ {{ npcchat {mode}; proxy_pass http://{upstream.address}; }}\n"
                         for mode in ("on", "optional", "open", "off")))
    expected = {"on": [401, 200, 401], "optional": [200, 200, 200], "open": [200, 200, 200], "off": [200, 200, 200]}
    for mode, answers in expected.items():
        assert statuses(nginx, f"/{mode}/x") == answers, mode
        nginx.client("alices-key").get(f"/{mode}/x")
        user = header(upstream.last(f"/{mode}/x"), "X-Npcchat-User")
        assert user == ("7:alice" if mode in ("on", "optional") else None), mode


def test_the_address_is_the_clients_after_realip(edge, upstream):
    nginx = edge(f"""
        set_real_ip_from 127.0.0.1; real_ip_header X-Forwarded-For;
        location / {{ npcchat on; proxy_pass http://{upstream.address}; }}
        location /any/ {{ npcchat on; satisfy any; allow 192.0.2.7; deny all; proxy_pass http://{upstream.address}; }}
    """)
    forwarded = {"X-Forwarded-For": "192.0.2.7"}
    nginx.client("alices-key").get("/x", headers=forwarded).expect(200)
    assert header(upstream.last("/x"), "X-Npcchat-Address") == "192.0.2.7"
    nginx.client().get("/any/x").expect(401)
    nginx.client().get("/any/x", headers=forwarded).expect(200)
    wait_until(lambda: "192.0.2.7" in (nginx.folder / "access.log").read_text(), 5, "the log line")


def test_stock_limits_go_first(edge, keys):
    """limit_req by address protects the key lookups themselves."""
    nginx = edge("location / { npcchat on; limit_req zone=doors; limit_req_status 429; }",
                 http="limit_req_zone $binary_remote_addr zone=doors:1m rate=1r/m;")
    nginx.page("index.html", "hello")
    assert statuses(nginx, "/", ["guess-1", "guess-2", "guess-3"]) == [401, 429, 429]
    assert len(keys.lookups) == 1


def test_stock_limits_by_user(edge):
    """What the module knows of a request can key nginx's own zones, where they act after the access phase."""
    nginx = edge("location / { npcchat on; add_header X-User $npcchat_user; limit_conn addresses 8; }",
                 http="limit_conn_zone $remote_addr zone=addresses:1m;")
    nginx.page("index.html", "hello")
    assert nginx.client("alices-key").get("/").expect(200).headers["X-User"] == "alice"
