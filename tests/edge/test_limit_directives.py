"""The directives of limits: a wrong value fails `nginx -t` with a line that says what to write instead."""

import pytest


@pytest.mark.parametrize("http, server, advice", [
    ("npcchat_limit_zone zone=z:1m;", "", "zone=npcchat_users:16m rate=5r/m"),
    ("npcchat_limit_zone rate=1r/s;", "", "zone=npcchat_users:16m rate=5r/m"),
    ("npcchat_limit_zone zone=z rate=1r/s;", "", "write a name and a size"),
    ("npcchat_limit_zone zone=:1m rate=1r/s;", "", "write a name and a size"),
    ("npcchat_limit_zone zone=z:many rate=1r/s;", "", "write a name and a size"),
    ("npcchat_limit_zone zone=z:4k rate=1r/s;", "", "write at least \"zone=z:32k\""),
    ("npcchat_limit_zone zone=z:1m rate=1;", "", "\"rate=30r/m\""),
    ("npcchat_limit_zone zone=z:1m rate=r/s;", "", "\"rate=30r/m\""),
    ("npcchat_limit_zone zone=z:1m rate=-1r/s;", "", "\"rate=30r/m\""),
    ("npcchat_limit_zone zone=z:1m rate=1.5r/s;", "", "\"rate=30r/m\""),
    ("npcchat_limit_zone zone=z:1m rate=1r/w;", "", "\"rate=3r/h\""),
    ("npcchat_limit_zone zone=z:1m rate=1r/s plan=maybe;", "", "plan=on or plan=off"),
    ("npcchat_limit_zone zone=z:1m rate=1r/s burst=1;", "", "rate=RATE"),
    ("npcchat_limit_zone zone=z:1m rate=1r/s; npcchat_limit_zone zone=z:1m rate=1r/s;", "", "name of its own"),
    ("limit_req_zone $uri zone=z:1m rate=1r/s;", "npcchat_limit zone=z;", "already declared"),
    ("", "npcchat_limit burst=1;", "npcchat_limit zone=npcchat_users burst=4 nodelay"),
    ("", "npcchat_limit zone=;", "npcchat_limit zone=npcchat_users burst=4 nodelay"),
    ("", "npcchat_limit zone=none;", "npcchat_limit_zone zone=none:16m rate=5r/m"),
    ("", "npcchat_limit zone=users burst=x;", "\"burst=4\""),
    ("", "npcchat_limit zone=users burst=;", "\"burst=4\""),
    ("", "npcchat_limit zone=users delay=-1;", "\"delay=2\""),
    ("", "npcchat_limit zone=users rate=1r/s;", "delay=NUMBER or nodelay"),
    ("", "npcchat_limit zone=users nodelay=1;", "delay=NUMBER or nodelay"),
    ("", "npcchat_limit zone=users; npcchat_limit zone=users;", "is duplicate"),
    ("", "npcchat_limit off; npcchat_limit zone=users;", "write either one"),
    ("", "npcchat_limit zone=users; npcchat_limit off;", "write either one"),
    ("", "npcchat_limit off; npcchat_limit off;", "write either one"),
    ("".join(f"npcchat_limit_zone zone=z{i}:32k rate=1r/s;" for i in range(9)),
     "".join(f"npcchat_limit zone=z{i};" for i in range(9)), "at most 8"),
    ("", "npcchat_concurrency zone=users;", "npcchat_concurrency zone=npcchat_users 4"),
    ("", "npcchat_concurrency 4;", "npcchat_concurrency zone=npcchat_users 4"),
    ("", "npcchat_concurrency zone=users many;", "or off"),
    ("", "npcchat_concurrency zone=users -1;", "or off"),
    ("", "npcchat_concurrency zone=none 4;", "npcchat_limit_zone zone=none:16m rate=5r/m"),
    ("", "npcchat_concurrency zone=users 4; npcchat_concurrency off;", "is duplicate"),
    ("", "npcchat_limit_status 200;", "between 400 and 599"),
    ("", "npcchat_limit_status many;", "invalid number"),
    ("", "npcchat_limit_log_level debug;", "takes one of: info, notice, warn, error"),
    ("", "npcchat_limit_dry_run maybe;", "it must be \"on\" or \"off\""),
])
def test_wrong_values(edge, http, server, advice):
    nginx = edge(f"npcchat on; {server}", http=http, start=False)
    status, said = nginx.test()
    assert status != 0 and "[emerg]" in said
    assert advice in said, said


@pytest.mark.parametrize("server", [
    "npcchat_limit zone=users;",
    "npcchat_limit zone=users burst=0 delay=0;",
    "npcchat_limit zone=users burst=5 delay=3;",
    "npcchat_limit zone=users burst=99999999999999999999 nodelay;",
    "npcchat_limit off; npcchat_concurrency off;",
    "npcchat_concurrency zone=users 0;",
    "npcchat_concurrency 5 zone=users;",
    "npcchat_limit_status 599; npcchat_limit_log_level error; npcchat_limit_dry_run on;",
])
def test_what_is_right(edge, server):
    status, said = edge(f"npcchat on; {server}", start=False).test()
    assert status == 0, said
