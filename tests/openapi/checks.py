"""Holds answers against the document."""

from . import document
from .document import JSON_TYPE

DOCUMENT = document.load()
REQUEST_ID = "walker.7-Aa_"


def check_headers(response, answer, what):
    for name, header in response.get("headers", {}).items():
        header = DOCUMENT.resolve(header)
        value = answer.headers.get(name)
        if value is None:
            assert not header.get("required"), f"{what}: no {name}"
            continue
        typed = int(value) if DOCUMENT.resolve(header["schema"]).get("type") == "integer" else value
        assert not DOCUMENT.errors(header["schema"], typed), f"{what}: {name}: {value}"


def check_body(response, answer, what):
    contents = response.get("content", {})
    if not contents:
        assert answer.body == b"", f"{what}: {answer.body[:200]}"
        return
    media = answer.headers.get("Content-Type", "").split(";")[0].strip().lower()
    assert media in contents, f"{what}: {media} is not documented"
    value = answer.json if media == JSON_TYPE else answer.text
    schema = contents[media]["schema"]
    assert not DOCUMENT.errors(schema, value), f"{what}: {DOCUMENT.errors(schema, value)}: {answer.text[:300]}"
    assert not DOCUMENT.unlisted(schema, value), f"{what}: not documented: {DOCUMENT.unlisted(schema, value)}"


def check(operation, answer, *statuses):
    """Holds an answer against what the operation documents for its status, which is one of `statuses`."""
    what = f"{operation.name}: {answer.status} {answer.text[:300]}"
    assert str(answer.status) in statuses, f"{what} instead of {statuses}"
    assert str(answer.status) in operation.responses, f"{what}: the status is not documented"
    response = operation.responses[str(answer.status)]
    check_headers(response, answer, what)
    check_body(response, answer, what)
    assert answer.headers["X-Request-Id"] == REQUEST_ID, what
    leaked = [name for name in answer.headers if name.lower().startswith("x-npcchat-")]
    assert not leaked, f"{what}: {leaked}"
    return answer
