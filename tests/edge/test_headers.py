"""Which headers of a request reach an upstream, however many there are and wherever ours stand among them."""

import random

import pytest
from harness.client import RawAnswer
from harness.waiting import wait_until

RESERVED = ("X-Npcchat-User", "x-npcchat-secret", "X-NPCCHAT-ROLE", "X-Npcchat-Anything", "X-npcchat-")
NEARLY = ("X-Npcchat", "X-Npccha-t", "Npcchat-User", "XX-Npcchat-User")
# Of an identity, as the edge tells it.
OURS = ["X-Npcchat-Secret", "X-Npcchat-Address", "X-Npcchat-User", "X-Npcchat-Role"]


def make_headers(number):
    """Headers in some order: up to five of nginx's list parts, reserved ones alone, in rows, first and last."""
    chance = random.Random(number)
    weight = chance.choice((0.05, 0.3, 0.7, 1.0))
    count = chance.choice((0, 1, 19, 20, 21, 60, 90))
    headers = [(chance.choice(RESERVED), f"claimed-{i}") if chance.random() < weight
               else (chance.choice((*NEARLY, f"X-Other-{i}")), f"value-{i}") for i in range(count)]
    headers.insert(chance.randint(0, len(headers)), ("Host", "test"))
    headers.insert(chance.randint(0, len(headers)), ("Authorization", "alices-key"))
    if chance.random() < 0.3:
        headers.insert(chance.randint(0, len(headers)), ("X-Request-Id", chance.choice(("usable", "not usable!"))))
    return headers


def passed_on(headers):
    """What of the client's an upstream must see, in its order."""
    return [(name, value) for name, value in headers
            if not name.lower().startswith("x-npcchat-") and name not in ("Host", "Authorization", "X-Request-Id")]


@pytest.fixture
def nginx(edge, upstream):
    return edge(f"""
        location / {{ npcchat on; proxy_pass http://{upstream.address}; }}
        location /open {{ npcchat open; proxy_pass http://{upstream.address}; }}
        location /off {{ proxy_pass http://{upstream.address}; }}
        location /leaves {{ npcchat on; try_files /none @off; }}
        location @off {{ proxy_pass http://{upstream.address}; }}
        location /mirrored {{ npcchat on; mirror /mirror; proxy_pass http://{upstream.address}; }}
        location = /mirror {{ internal; proxy_pass http://{upstream.address}/copy?$args; }}
    """)


@pytest.mark.parametrize("path, ours", [("/on", OURS), ("/open", OURS[:2]), ("/off", []), ("/leaves", []),
                                        ("/mirrored", OURS)])
def test_any_headers(nginx, upstream, path, ours):
    with nginx.connect() as connection:
        for number in range(60):
            headers = make_headers(number)
            lines = [f"GET {path}?{number} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
            connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")
            answer = RawAnswer(connection, method="GET")
            answer.begin()
            answer.read()
            assert answer.status == 200, number
            check(arrived(upstream, path, number), headers, ours, number)
            if path == "/mirrored":
                check(arrived(upstream, "/copy", number), headers, [], number)


def arrived(upstream, path, number):
    found = wait_until(lambda: [seen for seen in upstream.seen if (seen["path"], seen["query"]) == (path, str(number))],
                       10, f"{path}?{number} at the upstream")
    return found[0]


def check(seen, headers, ours, number):
    got = [(name, value) for name, value in seen["headers"] if name not in ("Host", "Connection", "Authorization")]
    assert [name for name, _ in got if name.lower().startswith("x-npcchat-")] == ours, number
    rest = [(name, value) for name, value in got if not name.lower().startswith("x-npcchat-")]
    # Of these there is one, the client's or a new one.
    made = ("X-Request-Id", "traceparent")
    assert [pair for pair in rest if pair[0] not in made] == passed_on(headers), number
    for one in made:
        assert len([name for name, _ in rest if name == one]) <= 1, number
