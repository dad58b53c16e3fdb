"""Subrequests: what they see of a request's identity, and that they count for nothing."""

import hashlib

import pytest
from harness.fakes import header
from harness.waiting import wait_until

LIMIT = "npcchat_limit zone=users burst=1 nodelay;"


def reserved(request):
    return sorted(name for name, _ in request["headers"] if name.lower().startswith("x-npcchat-"))


def mirrored(upstream, path):
    return wait_until(lambda: [request for request in upstream.seen if request["path"] == path], 10, path)[-1]


def test_mirror_is_not_counted(edge, upstream):
    nginx = edge(f"""
        location / {{ npcchat on; {LIMIT} mirror /mirror; mirror /mirror; }}
        location = /mirror {{ internal; proxy_pass http://{upstream.address}$request_uri; }}
    """)
    nginx.page("page.html", "hello")
    assert [nginx.client("alices-key").get("/page.html").status for _ in range(3)] == [200, 200, 429]
    wait_until(lambda: len(upstream.seen) == 4, 10, "two requests, each mirrored twice")


def test_a_mirror_outside_sees_nothing_of_ours(edge, upstream):
    nginx = edge(f"""
        location / {{ npcchat on; mirror /mirror; proxy_pass http://{upstream.address}; }}
        location = /mirror {{ internal; proxy_pass http://{upstream.address}/copy; }}
    """)
    nginx.client("alices-key").post("/x", data=b"body", headers={"X-Other": "stays"}).expect(200)
    copy = mirrored(upstream, "/copy")
    assert reserved(copy) == [] and header(copy, "Authorization") is None
    assert header(copy, "X-Other") == "stays" and header(copy, "Content-Type") == "application/json"
    assert copy["body"] == 4
    # The request itself goes on as it was.
    assert "X-Npcchat-Secret" in reserved(upstream.last("/x"))


def test_a_mirror_inside_sees_the_identity(edge, upstream):
    nginx = edge(f"""
        npcchat on;
        location / {{ mirror /mirror; proxy_pass http://{upstream.address}; }}
        location = /mirror {{ internal; proxy_pass http://{upstream.address}/copy; }}
    """)
    nginx.client("alices-key").get("/x").expect(200)
    assert header(mirrored(upstream, "/copy"), "X-Npcchat-User") == "7:alice"


@pytest.mark.parametrize("body", [b"", b"x" * 300_000], ids=["without a body", "with a large one"])
def test_a_mirror_of_a_request_whose_key_is_looked_up(edge, upstream, keys, body):
    nginx = edge(f"""
        client_body_buffer_size 8k;
        location / {{ npcchat on; mirror /mirror; proxy_pass http://{upstream.address}; }}
        location = /mirror {{ internal; proxy_pass http://{upstream.address}/copy; }}
    """)
    nginx.client("alices-key").post("/x", data=body).expect(200)
    assert mirrored(upstream, "/copy")["body"] == len(body)
    assert keys.lookups == ["alice"]


def test_ssi(edge, upstream):
    """A page's parts are not counted, need no key of their own, and those outside see nothing of ours."""
    nginx = edge(f"""
        location / {{ npcchat on; {LIMIT} ssi on; }}
        location /inside {{ npcchat on; {LIMIT} proxy_pass http://{upstream.address}; }}
        location /outside {{ proxy_pass http://{upstream.address}; }}
    """)
    nginx.page("index.html", '<!--#include virtual="/inside" --><!--#include virtual="/outside" -->'
                             '<!--#include virtual="/part.html" -->')
    nginx.page("part.html", "the end")
    answer = nginx.client("alices-key").get("/").expect(200)
    assert answer.text.endswith("the end")
    assert header(upstream.last("/inside"), "X-Npcchat-User") == "7:alice"
    assert reserved(upstream.last("/outside")) == []
    assert [nginx.client("alices-key").get("/").status for _ in range(2)] == [200, 429]


def test_ssi_in_a_page_that_is_not_ours(edge, upstream):
    """Nobody was asked for a key, so the part has no identity; what the client claims is gone all the same."""
    nginx = edge(f"""
        location / {{ ssi on; }}
        location /inside {{ npcchat on; proxy_pass http://{upstream.address}; }}
    """)
    nginx.page("index.html", '<!--#include virtual="/inside" -->')
    nginx.client("alices-key").get("/", headers={"X-Npcchat-User": "0:admin", "X-Npcchat-Secret": "x"}).expect(200)
    assert reserved(upstream.last("/inside")) == []


def test_addition(edge, upstream):
    nginx = edge(f"""
        location / {{ npcchat on; {LIMIT} add_before_body /before; add_after_body /after.html; }}
        location /before {{ proxy_pass http://{upstream.address}; }}
    """)
    nginx.page("index.html", "middle")
    nginx.page("after.html", "end")
    assert nginx.client("alices-key").get("/").expect(200).text.endswith("middleend")
    assert reserved(upstream.last("/before")) == []
    assert [nginx.client("alices-key").get("/").status for _ in range(2)] == [200, 429]


def test_ours_around_auth_request_in_both_orders(edge, upstream):
    nginx = edge(f"""
        location / {{ npcchat on; {LIMIT} auth_request /ask; proxy_pass http://{upstream.address}; }}
        location = /ask {{ internal; npcchat on; {LIMIT} proxy_pass http://{upstream.address}; }}
    """)
    assert [nginx.client("alices-key").get("/x").status for _ in range(3)] == [200, 200, 429]


def test_answers_of_subrequests_change_no_keys(edge, upstream, keys):
    """Only the sidecar's own answers may end keys: those of locations that are ours, to the request itself."""
    digest = hashlib.sha256(b"alices-key").hexdigest()
    nginx = edge(f"""
        location / {{ npcchat on; ssi on; }}
        location /outside {{ proxy_pass http://{upstream.address}; }}
    """)
    nginx.page("index.html", f'<!--#include virtual="/outside?h-X-Npcchat-Revoke={digest}" -->')
    nginx.client("alices-key").get("/").expect(200)
    nginx.client("alices-key").get("/").expect(200)
    assert keys.lookups == ["alice"]
