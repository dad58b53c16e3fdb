"""Directives: what a wrong value is told, and how right ones are inherited."""

import pytest
from harness.edge import LOOKUP_URI
from harness.fakes import header

CACHE = "npcchat_key_cache zone=keys:1m;"
SECRET = "npcchat_secret_file {folder}/secret;"
ZONE = "npcchat_limit_zone zone=users:1m rate=1r/m;"
ALL = CACHE + SECRET + ZONE
KEYS = f"npcchat_keys {LOOKUP_URI};"

# What is wrong, the texts in "http" and "server", and what nginx must say.
WRONG = [
    ("npcchat", ALL, f"{KEYS} npcchat yes;", '"npcchat" takes one of: off, open, optional, on'),
    ("npcchat twice", ALL, f"{KEYS} npcchat on; npcchat off;", '"npcchat" directive is duplicate'),
    ("npcchat without a value", ALL, "npcchat;", 'invalid number of arguments in "npcchat"'),
    ("npcchat in if", ALL, f"{KEYS} location / {{ if ($arg_x) {{ npcchat off; }} }}", '"npcchat" directive is not allowed here'),
    ("role", ALL, f"{KEYS} npcchat on; npcchat_role root;", '"npcchat_role" takes one of: user, admin'),
    ("keys", ALL, "npcchat_keys key; npcchat on;", 'as "/_npcchat/key", not "key"'),
    ("no secret", CACHE + ZONE, f"{KEYS} npcchat on;", 'add "npcchat_secret_file PATH;" to "http"'),
    ("no cache", SECRET + ZONE, f"{KEYS} npcchat on;", 'add "npcchat_key_cache zone=NAME:SIZE;" to "http"'),
    ("no cache, optional", SECRET + ZONE, f"{KEYS} location /x {{ npcchat optional; }}", "npcchat_key_cache zone="),
    ("no lookup", ALL, "npcchat on;", 'add "npcchat_keys URI;"'),
    ("report", ALL, "npcchat_edge_report maybe;", 'it must be "on" or "off"'),
    ("a route without a name", ALL, 'npcchat_route "";', 'needs a name of 1 to 63 bytes, as "chat"'),
    ("a route with a long name", ALL, f"npcchat_route {'x' * 64};", 'needs a name of 1 to 63 bytes, as "chat"'),
    ("metrics in server", ALL, "npcchat_metrics;", '"npcchat_metrics" directive is not allowed here'),
    ("error page in server", ALL, "npcchat_error_page;", '"npcchat_error_page" directive is not allowed here'),
    ("cache in server", ALL, CACHE, '"npcchat_key_cache" directive is not allowed here'),
    ("cache without a zone", "npcchat_key_cache valid=10s;", "", 'write "npcchat_key_cache zone=npcchat_keys:32m;"'),
    ("cache without a size", "npcchat_key_cache zone=keys;", "", 'as in "zone=npcchat:32m"'),
    ("cache without a name", "npcchat_key_cache zone=:1m;", "", 'as in "zone=npcchat:32m"'),
    ("cache with a strange size", "npcchat_key_cache zone=keys:big;", "", 'as in "zone=npcchat:32m"'),
    ("a small cache", "npcchat_key_cache zone=keys:4k;", "", 'write at least "zone=keys:'),
    ("a strange time", "npcchat_key_cache zone=keys:1m valid=soon;", "", 'write whole seconds up to a year, as "10s"'),
    ("no time", "npcchat_key_cache zone=keys:1m stale=;", "", 'write whole seconds up to a year, as "10s"'),
    ("too long a time", "npcchat_key_cache zone=keys:1m invalid=2y;", "", "write whole seconds up to a year"),
    ("a parameter of the cache", "npcchat_key_cache zone=keys:1m size=1;", "", '"npcchat_key_cache" takes zone=NAME:SIZE'),
    ("two caches", CACHE + "npcchat_key_cache zone=more:1m;", "", '"npcchat_key_cache" directive is duplicate'),
    ("a zone of another kind", CACHE + "npcchat_limit_zone zone=keys:1m rate=1r/s;", "", "keys"),
    ("a limit zone twice", ZONE + ZONE, "", "users"),
    ("a secret that is not there", "npcchat_secret_file {folder}/none;", "", "start the sidecar, which makes it"),
    ("a folder as a secret", "npcchat_secret_file {folder};", "", "it must be a regular file"),
    ("an open secret", "npcchat_secret_file {folder}/open;", "", 'is open to others: it must be a regular file, "chmod 640'),
    ("an empty secret", "npcchat_secret_file {folder}/empty;", "", "must hold one line of 1 to"),
    ("a secret of two words", "npcchat_secret_file {folder}/words;", "", "must hold one line of 1 to"),
    ("no path of a secret", 'npcchat_secret_file "";', "", "needs the path of the sidecar's secret file"),
    ("a limit zone without a rate", "npcchat_limit_zone zone=users:1m;", "", "rate=5r/m"),
    ("a rate without a unit", "npcchat_limit_zone zone=users:1m rate=5;", "", '"rate=30r/m"'),
    ("a strange rate", "npcchat_limit_zone zone=users:1m rate=xr/s;", "", '"rate=30r/m"'),
    ("a negative rate", "npcchat_limit_zone zone=users:1m rate=-1r/s;", "", '"rate=30r/m"'),
    ("a parameter of the zone", "npcchat_limit_zone zone=users:1m rate=1r/s key=x;", "", '"npcchat_limit_zone" takes zone='),
    ("a limit without a zone", ALL, "npcchat_limit burst=4 nodelay;", "zone=npcchat_users"),
    ("an unknown zone", ALL, f"{KEYS} npcchat on; npcchat_limit zone=others burst=1 nodelay;", "npcchat_limit_zone zone=others:16m"),
    ("an unknown zone where it does nothing", ALL, "npcchat_limit zone=others nodelay;", "npcchat_limit_zone zone=others:16m"),
    ("a strange burst", ALL, "npcchat_limit zone=users burst=many nodelay;", 'as "burst=4"'),
    ("a negative burst", ALL, "npcchat_limit zone=users burst=-4 nodelay;", 'as "burst=4"'),
    ("a parameter of the limit", ALL, "npcchat_limit zone=users rate=1r/s nodelay;", '"npcchat_limit" takes zone=NAME'),
]


@pytest.mark.parametrize("http, server, advice", [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_wrong_values(edge, http, server, advice):
    nginx = edge(server, http=http, protect=False, start=False)
    (nginx.folder / "open").write_text("secret")
    (nginx.folder / "open").chmod(0o644)
    for name, text in (("empty", "\n"), ("words", "two words\n")):
        (nginx.folder / name).write_text(text)
        (nginx.folder / name).chmod(0o600)
    status, said = nginx.test()
    assert status != 0
    errors = [line for line in said.splitlines() if "[emerg]" in line]
    assert len(errors) == 1 and advice in errors[0], said


def test_a_right_configuration(edge):
    status, said = edge("location / { npcchat on; npcchat_limit zone=users burst=1 nodelay; }", start=False).test()
    assert status == 0 and "[emerg]" not in said and "[warn]" not in said, said


def test_what_is_off_needs_nothing_else(edge):
    assert edge("npcchat off; location /x { npcchat off; npcchat_role admin; }", protect=False, start=False).test()[0] == 0


def test_a_zone_may_be_declared_after_its_use(edge):
    nginx = edge(f"{KEYS} npcchat on; npcchat_limit zone=users burst=1 nodelay;", http=CACHE + SECRET, protect=False,
                 start=False)
    text = nginx.conf.read_text().rstrip()
    assert text.endswith("}")
    nginx.conf.write_text(f"{text[:-1]}{ZONE}\n}}\n")
    assert nginx.test()[0] == 0


# ---- Inheritance ----

def test_from_server_to_location(edge):
    nginx = edge("""
        npcchat on; npcchat_role admin;
        location /all/ { npcchat_role user; }
        location /off/ { npcchat off; location /off/on/ { npcchat on; } location /off/still/ { } }
        location /deep/ { location /deep/er/ { location /deep/er/still/ { npcchat_role user; } } }
    """)
    expected = {"": [401, 403, 200], "all/": [401, 200, 200], "off/": [200, 200, 200], "off/on/": [401, 403, 200],
                "off/still/": [200, 200, 200], "deep/": [401, 403, 200], "deep/er/": [401, 403, 200],
                "deep/er/still/": [401, 200, 200]}
    for folder, statuses in expected.items():
        nginx.page(f"{folder}page.html", "page")
        got = [nginx.client(key).get(f"/{folder}page.html").status for key in (None, "alices-key", "roots-key")]
        assert got == statuses, folder


def test_from_http_to_servers(edge, upstream):
    nginx = edge(f"location / {{ proxy_pass http://{upstream.address}; }}", http=f"""
        npcchat on; npcchat_keys {LOOKUP_URI};
        server {{ listen 127.0.0.1:{{port}}; server_name open.test; npcchat off;
                  location / {{ proxy_pass http://{upstream.address}; }} }}
    """)
    for host, expected in (("other.test", [401, 200]), ("open.test", [200, 200])):
        got = [nginx.client(key).get("/x", headers={"Host": host}).status for key in (None, "alices-key")]
        # The first server of an address takes hosts that have none of their own.
        assert got == (expected if host == "open.test" else [200, 200])
    assert header(upstream.last("/x"), "X-Npcchat-User") is None


def test_blocks_inside_a_location_keep_its_rules(edge):
    nginx = edge("""
        location / { npcchat on;
            if ($arg_x) { set $y 1; }
            if ($arg_other) { rewrite ^ /page.html break; }
            limit_except GET { deny all; } }
    """)
    nginx.page("page.html", "page")
    for path in ("/page.html", "/page.html?x=1", "/none?other=1"):
        assert [nginx.client(key).get(path).status for key in (None, "alices-key")] == [401, 200], path
    assert [nginx.client(key).delete("/page.html").status for key in (None, "alices-key")] == [401, 403]


def test_limits_are_inherited_replaced_and_switched_off(edge):
    nginx = edge("""
        npcchat on; npcchat_limit zone=users burst=0 nodelay;
        location /more/ { npcchat_limit zone=others burst=1 nodelay; }
        location /none/ { npcchat_limit off; location /none/again/ { npcchat_limit zone=users burst=0 nodelay; } }
    """, http="npcchat_limit_zone zone=others:1m rate=1r/m;")
    for folder in ("", "more/", "none/", "none/again/"):
        nginx.page(f"{folder}page.html", "page")

    def statuses(folder, key):
        return [nginx.client(key).get(f"/{folder}page.html").status for _ in range(3)]

    assert statuses("", "alices-key") == [200, 429, 429]
    assert statuses("more/", "alices-key") == [200, 200, 429]
    assert statuses("none/", "alices-key") == [200, 200, 200]
    assert statuses("none/again/", "bobs-key") == [200, 429, 429]


def test_a_location_may_ask_elsewhere(edge, keys):
    """`npcchat_keys` of a location replaces its server's."""
    nginx = edge("""
        npcchat on;
        location /broken/ { npcchat_keys /_broken; }
        location = /_broken { internal; npcchat off; return 500; }
    """)
    nginx.page("page.html", "page")
    nginx.page("broken/page.html", "page")
    assert nginx.client("alices-key").get("/broken/page.html").status == 503
    assert nginx.client("alices-key").get("/page.html").status == 200
    # Then the key is known, wherever it was learnt.
    assert nginx.client("alices-key").get("/broken/page.html").status == 200


def test_lookups_can_not_be_reached_from_outside(edge, keys):
    nginx = edge("npcchat on;")
    for key in (None, "alices-key", "roots-key"):
        assert nginx.client(key).get(LOOKUP_URI).status == 404
        assert nginx.client(key).get(f"/x/..{LOOKUP_URI}").status in (400, 404)
    assert keys.lookups == []
