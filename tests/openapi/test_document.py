"""The document itself: valid OpenAPI 3.1, every reference and example right, nothing forgotten."""

import json
import re
import subprocess
import sys

import jsonschema
import pytest
from harness import npm

from . import document
from .document import JSON_TYPE, ROOT

HERE = ROOT / "tests" / "openapi"
TO_JSON = ROOT / "docs" / "viewer" / "to_json.py"
DOCUMENT = document.load()
OPERATIONS = pytest.mark.parametrize("operation", DOCUMENT.operations, ids=lambda operation: operation.name)


def nodes(node, place="#"):
    """Every mapping in the document with its place."""
    if isinstance(node, dict):
        yield place, node
        for key, value in node.items():
            yield from nodes(value, f"{place}/{key}")
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from nodes(value, f"{place}/{number}")


def schemas():
    """Every schema of the document, by its place, without those inside of others."""
    for place, node in nodes(DOCUMENT.raw):
        if re.fullmatch(r"#/components/schemas/[^/]+", place) or place.endswith("/schema"):
            yield place, node


def is_schema_property(place):
    return "/properties/" in place or "/examples/" in place or "/example/" in place


@pytest.fixture(scope="session")
def as_json(tmp_path_factory):
    """The document as the build makes it."""
    target = tmp_path_factory.mktemp("openapi") / "openapi.json"
    subprocess.run([sys.executable, TO_JSON, document.SOURCE, target], check=True, timeout=60)
    return target


@pytest.fixture(scope="session")
def validator():
    """The folder of the validator from npm, installed once for each lock file."""
    return npm.install(HERE, "openapi-validator")


def test_it_is_valid_openapi(as_json, validator):
    done = subprocess.run(["node", validator / "validate.js", as_json], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "valid OpenAPI 3.1" in done.stdout


def test_the_json_says_the_same(as_json):
    text = as_json.read_text(encoding="utf-8")
    assert json.loads(text) == DOCUMENT.raw
    again = as_json.with_name("again.json")
    subprocess.run([sys.executable, TO_JSON, document.SOURCE, again], check=True, timeout=60)
    assert again.read_text(encoding="utf-8") == text
    assert list(json.loads(text)["paths"]) == list(DOCUMENT.raw["paths"])


@pytest.mark.parametrize("text", ["a: 1\na: 2\n", "200: x\n", "a: .nan\n", "a: [\n"])
def test_what_json_cannot_say_is_refused(tmp_path, text):
    source, target = tmp_path / "in.yaml", tmp_path / "out.json"
    source.write_text(text, encoding="utf-8")
    done = subprocess.run([sys.executable, TO_JSON, source, target], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and str(source) in done.stderr and not target.exists()


def test_every_reference_resolves():
    for place, node in nodes(DOCUMENT.raw):
        if isinstance(node.get("$ref"), str):
            assert isinstance(DOCUMENT.find(node["$ref"]), dict), f"{place}: {node['$ref']}"


def test_every_component_is_used():
    used = {node["$ref"] for _, node in nodes(DOCUMENT.raw) if isinstance(node.get("$ref"), str)}
    used |= {"#/components/responses/MethodNotAllowed", "#/components/responses/V1MethodNotAllowed"}
    for kind, components in DOCUMENT.raw["components"].items():
        if kind != "securitySchemes":
            unused = [name for name in components if f"#/components/{kind}/{name}" not in used]
            assert not unused, f"{kind}: {unused}"


def test_every_schema_is_valid():
    for place, schema in schemas():
        try:
            jsonschema.Draft202012Validator.check_schema(schema)
        except jsonschema.SchemaError as error:
            pytest.fail(f"{place}: {error.message}")


def test_every_example_fits_its_schema():
    checked = 0
    for place, node in nodes(DOCUMENT.raw):
        if is_schema_property(place) or "schema" not in node:
            continue
        values = [DOCUMENT.resolve(example)["value"] for example in node.get("examples", {}).values()]
        values += [node["example"]] if "example" in node else []
        for value in values:
            errors = DOCUMENT.errors(node["schema"], value)
            assert not errors, f"{place}: {errors}"
            unlisted = DOCUMENT.unlisted(node["schema"], value)
            assert not unlisted, f"{place}: {unlisted}"
            checked += 1
    assert checked > 50


def test_every_example_and_default_inside_a_schema_fits_it():
    for place, node in nodes(DOCUMENT.raw["components"]["schemas"]):
        if "type" in node and isinstance(node["type"], (str, list)):
            values = list(node.get("examples", [])) + ([node["default"]] if "default" in node else [])
            for value in values:
                assert not DOCUMENT.errors(node, value), f"{place}: {value!r}"


def test_operation_ids_and_tags():
    ids = [operation.id for operation in DOCUMENT.operations]
    assert len(ids) == len(set(ids))
    tags = {tag["name"] for tag in DOCUMENT.raw["tags"]}
    assert {tag for operation in DOCUMENT.operations for tag in operation.raw["tags"]} == tags


@OPERATIONS
def test_path_parameters_are_those_of_the_path(operation):
    assert operation.parameter_names("path") == re.findall(r"{(\w+)}", operation.path)
    for parameter in operation.parameters:
        assert "schema" in parameter
        assert parameter["in"] != "path" or parameter["required"]


@OPERATIONS
def test_errors_have_the_form_of_their_path(operation):
    form = "V1Error" if operation.path.startswith("/v1/") else "Error"
    for status, response in operation.responses.items():
        if status[0] not in "45" and status != "default":
            continue
        assert list(response["content"]) == [JSON_TYPE], status
        assert response["content"][JSON_TYPE]["schema"] == {"$ref": f"#/components/schemas/{form}"}, status
        assert response["content"][JSON_TYPE]["examples"], status


@OPERATIONS
def test_every_answer_has_its_headers(operation):
    always = {"401": "WWW-Authenticate", "429": "Retry-After", "503": "Retry-After"}
    for status, response in operation.responses.items():
        assert DOCUMENT.resolve(response["headers"]["X-Request-Id"])["required"], status
        if status in always:
            assert always[status] in response["headers"], status


@OPERATIONS
def test_the_refusals_that_an_operation_has_are_listed(operation):
    wanted = {"503", "504", "default"}
    if operation.role != "open":
        wanted.add("401")
    if operation.role in ("admin", "optional"):
        wanted.add("403")
    if operation.bodies:
        wanted |= {"400", "413", "422"}
    if operation.parameter_names("query"):
        wanted.add("422")
    if operation.parameter_names("path"):
        wanted.add("404")
    assert wanted <= set(operation.responses)
    assert any(status[0] == "2" for status in operation.responses)


@OPERATIONS
def test_json_bodies_have_examples(operation):
    content = operation.raw.get("requestBody", {}).get("content", {})
    for media, body in content.items():
        assert body["examples"], media
