#!/usr/bin/env python3
"""Turns the API's document from YAML to JSON: to_json.py docs/openapi.yaml OUT

The keys keep the order of the YAML, so that the same document gives the same bytes. A document that JSON cannot hold
(a key given twice, a date, a key that is no text) is refused with its place, and OUT is then left as it was.
"""

import json
import os
import sys

import yaml


class StrictLoader(yaml.SafeLoader):
    """YAML's JSON-compatible part, with every key given once."""

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is no text, put it into quotes", key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is given twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


# Unquoted dates stay text: JSON has no dates.
StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def to_json(text):
    """The document in `text` as JSON, one line, UTF-8, ending in a newline."""
    document = yaml.load(text, Loader=StrictLoader)
    compact = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return (compact + "\n").encode("utf-8")


def main(arguments):
    if len(arguments) != 2:
        print("usage: to_json.py IN.yaml OUT.json", file=sys.stderr)
        return 2
    source, target = arguments
    try:
        with open(source, encoding="utf-8") as stream:
            data = to_json(stream.read())
        partial = f"{target}.{os.getpid()}.partial"
        with open(partial, "wb") as stream:
            stream.write(data)
        os.replace(partial, target)
    except (OSError, ValueError, yaml.YAMLError) as error:
        print(f"to_json.py: {source}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
