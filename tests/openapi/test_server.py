"""Walks over every path and method of the document against a running server.

Each operation succeeds once in every form that it has, and refuses what can be got wrong in general; every answer is
held against the document: its status, its headers, its body.
"""

import json

import pytest

from .checks import DOCUMENT, REQUEST_ID, check, check_body, check_headers
from .document import JSON_TYPE
from harness.client import send_raw
from .recipes import RECIPES, UNKNOWN, path_of
from .shapes import bounds, fields, misfits, optional_fields, required_fields

OPERATIONS = DOCUMENT.operations
PATHS = list(DOCUMENT.raw["paths"])
ASSETS = {"text/html": "index.html", "text/css": "swagger-ui.css", "text/javascript": "init.js"}
TRIED_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")


def every(condition):
    """Parametrizes a test with the operations that a condition holds for."""
    found = [operation for operation in OPERATIONS if condition(operation)]
    return pytest.mark.parametrize("operation", found, ids=lambda operation: operation.name)


def call_of(operation, world):
    assert operation.id in RECIPES, f"{operation.id} has no recipe in recipes.py"
    call = RECIPES[operation.id](world)
    call.headers["X-Request-Id"] = REQUEST_ID
    return call


def success(operation):
    return next(status for status in operation.responses if status[0] == "2")


# --- what succeeds ---


def test_the_served_document_is_the_shipped_one(world):
    assert world.anyone.get("/openapi.json").expect(200).json == DOCUMENT.raw


@pytest.mark.parametrize("slash", [True, False], ids=["slash", "no-slash"])
@every(lambda operation: True)
def test_it_succeeds(world, operation, slash):
    check(operation, world.send(operation, call_of(operation, world), slash=slash), success(operation))


@every(lambda operation: len(operation.bodies) > 1)
def test_it_takes_forms(world, operation):
    for media in operation.bodies:
        check(operation, world.send(operation, call_of(operation, world), media=media), success(operation))


@every(lambda operation: operation.takes_json)
def test_json_is_read_whatever_the_content_type(world, operation):
    answer = world.send(operation, call_of(operation, world), media="text/plain")
    check(operation, answer, success(operation))


@every(lambda operation: operation.takes_json)
def test_null_is_absent_and_unknown_fields_are_ignored(world, operation):
    call = call_of(operation, world).changed("body", "no_such_field", {"a": [1]})
    for name in optional_fields(operation):
        call = call.changed("body", name, None)
    check(operation, world.send(operation, call), success(operation))


@every(lambda operation: operation.role == "user")
def test_bearer_means_the_same(world, operation):
    client = world.client_for(operation)
    call = call_of(operation, world)
    check(operation, world.send(operation, call, key=f"Bearer {client.key}"), success(operation))


@every(lambda operation: operation.method == "get")
def test_every_media_type_is_had(world, operation):
    for media in operation.responses["200"]["content"]:
        call = call_of(operation, world).changed("headers", "Accept", media)
        if operation.id == "docsAsset":
            call = call.changed("path", "asset", ASSETS[media])
        answer = check(operation, world.send(operation, call), "200")
        assert answer.headers["Content-Type"].split(";")[0] == media


def test_every_asset_of_the_page_is_served(world):
    operation = next(operation for operation in OPERATIONS if operation.id == "docsAsset")
    for name in operation.parameters[0]["schema"]["enum"]:
        call = call_of(operation, world).changed("path", "asset", name)
        assert len(check(operation, world.send(operation, call), "200").body) > 100, name


# --- who may ---


@pytest.mark.parametrize("key", ["", "npc_unknown", "Basic dXNlcjpwYXNz", "Bearer "],
                         ids=["none", "unknown", "basic", "empty"])
@every(lambda operation: operation.role in ("user", "admin"))
def test_it_needs_a_key(world, operation, key):
    check(operation, world.send(operation, call_of(operation, world), key=key), "401")


@every(lambda operation: operation.role == "admin")
def test_it_needs_the_admins_key(world, operation):
    check(operation, world.send(operation, call_of(operation, world), key=world.user.key), "403")


@every(lambda operation: operation.role == "optional")
def test_the_server_may_keep_it_to_the_admin(world, operation):
    no_key = check(operation, world.send(operation, call_of(operation, world), key=""), success(operation), "401")
    users = world.send(operation, call_of(operation, world), key=world.user.key)
    check(operation, users, "403" if no_key.status == 401 else success(operation))


@every(lambda operation: operation.role == "open")
def test_it_needs_no_key(world, operation):
    check(operation, world.send(operation, call_of(operation, world), key="npc_unknown"), success(operation))


@every(lambda operation: "npc_id" in operation.parameter_names("path"))
def test_another_users_npc_is_refused(world, operation):
    other = world.sign_up(world.fresh_name())
    check(operation, world.send(operation, call_of(operation, world), key=other), "403")


@every(lambda operation: operation.id == "ownHistory")
def test_another_users_chat_is_not_there(world, operation):
    other = world.sign_up(world.fresh_name())
    check(operation, world.send(operation, call_of(operation, world), key=other), "404")


# --- methods and paths ---


@pytest.mark.parametrize("path", PATHS)
def test_only_documented_methods_are_served(world, path):
    documented = DOCUMENT.methods_of(path)
    operation = next(operation for operation in OPERATIONS if operation.path == path)
    form = "V1MethodNotAllowed" if path.startswith("/v1/") else "MethodNotAllowed"
    refused = DOCUMENT.find(f"#/components/responses/{form}")
    for method in TRIED_METHODS:
        if method in documented:
            continue
        call = call_of(operation, world)
        call.body = None
        answer = world.send(operation, call, method=method)
        what = f"{method} {path}: {answer.status}"
        if method == "HEAD" and "GET" in documented:
            assert answer.status == 200 and answer.body == b"", what
            continue
        assert answer.status == 405, what
        check_headers(refused, answer, what)
        if method != "HEAD":
            check_body(refused, answer, what)
        allowed = {word.strip() for word in answer.headers["Allow"].split(",")}
        assert allowed - {"HEAD"} == documented and ("HEAD" not in allowed or "GET" in documented), f"{what}: {allowed}"


@every(lambda operation: operation.parameter_names("path"))
def test_what_a_path_names_must_exist(world, operation):
    for name in operation.parameter_names("path"):
        call = call_of(operation, world).changed("path", name, UNKNOWN[name])
        check(operation, world.send(operation, call), "404")


# --- bodies and parameters ---

MALFORMED = {
    "cut off": b'{"message": "x"',
    "no JSON": b"message=x",
    "empty": b"",
    "not UTF-8": b'{"message": "\xff"}',
    "NUL": b'{"message": "\\u0000"}',
    "lone surrogate": b'{"message": "\\ud800"}',
    "a key twice": b'{"a": 1, "a": 2}',
    "too deep": b'{"a": ' + b"[" * 64 + b"]" * 64 + b"}",
    "something behind it": b"{} {}",
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
@every(lambda operation: operation.takes_json)
def test_malformed_json_is_refused(world, operation, text):
    check(operation, world.send(operation, call_of(operation, world), data=text), "400")


@pytest.mark.parametrize("value", [[], "text", 7, None, True], ids=json.dumps)
@every(lambda operation: operation.takes_json)
def test_a_body_must_be_an_object(world, operation, value):
    answer = world.send(operation, call_of(operation, world), data=json.dumps(value).encode())
    check(operation, answer, "422")


@every(lambda operation: required_fields(operation))
def test_required_fields_are_required(world, operation):
    for name in required_fields(operation):
        call = call_of(operation, world)
        for wrong in (call.without("body", name), call.changed("body", name, None)):
            answer = check(operation, world.send(operation, wrong), "422")
            assert name in answer.detail


@every(lambda operation: operation.takes_json)
def test_fields_must_fit_their_schema(world, operation):
    for name, schema in fields(operation).items():
        for value in misfits(schema):
            call = call_of(operation, world).changed("body", name, value)
            answer = check(operation, world.send(operation, call), "422")
            assert name in answer.detail, f"{operation.name}: {name} is not in {answer.detail!r}"


def not_refused_for_its_form(operation):
    return [status for status in operation.responses if status not in ("422", "default")]


@every(lambda operation: operation.takes_json)
def test_fields_may_be_at_the_bounds_of_their_schema(world, operation):
    for name, schema in fields(operation).items():
        for value in bounds(schema):
            call = call_of(operation, world).changed("body", name, value)
            check(operation, world.send(operation, call), *not_refused_for_its_form(operation))


@every(lambda operation: operation.parameter_names("query"))
def test_query_parameters_may_be_at_the_bounds_of_their_schema(world, operation):
    for parameter in operation.parameters:
        for value in bounds(DOCUMENT.resolve(parameter["schema"]), True) if parameter["in"] == "query" else []:
            call = call_of(operation, world).changed("query", parameter["name"], value)
            check(operation, world.send(operation, call), *not_refused_for_its_form(operation))


@every(lambda operation: operation.parameter_names("query"))
def test_query_parameters_must_fit_their_schema(world, operation):
    for parameter in operation.parameters:
        if parameter["in"] != "query":
            continue
        name, call = parameter["name"], call_of(operation, world)
        wrong = [call.changed("query", name, value) for value in misfits(DOCUMENT.resolve(parameter["schema"]), True)]
        if parameter.get("required"):
            wrong.append(call.without("query", name))
        for one in wrong:
            answer = check(operation, world.send(operation, one), "422")
            assert name in answer.detail, f"{operation.name}: {name} is not in {answer.detail!r}"


@every(lambda operation: "413" in operation.responses)
def test_a_body_that_is_announced_too_large_is_refused(world, operation):
    client, call = world.client_for(operation), call_of(operation, world)
    lines = [f"{operation.method.upper()} {path_of(operation.path, call)} HTTP/1.1", "Host: npcchat",
             f"X-Request-Id: {REQUEST_ID}", f"Content-Length: {1 << 30}"]
    if client.key is not None:
        lines.append(f"Authorization: {client.key}")
    host, port = world.address
    answer = send_raw(port, "\r\n".join(lines + ["", ""]).encode(), host=host, method=operation.method.upper())
    check(operation, answer, "413")
