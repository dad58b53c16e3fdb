"""What an operation's fields look like, and values that do not fit them."""

from .checks import DOCUMENT
from .document import JSON_TYPE


def body_schema(operation):
    """The schema of an operation's JSON body; empty where it takes none."""
    return DOCUMENT.resolve(operation.bodies.get(JSON_TYPE, {}))


def fields(operation):
    properties = body_schema(operation).get("properties", {})
    return {name: DOCUMENT.resolve(schema) for name, schema in properties.items()}


def required_fields(operation):
    """Where one of several is enough, the first of them, which the recipe has."""
    schema = body_schema(operation)
    return schema.get("required", []) + schema.get("anyOf", [{}])[0].get("required", [])


def optional_fields(operation):
    return [name for name in fields(operation) if name not in required_fields(operation)]


def misfits(schema, as_text=False):
    """Values that break a schema, each in one way. In a query everything is text (`as_text`)."""
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    values = []
    if "string" in types:
        values += [] if as_text else [7] + ([] if "array" in types else [["x"]])
        values += [""] if schema.get("minLength") else []
        values += ["a" * (schema["maxLength"] + 1)] if "maxLength" in schema else []
        values += ["a b", "ä"] if "pattern" in schema else []
    if "integer" in types:
        values += ["x", "1.5", "9" * 30] if as_text else ["x", 1.5, True]
        values += [schema["minimum"] - 1, schema["maximum"] + 1]
    if "boolean" in types:
        values += ["true", 1] + ([True] if True not in schema.get("enum", [True]) else [])
    return [str(value) for value in values] if as_text else values


def bounds(schema, as_text=False):
    """The shortest, longest, least and greatest values that a schema allows."""
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    values = []
    if "string" in types:
        values += ["a" * schema[name] for name in ("minLength", "maxLength") if name in schema]
    if "integer" in types:
        values += [schema[name] for name in ("minimum", "maximum") if name in schema]
    return [str(value) for value in values] if as_text else values
