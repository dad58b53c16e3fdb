"""OpenAI's API with a plain model: a relay that changes no byte that it need not change."""

import json
import os

import pytest
from harness.processes import status_field
from harness.streams import streaming
from harness.talk import fresh_chat_id, make_npc
from harness.waiting import wait_until

MODEL = "gpt-4o-mini"
HELLO = [{"role": "user", "content": "hello"}]
COMPLETIONS = "/v1/chat/completions"


@pytest.fixture
def user(product):
    return product.sign_up()


def complete(client, **fields):
    return client.post(COMPLETIONS, json_body={"model": MODEL, "messages": HELLO, **fields})


def stream(client, **fields):
    return streaming(client, COMPLETIONS, {"model": MODEL, "messages": HELLO, "stream": True, **fields})


def chunks_of(events):
    """The chunks of a whole stream, which [DONE] ends."""
    assert events[-1].data == "[DONE]" and all(event.kind == "message" for event in events)
    return [event.json for event in events[:-1]]


def text_of(chunks):
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])


def expect_openai_error(answer, status, *, param=None):
    """The one form that errors have under /v1."""
    assert answer.status == status, answer
    assert answer.headers["Content-Type"] == "application/json" and answer.request_id
    assert list(answer.json) == ["error"], answer.text
    error = answer.json["error"]
    assert set(error) == {"message", "type", "param", "code"} and error["message"], answer.text
    assert error["param"] == param
    return error


def test_a_completion(product, user):
    answer = complete(user.client).expect(200)
    assert answer.json["object"] == "chat.completion"
    assert "You said: hello" in answer.json["choices"][0]["message"]["content"]
    assert answer.json["usage"]["total_tokens"] > 0
    (asked,) = product.stub.requests("hello")
    assert asked["body"] == {"model": MODEL, "messages": HELLO}
    assert asked["path"].startswith("/openai/")


def test_the_body_is_spliced_not_written_anew(product, user):
    body = ('{"temperature":0.70,"top_p": 1e0, "model" : "gpt-4o-mini","messages":[ {"role":"user" ,"content":"h\\u0065llo"}],'
            '"max_tokens":1000000000000000000000,"max_completion_tokens":7,"stop":["a", "b"],"seed":-0,"user":"u-1",'
            '"response_format":{"type":"json_object"},"tools":[{"type":"function","function":{"name":"f","parameters":{}}}],'
            '"unknown":{"deep":[1.50,{"x":null}]},"metadata":{"chat_id":"of-no-meaning-here"}}')
    user.client.post(COMPLETIONS, data=body.encode()).expect(200)
    sent = product.stub.requests()[-1]["text"]
    kept = body.replace('"model" : "gpt-4o-mini",', "")
    for member in ('"temperature":0.70', '"top_p": 1e0', '[ {"role":"user" ,"content":"h\\u0065llo"}]',
                   '"max_tokens":1000000000000000000000', '"seed":-0', '"unknown":{"deep":[1.50,{"x":null}]}',
                   '"metadata":{"chat_id":"of-no-meaning-here"}'):
        assert member in kept and member in sent, member
    assert json.loads(sent) == json.loads(body)


def test_the_name_at_the_endpoint(fresh, tmp_path):
    product = fresh.prepare("embedded")
    table = tmp_path / "models.json"
    table.write_text(json.dumps({"models": [{"name": "a/smith", "targets": [
        {"base_url": product.stub.url(), "model": "llama \"3\""}]}]}))
    product.env["MODELS_FILE"] = str(table)
    client = product.start().sign_up().client
    complete(client, model="a/smith").expect(200)
    complete(client, model=None).expect(200)
    assert [body["model"] for body in product.stub.bodies()] == ["llama \"3\""] * 2
    assert [model["id"] for model in client.get("/v1/models").expect(200).json["data"]] == ["a/smith"]
    for path in ("/v1/models/a%2Fsmith", "/v1/models/a/smith", "/v1/models/a/smith/"):
        assert client.get(path).expect(200).json["id"] == "a/smith"


def test_the_answer_comes_as_it_is(product, user):
    product.stub.behave(answer="<think>a</think> Good 龍 day.\n", finish="length")
    answer = complete(user.client).expect(200)
    choice = answer.json["choices"][0]
    assert choice["message"]["content"] == "<think>a</think> Good 龍 day.\n" and choice["finish_reason"] == "length"
    assert answer.json["system_fingerprint"] == "stub-model"


def test_a_stream(product, user):
    product.stub.behave(pieces=["Good", " <think>", "day", " 龍\n"])
    with stream(user.client) as answer:
        assert answer.status == 200 and answer.headers["Content-Type"] == "text/event-stream"
        chunks = chunks_of(answer.events())
    assert text_of(chunks) == "Good <think>day 龍\n"
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks][-2:] == [None, "stop"]
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert all(chunk["choices"] for chunk in chunks), "nobody asked for the usage"
    sent = product.stub.bodies("hello")[0]
    assert sent["stream"] is True and sent["stream_options"] == {"include_usage": True}


def test_the_usage_of_a_stream_where_it_was_asked_for(product, user):
    options = {"include_usage": True, "include_obfuscation": False}
    with stream(user.client, stream_options=options) as answer:
        chunks = chunks_of(answer.events())
    assert chunks[-1]["choices"] == [] and chunks[-1]["usage"]["total_tokens"] > 0
    assert product.stub.bodies("hello")[0]["stream_options"] == options
    with stream(user.client, stream_options={"include_usage": False}) as answer:
        assert all(chunk["choices"] for chunk in chunks_of(answer.events()))


def test_a_chunk_is_relayed_at_once(product, user):
    product.stub.behave(pieces=["Good", " day."], hang_after=2)
    with stream(user.client) as answer:
        assert answer.read_event().json["choices"][0]["delta"] == {"role": "assistant", "content": ""}
        assert answer.read_event().json["choices"][0]["delta"] == {"content": "Good"}


@pytest.mark.parametrize("settings", [{"line_end": "crlf"}, {"line_end": "cr"}, {"comments": True}, {"done": False},
                                      {"trickle": True}, {"close": True}], ids=str)
def test_endpoints_that_stream_in_their_own_way(product, user, settings):
    product.stub.behave(pieces=["a", "b", "c"], **settings)
    with stream(user.client) as answer:
        assert text_of(chunks_of(answer.events())) == "abc"


@pytest.mark.parametrize("settings, status", [
    ({"status": 500}, 502), ({"status": 400}, 502), ({"status": 401}, 502), ({"status": 429, "retry_after": 7}, 503),
    ({"malformed": "html"}, 502), ({"malformed": "not_json"}, 502), ({"malformed": "missing_choices"}, 502),
    ({"malformed": "reset"}, 502), ({"malformed": "truncated"}, 502), ({"malformed": "hang"}, 504),
    ({"status": 302}, 502), ({"malformed": "wrong_types"}, 502),
], ids=str)
def test_a_fault_of_the_endpoint(tuned, settings, status):
    client = tuned.sign_up().client
    tuned.stub.behave(**settings)
    for streamed in (False, True):
        answer = complete(client, stream=streamed)
        error = expect_openai_error(answer, status)
        assert error["type"] == "server_error" and "stub error" not in answer.text
        assert status != 503 or answer.headers["Retry-After"] == "7"


@pytest.mark.parametrize("settings, status", [
    ({"cut_after": 3}, 502), ({"stream_fault": "half_chunk"}, 502), ({"stream_fault": "error_event"}, 502),
    ({"stream_fault": "long_line"}, 502), ({"stream_fault": "reset"}, 502), ({"hang_after": 3}, 504),
], ids=str)
def test_a_fault_in_mid_stream(tuned, settings, status):
    client = tuned.sign_up().client
    tuned.stub.behave(pieces=["one", "two", "three", "four"], **settings)
    with stream(client) as answer:
        assert answer.status == 200
        *_, last = answer.events()
    error = last.json["error"]
    assert last.kind == "message" and set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "server_error" and "stub" not in last.data
    assert ("in time" in error["message"]) == (status == 504)


def tokens(product):
    counts = product.admin.get("/metrics", headers={"Accept": "application/json"}).expect(200).json
    return counts["tokens_in"], counts["tokens_out"]


@pytest.mark.parametrize("settings, events", [({"malformed": "hang"}, 0), ({"hang_after": 0}, 0), ({"hang_after": 3}, 3)],
                         ids=str)
def test_a_client_that_leaves_a_stream(product, user, settings, events):
    product.stub.behave(pieces=["one", "two", "three"], **settings)
    before = tokens(product)
    impatient = type(user.client)(user.client.port, user.key, timeout=0.5)
    if events == 0:
        with pytest.raises(TimeoutError), stream_with_timeout(impatient) as answer:
            answer.read_event()
    else:
        with stream(user.client) as answer:
            for _ in range(events):
                answer.read_event()
    wait_until(lambda: product.stub.requests("hello")[0]["outcome"] == "client left", 2, "the end of the call")
    after = wait_until(lambda: tokens(product) if tokens(product)[0] > before[0] else None, 2, "the count")
    assert events == 0 or after[1] > before[1]


def stream_with_timeout(client):
    return streaming(client, COMPLETIONS, {"model": MODEL, "messages": HELLO, "stream": True}, timeout=0.5)


def test_what_was_used_is_counted(product, user):
    before = tokens(product)
    usage = complete(user.client).expect(200).json["usage"]
    middle = tokens(product)
    assert (middle[0] - before[0], middle[1] - before[1]) == (usage["prompt_tokens"], usage["completion_tokens"])
    with stream(user.client, stream_options={"include_usage": True}) as answer:
        usage = chunks_of(answer.events())[-1]["usage"]
    after = tokens(product)
    assert (after[0] - middle[0], after[1] - middle[1]) == (usage["prompt_tokens"], usage["completion_tokens"])


def test_a_reader_who_stops_holds_up_the_endpoint(fresh):
    """What nobody reads waits at the endpoint, not here. (A sanitizer would keep what is freed.)"""
    options = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=0:thread_local_quarantine_size_kb=0"
    product = fresh.start("embedded", ASAN_OPTIONS=options)
    client = product.sign_up().client
    complete(client).expect(200)
    product.stub.behave(pieces=["0123456789" * 100] * 40_000)
    sizes = [resident(product)]
    with stream(client) as first, stream(client) as second, stream(client) as third:
        for answer in (first, second, third):
            assert answer.read_event().json["choices"]

        def settled():
            sizes.append(resident(product))
            return len(sizes) > 20 and max(sizes[-20:]) - min(sizes[-20:]) < 200
        wait_until(settled, 20, "the memory to stop growing", interval=0.05)
        assert max(sizes) - sizes[0] < 24_000, f"{max(sizes) - sizes[0]} kB for three streams of 40 MB"
        assert all(one["outcome"] == "running" for one in product.stub.requests("hello")[1:])
        assert text_of(chunks_of(first.events())) == "0123456789" * 100 * 40_000


def resident(product):
    return int(status_field(product.sidecar_pid(), "VmRSS").split()[0])


def test_embeddings(product, user):
    body = b'{"input": ["a", "bb"],"model":"gpt-4o-mini", "dimensions": 3, "x": 1.50}'
    answer = user.client.post("/v1/embeddings", data=body).expect(200).json
    assert [item["index"] for item in answer["data"]] == [0, 1] and answer["usage"]["total_tokens"] > 0
    asked = product.stub.requests()[-1]
    assert asked["path"] == "/openai/v1/embeddings" and '"x": 1.50' in asked["text"]
    expect_openai_error(user.client.post("/v1/embeddings", json_body={"model": MODEL}), 422, param="input")
    expect_openai_error(user.client.post("/v1/embeddings", json_body={"model": "nope", "input": "x"}), 404)
    product.stub.behave(status=500)
    expect_openai_error(user.client.post("/v1/embeddings", json_body={"model": MODEL, "input": "x"}), 502)


def test_models(product, user):
    listed = user.client.get("/v1/models").expect(200).json
    assert listed["object"] == "list"
    ids = [model["id"] for model in listed["data"]]
    assert MODEL in ids and "meta-llama/Meta-Llama-3.1-8B-Instruct" in ids
    assert all(set(model) == {"id", "object", "created", "owned_by"} for model in listed["data"])
    for model in listed["data"]:
        for name in (model["id"], model["id"].replace("/", "%2F"), model["id"].replace("/", "%2f")):
            assert user.client.get(f"/v1/models/{name}").expect(200).json == model
    expect_openai_error(user.client.get("/v1/models/no-such-model"), 404)


def test_models_list_the_callers_own_npcs(product, user):
    mine = [f"npc/{make_npc(user.client)}" for _ in range(3)]
    other = f"npc/{make_npc(product.sign_up().client)}"
    listed = user.client.get("/v1/models").expect(200).json["data"]
    npcs = {model["id"]: model for model in listed if model["id"].startswith("npc/")}
    assert set(npcs) == set(mine) and all(npc["owned_by"] == user.name for npc in npcs.values())
    # Any key may speak with any NPC, and so may look at its name.
    for npc in [*mine, other]:
        for name in (npc, npc.replace("/", "%2F"), npc.upper().replace("NPC/", "npc/")):
            assert user.client.get(f"/v1/models/{name}").expect(200).json["id"] == npc
    expect_openai_error(user.client.get("/v1/models/npc/no-such-npc"), 404)


@pytest.mark.parametrize("path", ["/v1/models/..%2Fmodels", "/v1/models/a%2F..%2Fb", "/v1/models/npc%2F%2Fx",
                                  "/v1/models/%2e%2e/chat", "/v1/models/a%2F%2e%2e%2F%2e%2e%2F%2e%2e%2Fhealthz",
                                  "/v1%2Fmodels", "/v1/models%2Fx", "/v1/chat%2Fcompletions"])
def test_paths_that_are_not_canonical(product, user, path):
    answer = user.client.get(path)
    assert answer.status == 404, answer


def test_errors_have_openais_form(product, user):
    nobody = product.anyone
    assert expect_openai_error(nobody.post(COMPLETIONS, json_body={}), 401)["type"] == "authentication_error"
    assert nobody.get("/v1/models").headers["WWW-Authenticate"] == "Bearer"
    expect_openai_error(nobody.get("/v1/models/npc%2Fx"), 401)
    assert expect_openai_error(complete(user.client, model="nope"), 404)["type"] == "not_found_error"
    expect_openai_error(user.client.get("/v1/nothing"), 404)
    expect_openai_error(user.client.get("/v1"), 404)
    wrong_method = user.client.get(COMPLETIONS)
    expect_openai_error(wrong_method, 405)
    assert wrong_method.headers["Allow"] == "POST"
    expect_openai_error(user.client.post(COMPLETIONS, data=b"{"), 400)
    expect_openai_error(user.client.post(COMPLETIONS, data=b"[1]"), 422)
    expect_openai_error(user.client.post(COMPLETIONS, data=b"x" * (2 << 20)), 413)
    expect_openai_error(complete(user.client, messages=None), 422, param="messages")
    expect_openai_error(complete(user.client, stream="yes"), 422, param="stream")


def test_the_limit_is_the_users_one(fresh):
    product = fresh.start("embedded", RATE_LIMIT="3")
    client = product.sign_up().client
    complete(client).expect(200)
    client.post("/v1/embeddings", json_body={"model": MODEL, "input": "x"}).expect(200)
    client.post("/chat/", json_body={"message": "x"}).expect(200)
    for answer in (complete(client), client.post("/v1/embeddings", json_body={"input": "x"})):
        assert expect_openai_error(answer, 429)["type"] == "rate_limit_error"
        assert 0 < int(answer.headers["Retry-After"]) <= 20
    client.post("/chat/", json_body={"message": "x"}).expect_error(429)
    client.get("/v1/models").expect(200)
    assert len(product.stub.requests()) == 3


def test_a_chat_id_means_nothing_to_a_plain_model(product, user):
    chat_id = fresh_chat_id()
    answer = user.client.post(COMPLETIONS, json_body={"model": MODEL, "messages": HELLO},
                              headers={"X-Chat-Id": chat_id}).expect(200)
    assert "X-Chat-Id" not in answer.headers
    user.client.get(f"/chat/{chat_id}/history").expect_error(404)
