"""What whoever is on call sees of models, stores and single requests: metrics and traces."""

import re
import secrets

import pytest
from harness.collector import Collector, attributes
from harness.launcher import EMBEDDED, REDIS
from harness.streams import streaming
from harness.talk import make_npc, say, send


def samples(product):
    """Every sample of /metrics by its name and labels."""
    text = product.admin.get("/metrics").expect(200).text
    return {name: float(value) for name, value in re.findall(r"^([^#\s]\S*) (\S+)$", text, re.MULTILINE)}


def labels(operation, model="gpt-4o-mini"):
    return f'gen_ai_operation_name="{operation}",gen_ai_request_model="{model}"'


def rise(product, act, *names):
    before = samples(product)
    act()
    after = samples(product)
    return [after[name] - before.get(name, 0) for name in names]


# --- metrics ---


def test_calls_and_tokens_by_model(product):
    user = product.sign_up()
    answers = []
    names = [f"gen_ai_client_operation_duration_seconds_count{{{labels('chat')}}}",
             *(f'gen_ai_client_token_usage_sum{{{labels("chat")},gen_ai_token_type="{kind}"}}'
               for kind in ("input", "output")),
             f"gen_ai_server_time_to_first_token_seconds_count{{{labels('chat')}}}"]
    calls, tokens_in, tokens_out, first_tokens = rise(
        product, lambda: answers.append(say(user.client, None, "hello")), *names)
    usage = answers[0]["usage"]
    assert (calls, tokens_in, tokens_out, first_tokens) == (
        1, usage["prompt_tokens"], usage["completion_tokens"], 0)


def test_first_tokens_of_streams(product):
    user = product.sign_up()
    product.stub.behave(pieces=["word "] * 20, latency=0.05, chunk_gap=0.06)

    def stream():
        with streaming(user.client, "/chat/", {"message": "hello", "stream": True}) as answer:
            list(answer.events())

    first, first_sum, per_token = rise(
        product, stream, f"gen_ai_server_time_to_first_token_seconds_count{{{labels('chat')}}}",
        f"gen_ai_server_time_to_first_token_seconds_sum{{{labels('chat')}}}",
        f"gen_ai_server_time_per_output_token_seconds_count{{{labels('chat')}}}")
    assert (first, per_token) == (1, 1) and 0.05 <= first_sum < 2


def test_embeddings_are_an_operation_of_their_own(product):
    user = product.sign_up()
    count, = rise(product, lambda: user.client.post("/v1/embeddings", json_body={"input": ["a"]}).expect(200),
                  f"gen_ai_client_operation_duration_seconds_count{{{labels('embeddings')}}}")
    assert count == 1


def test_stores_are_measured(product):
    user = product.sign_up()
    store = "redis" if product.env.get("REDIS_URL") else "database"
    count, in_flight = rise(product, lambda: say(user.client, None, "hello"),
                            f'npcchat_store_duration_seconds_count{{store="{store}"}}',
                            f'npcchat_store_in_flight{{store="{store}"}}')
    assert count >= 2 and in_flight == 0


def test_searches_are_measured(product):
    user = product.sign_up()
    npc_id = make_npc(user.client)
    user.client.post(f"/npcs/{npc_id}/documents/", json_body={"text": "A long sword costs nine."}).expect(201)
    words, vectors = rise(product, lambda: say(user.client, npc_id, "What does a sword cost?"),
                          'npcchat_search_duration_seconds_count{by="words",chunks="few"}',
                          'npcchat_search_duration_seconds_count{by="vectors",chunks="few"}')
    assert (words, vectors) == (1, 0)  # there is no embedder here


# --- traces ---


@pytest.fixture
def collector():
    collector = Collector().start()
    yield collector
    collector.stop()


def traceparent(trace_id, span_id="00f067aa0ba902b7", flags="01"):
    return {"traceparent": f"00-{trace_id}-{span_id}-{flags}"}


def traced(launcher, stores, collector, **env):
    group = launcher.group()
    return group, group.start(stores, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url + "/", **env)


@pytest.mark.parametrize("stores", [EMBEDDED, REDIS])
def test_a_request_and_its_call_join_the_trace(launcher, collector, stores):
    group, product = traced(launcher, stores, collector, OTEL_SERVICE_NAME="tavern",
                            OTEL_EXPORTER_OTLP_HEADERS="x-tenant=a%20b,x-other=c")
    with group:
        user = product.sign_up()
        npc_id = make_npc(user.client)
        trace_id = secrets.token_hex(16)
        body = {"npc_id": npc_id, "message": "A very private question"}
        answer = user.client.post("/chat_npc/", json_body=body, headers=traceparent(trace_id)).expect(200).json
        spans = collector.wait_for(trace_id, 2)
        request, call = spans["POST /chat_npc"], spans["chat gpt-4o-mini"]
        assert request["parentSpanId"] == "00f067aa0ba902b7" and call["parentSpanId"] == request["spanId"]
        assert (request["kind"], call["kind"]) == (2, 3)
        assert attributes(request)["http.response.status_code"] == "200"
        assert attributes(call)["gen_ai.usage.input_tokens"] == str(answer["usage"]["prompt_tokens"])
        assert (int(request["startTimeUnixNano"]) <= int(call["startTimeUnixNano"])
                <= int(call["endTimeUnixNano"]) <= int(request["endTimeUnixNano"]))
        path, headers, sent = collector.requests[-1]
        assert path == "/v1/traces" and (headers["x-tenant"], headers["x-other"]) == ("a b", "c")
        resource = sent["resourceSpans"][0]["resource"]
        assert attributes(resource) == {"service.name": "tavern"}
        everything = repr(collector.requests)
        assert "private" not in everything and user.key not in everything


def test_failures_are_marked(launcher, collector):
    group, product = traced(launcher, EMBEDDED, collector)
    with group:
        user = product.sign_up()
        product.stub.behave(status=400)
        trace_id = secrets.token_hex(16)
        user.client.post("/chat/", json_body={"message": "hello"}, headers=traceparent(trace_id)).expect_error(502)
        spans = collector.wait_for(trace_id, 2)
        assert {span["status"].get("code") for span in spans.values()} == {2}
        assert attributes(spans["chat gpt-4o-mini"])["error.type"] == "502"


def test_what_is_not_sampled_is_not_sent(launcher, collector):
    group, product = traced(launcher, EMBEDDED, collector)
    with group:
        user = product.sign_up()
        unsampled, sampled = secrets.token_hex(16), secrets.token_hex(16)
        user.client.get("/npcs/", headers=traceparent(unsampled, flags="00")).expect(200)
        user.client.get("/npcs/", headers=traceparent(sampled)).expect(200)
        collector.wait_for(sampled, 1)
        assert not collector.spans(unsampled)


def test_spans_of_the_last_second_are_sent_at_the_end(launcher, collector):
    group, product = traced(launcher, EMBEDDED, collector)
    with group:
        trace_id = secrets.token_hex(16)
        product.sign_up().client.get("/npcs/", headers=traceparent(trace_id)).expect(200)
        product.stop()
        assert collector.spans(trace_id)


def test_a_collector_that_is_down_or_refuses_holds_nothing_up(launcher, collector):
    group, product = traced(launcher, EMBEDDED, collector)
    with group:
        user = product.sign_up()
        collector.status = 500
        trace_id = secrets.token_hex(16)
        user.client.get("/npcs/", headers=traceparent(trace_id)).expect(200)
        collector.wait_for(trace_id, 1)
        collector.stop()
        for _ in range(20):
            assert send(user.client, None, "hello").status == 200
