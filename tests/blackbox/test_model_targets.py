"""Models with several targets and fallbacks: what one of them does wrong the player does not notice."""

import json
import os
import re
import signal
import time

import pytest
from harness.launcher import EMBEDDED
from harness.streams import streaming
from harness.talk import all_at_once, in_background, make_npc, say, send
from harness.waiting import wait_until

# Seconds: short, so that what they do can be seen.
TIMES = {"connect": 1, "first_token": 0.7, "between_tokens": 1, "whole": 8}


def target(stub, **fields):
    return {"base_url": stub.url(), "timeouts": TIMES, **fields}


class Fleet:
    """A product with a table of models at stubs of their own: `first`, `second`, `third` and `fourth`."""

    def __init__(self, group):
        self.product = group.prepare(EMBEDDED, LOOPS="2", FIRST_KEY="sk-first-0123456789")
        self.product.secrets.add("sk-first-0123456789", "a target's key")
        self.first, self.second = self.product.stub, group.stub()
        self.third, self.fourth = group.stub(), group.stub()
        self.path = self.product.folder / "models.json"
        self.product.env["MODELS_FILE"] = str(self.path)
        self.write(self.table())
        self.product.start()
        self.client = self.product.sign_up().client

    def table(self):
        price = {"input": 1, "output": 2}
        return [
            {"name": "single", "targets": [target(self.first, api_key_env="FIRST_KEY")]},
            {"name": "pair", "price": price, "targets": [target(self.first, weight=1000),
                                                         target(self.second, weight=0.001)]},
            {"name": "even", "targets": [target(self.first, model="even-a"), target(self.second, model="even-b")]},
            {"name": "uneven", "targets": [target(self.first, model="u-a", weight=3), target(self.second, model="u-b")]},
            {"name": "falling", "fallbacks": ["net", "deeper"], "targets": [target(self.first, model="falling-a")]},
            {"name": "net", "targets": [target(self.third)]},
            {"name": "deeper", "targets": [target(self.fourth)]},
            {"name": "narrow", "targets": [target(self.fourth, model="narrow-a", concurrency=2)]},
            {"name": "claude", "targets": [target(self.third, wire="anthropic", api_key_env="FIRST_KEY",
                                                  model="claude-x")]},
        ]

    def write(self, models):
        self.path.write_text(models if isinstance(models, str) else json.dumps({"models": models}))

    def reload(self, models):
        """Has the sidecar read another table, and waits until it has said so."""
        seen = len(self.reloads())
        self.write(models)
        os.kill(self.product.sidecar_pid(), signal.SIGHUP)
        wait_until(lambda: len(self.reloads()) > seen, 10, "the reload of the table")
        return json.loads(self.reloads()[-1])

    def reloads(self):
        lines = (self.product.logs / "sidecar.log").read_text().splitlines()
        return [line for line in lines if "models reloaded" in line or "models not reloaded" in line]

    def metric(self, name, model, target=0):
        """A metric of a target, as a number; 0 where it is not there."""
        text = self.product.admin.get("/metrics").expect(200).text
        found = re.search(rf'^npcchat_model_target_{name}{{model="{model}",target="{target}",[^}}]*}} (\S+)$', text, re.M)
        return float(found.group(1)) if found else 0.0

    def ask(self, model, message="hello"):
        return send(self.client, None, message, model=model)

    def answered_by(self, model):
        return self.ask(model).expect(200).json["model"]


@pytest.fixture(scope="module")
def module_fleet(launcher):
    with launcher.group() as group:
        yield Fleet(group)


@pytest.fixture
def fleet(module_fleet):
    return module_fleet


@pytest.fixture
def healthy(fleet):
    """No circuit breaker remembers what other tests did: at another address a target is another one."""
    models = fleet.table()
    fresh_prefix = f"/{time.monotonic_ns()}"
    for model in models:
        for one in model["targets"]:
            one["base_url"] = one["base_url"].replace("/v1", fresh_prefix + "/v1")
    assert fleet.reload(models)["event"] == "models reloaded"
    return fleet


# --- failing over ---

FAULTS = {
    "500": {"status": 500}, "429": {"status": 429}, "429 for long": {"status": 429, "retry_after": "60"},
    "401": {"status": 401}, "404": {"status": 404}, "hang": {"malformed": "hang"}, "reset": {"malformed": "reset"},
    "no JSON": {"malformed": "not_json"}, "truncated": {"malformed": "truncated"},
}


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("fault", FAULTS)
def test_another_target_answers(healthy, fault, streamed):
    npc_id = make_npc(healthy.client)
    healthy.first.behave(**FAULTS[fault])
    start = time.monotonic()
    if streamed:
        body = {"npc_id": npc_id, "message": "hello", "model": "pair", "stream": True}
        with streaming(healthy.client, "/chat_npc/", body) as stream:
            assert stream.status == 200, stream.body()
            assert stream.events()[-1].json["model"] == "pair"
    else:
        assert say(healthy.client, npc_id, "hello", model="pair")["model"] == "pair"
    assert time.monotonic() - start < 2.5
    assert len(healthy.first.requests()) == 1 and len(healthy.second.requests()) == 1


def test_another_target_answers_for_one_that_is_not_there(healthy):
    healthy.first.stop()
    try:
        assert healthy.answered_by("pair") == "pair"
    finally:
        healthy.first.start()
    assert len(healthy.second.requests()) == 1


def test_what_the_request_is_refused_for_is_not_tried_elsewhere(healthy):
    healthy.first.behave(status=422)
    healthy.ask("pair").expect_error(502)
    assert len(healthy.first.requests()) == 1 and healthy.second.requests() == []


def test_the_same_target_is_asked_again_after_a_while(healthy):
    # A reset is no failure where it ends a kept connection, which is replaced at once.
    for behaviour in ({"status": 500, "count": 1}, {"status": 429, "count": 1}, {"malformed": "reset", "count": 2}):
        healthy.first.reset()
        healthy.first.behave(behaviour)
        assert healthy.answered_by("single") == "single"
        *_, first, second = healthy.first.requests()
        assert 0.1 <= second["time"] - first["time"] < 1.5


def test_it_is_asked_three_times_and_no_more(healthy):
    healthy.first.behave(status=500)
    healthy.ask("single").expect_error(502)
    assert len(healthy.first.requests()) == 3


def test_a_hang_is_not_waited_for_twice(healthy):
    healthy.first.behave(malformed="hang")
    healthy.ask("single").expect_error(504)
    assert len(healthy.first.requests()) == 1


def test_a_short_retry_after_is_waited_for(healthy):
    healthy.first.behave({"status": 429, "retry_after": "1", "count": 1})
    assert healthy.answered_by("single") == "single"
    first, second = healthy.first.requests()
    assert 1 <= second["time"] - first["time"] < 2.5


def test_a_retry_after_may_be_a_date(healthy):
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 40))
    healthy.first.behave(status=429, retry_after=date)
    answer = healthy.ask("single").expect_error(503)
    assert 37 <= int(answer.headers["Retry-After"]) <= 40
    assert len(healthy.first.requests()) == 1


def test_a_long_retry_after_is_the_clients(healthy):
    healthy.first.behave(status=429, retry_after="60")
    start = time.monotonic()
    assert healthy.ask("single").expect_error(503).headers["Retry-After"] == "60"
    assert time.monotonic() - start < 1 and len(healthy.first.requests()) == 1


def test_a_target_that_asked_for_rest_gets_it(healthy):
    healthy.first.behave({"status": 429, "retry_after": "30", "count": 1})
    for _ in range(3):
        assert healthy.answered_by("pair") == "pair"
    assert len(healthy.first.requests()) == 1 and len(healthy.second.requests()) == 3


def test_a_client_that_leaves_ends_the_retries(healthy):
    healthy.first.behave(status=429, retry_after="2")
    impatient = type(healthy.client)(healthy.client.port, healthy.client.key, timeout=0.5)
    with pytest.raises(TimeoutError):
        send(impatient, None, "hello", model="single")
    healthy.first.behave()
    waited = time.monotonic() + 3
    wait_until(lambda: time.monotonic() > waited, 5, "the time of the retry")
    assert len(healthy.first.requests()) == 1


# --- streams ---


def test_nothing_is_tried_again_once_something_was_shown(healthy):
    healthy.first.behave(cut_after=4)
    with streaming(healthy.client, "/chat/", {"message": "hello", "model": "pair", "stream": True}) as stream:
        assert stream.status == 200
        events = stream.events()
    assert events[-1].kind == "error" and events[-1].json["status"] == 502
    assert len(healthy.first.requests()) == 1 and healthy.second.requests() == []


def test_a_stream_that_stops_in_the_middle_times_out(healthy):
    healthy.first.behave(hang_after=4)
    start = time.monotonic()
    with streaming(healthy.client, "/chat/", {"message": "hello", "model": "single", "stream": True}) as stream:
        events = stream.events()
    assert events[-1].kind == "error" and events[-1].json["status"] == 504
    assert 0.9 < time.monotonic() - start < 3


# --- fallback models ---


def test_a_fallback_model_answers(healthy):
    healthy.first.behave(status=500)
    assert healthy.answered_by("falling") == "net"
    healthy.third.behave(status=500)
    assert healthy.answered_by("falling") == "deeper"
    healthy.fourth.behave(status=500)
    healthy.ask("falling").expect_error(502)


def test_a_streamed_fallback_says_who_it_is(healthy):
    healthy.first.behave(status=500)
    with streaming(healthy.client, "/chat/", {"message": "hello", "model": "falling", "stream": True}) as stream:
        assert stream.events()[-1].json["model"] == "net"


def test_where_all_fail_a_busy_one_says_when(healthy):
    healthy.first.behave(status=429, retry_after="40")
    healthy.third.behave(status=500)
    healthy.fourth.behave(status=429, retry_after="20")
    assert healthy.ask("falling").expect_error(503).headers["Retry-After"] == "20"


# --- the circuit breaker ---


def test_a_target_that_keeps_failing_is_left_alone_until_it_works(healthy):
    healthy.first.behave(status=500)
    wait_until(lambda: healthy.answered_by("pair") and healthy.metric("state", "pair") == 1, 20, "the breaker to open")
    asked = len(healthy.first.requests())
    for _ in range(10):
        assert healthy.answered_by("pair") == "pair"
    assert len(healthy.first.requests()) == asked
    healthy.first.behave()
    # After its time one call finds out.
    wait_until(lambda: healthy.answered_by("pair") and healthy.metric("state", "pair") == 0, 20, "the breaker to close",
               interval=0.2)
    assert len(healthy.first.requests()) > asked


def test_one_that_seems_down_is_asked_where_there_is_no_other(healthy):
    healthy.first.behave(status=500)
    for _ in range(3):
        healthy.ask("single").expect_error(502)
    assert healthy.metric("state", "single") == 1
    healthy.first.behave()
    assert healthy.answered_by("single") == "single"
    assert healthy.metric("state", "single") == 0


# --- balance ---


def test_targets_share_by_weight(healthy):
    for _ in range(40):
        healthy.answered_by("uneven")
    assert abs(len(healthy.first.requests()) - 30) <= 3
    assert len(healthy.first.requests()) + len(healthy.second.requests()) == 40


def test_a_slow_target_gets_less(healthy):
    healthy.first.behave(latency=0.4)
    for _ in range(30):
        healthy.answered_by("even")
    assert 1 <= len(healthy.first.requests()) <= 6


def test_a_busy_target_gets_less(healthy):
    """Calls that hang at one target are load, before anything is known of their time."""
    healthy.first.behave(latency=0.6)
    all_at_once(lambda _: healthy.answered_by("even"), range(24), workers=24)
    assert len(healthy.first.requests()) + len(healthy.second.requests()) == 24
    assert len(healthy.second.requests()) >= 12


def test_no_more_calls_at_once_than_a_target_may_have(healthy):
    healthy.fourth.behave(latency=0.3)
    answers = all_at_once(lambda _: healthy.ask("narrow"), range(4), workers=4)
    assert [answer.status for answer in answers] == [200] * 4
    arrived = sorted(request["time"] for request in healthy.fourth.requests())
    assert all(later - earlier >= 0.28 for earlier, later in zip(arrived, arrived[2:]))


def test_who_waits_too_long_for_a_place_is_told(healthy):
    healthy.fourth.behave(latency=0.6)
    answers = all_at_once(lambda _: healthy.ask("narrow"), range(12), workers=12)
    refused = [answer for answer in answers if answer.status != 200]
    assert refused and len(answers) - len(refused) >= 2
    for answer in refused:
        assert answer.expect_error(503).headers["Retry-After"] == "1"


def test_streams_keep_their_place(healthy):
    healthy.fourth.behave(chunk_gap=0.15)
    body = {"message": "hello", "model": "narrow", "stream": True}
    with streaming(healthy.client, "/chat/", body) as one, streaming(healthy.client, "/chat/", body) as two:
        assert one.read_event() and two.read_event()
        assert healthy.metric("in_flight", "narrow") == 2
        one.leave()
        # The place is free as soon as the client is gone.
        with streaming(healthy.client, "/chat/", body) as three:
            assert three.status == 200 and three.read_event()
        two.events()
    wait_until(lambda: healthy.metric("in_flight", "narrow") == 0, 5, "the places to be free")


# --- Anthropic's API ---


def test_anthropics_api(healthy):
    npc_id = make_npc(healthy.client)
    answer = say(healthy.client, npc_id, "Good morrow", model="claude")
    assert "You said: Good morrow" in answer["response"] and "knight" in answer["response"]
    assert answer["usage"]["prompt_tokens"] > 10 and answer["usage"]["completion_tokens"] > 5
    request = healthy.third.requests()[-1]
    assert request["path"].endswith("/v1/messages") and request["x_api_key"] and not request["authorization"]
    assert request["headers"]["anthropic-version"] == "2023-06-01"
    body = request["body"]
    assert body["model"] == "claude-x" and body["max_tokens"] > 100
    assert body["system"].startswith("WORLD SETTING:") and [m["role"] for m in body["messages"]] == ["user"]


def test_anthropics_api_streamed(healthy):
    npc_id = make_npc(healthy.client)
    healthy.third.behave(answer="One two <think>three</think> four five")
    body = {"npc_id": npc_id, "message": "hello", "model": "claude", "stream": True}
    with streaming(healthy.client, "/chat_npc/", body) as stream:
        events = stream.events()
    assert "".join(event.json["delta"] for event in events[:-1]) == events[-1].json["response"] == "One two  four five"
    assert len(events) > 3 and events[-1].json["usage"]["completion_tokens"] > 5


def test_anthropics_errors(healthy):
    healthy.third.behave(status=529)
    healthy.ask("claude").expect_error(503)
    healthy.third.behave(stream_fault="error_event")
    with streaming(healthy.client, "/chat/", {"message": "hello there", "model": "claude", "stream": True}) as stream:
        assert stream.events()[-1].kind == "error"
    healthy.third.behave(malformed="not_json")
    healthy.ask("claude").expect_error(502)


# --- the table itself ---


def test_a_reload_adds_and_takes_away(fleet):
    models = [model for model in fleet.table() if model["name"] != "single"]
    added = {"name": "added", "targets": [target(fleet.second, model="added-a")]}
    assert fleet.reload([*models, added])["event"] == "models reloaded"
    assert fleet.answered_by("added") == "added"
    fleet.ask("single").expect_error(404)
    assert fleet.reload(fleet.table())["event"] == "models reloaded"
    assert fleet.answered_by("single") == "single"
    fleet.ask("added").expect_error(404)


@pytest.mark.parametrize("text, place", [
    ("{", "line 1"),
    ('{"models": []}', "$.models"),
    ('{"models": [{"name": "x", "targets": [{"base_url": "nowhere"}]}]}', "$.models[0].targets[0].base_url"),
])
def test_a_table_that_is_none_changes_nothing(fleet, text, place):
    said = fleet.reload(text)
    assert said["level"] == "error" and "MODELS_FILE" in said["error"] and place in said["error"]
    assert fleet.answered_by("single") == "single"
    assert fleet.reload(fleet.table())["event"] == "models reloaded"


def test_a_reload_drops_no_stream(fleet):
    fleet.first.behave(chunk_gap=0.2, answer="one two three four five six seven eight")
    body = {"message": "hello", "model": "single", "stream": True}
    with streaming(fleet.client, "/chat/", body) as stream:
        assert stream.read_event()
        waiting = in_background(fleet.ask, "falling")
        fleet.first.wait_for(2)
        fleet.reload([{"name": "other", "targets": [target(fleet.second)]}])
        events = stream.events()
    assert events[-1].json["response"] == "one two three four five six seven eight"
    waiting.result(timeout=10).expect(200)
    fleet.reload(fleet.table())


def test_a_key_is_in_no_metric(fleet):
    fleet.answered_by("single")
    text = fleet.product.admin.get("/metrics").expect(200).text
    assert 'model="single",target="0"' in text and "sk-first" not in text
