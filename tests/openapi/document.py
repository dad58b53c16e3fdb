"""docs/openapi.yaml as the tests read it: operations, references, and schemas to hold values against."""

import dataclasses
import datetime
import pathlib
import re
import uuid

import jsonschema
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCE = ROOT / "docs" / "openapi.yaml"
METHODS = ("get", "put", "post", "delete", "patch", "head", "options")
JSON_TYPE = "application/json"

formats = jsonschema.FormatChecker(formats=())


@formats.checks("uuid", raises=ValueError)
def is_uuid(value):
    return not isinstance(value, str) or str(uuid.UUID(value)) == value


@formats.checks("date-time", raises=ValueError)
def is_date_time(value):
    if not isinstance(value, str):
        return True
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", value):
        return False
    return bool(datetime.datetime.fromisoformat(value.replace("Z", "+00:00")))


@dataclasses.dataclass(frozen=True)
class Operation:
    """A method of a path. `role`: open, optional (open unless SIGNUP=admin), user or admin."""
    path: str
    method: str
    id: str
    role: str
    parameters: tuple
    bodies: dict
    responses: dict
    raw: dict

    @property
    def name(self):
        return f"{self.method.upper()} {self.path}"

    @property
    def takes_json(self):
        return JSON_TYPE in self.bodies

    def parameter_names(self, place):
        return [parameter["name"] for parameter in self.parameters if parameter["in"] == place]


class Document:
    def __init__(self, raw):
        self.raw = raw
        self.operations = [self._operation(path, item, method)
                           for path, item in raw["paths"].items() for method in METHODS if method in item]

    def find(self, reference):
        """What a reference within the document points to; KeyError where it points to nothing."""
        if not reference.startswith("#/"):
            raise KeyError(f"{reference} is no reference within the document")
        node = self.raw
        for part in reference[2:].split("/"):
            node = node[part.replace("~1", "/").replace("~0", "~")]
        return node

    def resolve(self, node):
        """The node itself, or what it refers to with the words that stand beside the reference."""
        while isinstance(node, dict) and "$ref" in node:
            beside = {key: value for key, value in node.items() if key != "$ref"}
            node = {**self.find(node["$ref"]), **beside}
        return node

    def errors(self, schema, value):
        """Sentences on how the value breaks the schema."""
        resolver = jsonschema.RefResolver("", self.raw)
        validator = jsonschema.Draft202012Validator(schema, resolver=resolver, format_checker=formats)
        return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]

    def unlisted(self, schema, value, place="$"):
        """Places of properties that the value has and the schema does not name."""
        schema = self.resolve(schema)
        if isinstance(value, list) and "items" in schema:
            return [found for number, item in enumerate(value)
                    for found in self.unlisted(schema["items"], item, f"{place}[{number}]")]
        if not isinstance(value, dict) or "properties" not in schema or schema.get("additionalProperties"):
            return []
        known = schema["properties"]
        found = [f"{place}.{name}" for name in value if name not in known]
        for name in value.keys() & known.keys():
            found += self.unlisted(known[name], value[name], f"{place}.{name}")
        return found

    def methods_of(self, path):
        return {operation.method.upper() for operation in self.operations if operation.path == path}

    def _operation(self, path, item, method):
        raw = item[method]
        parameters = [self.resolve(node) for node in item.get("parameters", []) + raw.get("parameters", [])]
        body = self.resolve(raw.get("requestBody", {}))
        bodies = {media: content["schema"] for media, content in body.get("content", {}).items()}
        responses = {status: self.resolve(node) for status, node in raw["responses"].items()}
        security = raw.get("security", self.raw.get("security", []))
        return Operation(path, method, raw["operationId"], role_of(security), tuple(parameters), bodies, responses, raw)


def role_of(security):
    if not security:
        return "open"
    if {} in security:
        return "optional"
    roles = {role for requirement in security for scopes in requirement.values() for role in scopes}
    return "admin" if "admin" in roles else "user"


def load():
    return Document(yaml.safe_load(SOURCE.read_text(encoding="utf-8")))
