"""docs/models.schema.json says of every table what the sidecar says; what the project ships and shows is valid.

The sidecar is held against the same cases in tests/unit/sidecar/models_file_test.cpp.
"""

import json
import pathlib
import re

import jsonschema
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "docs" / "models.schema.json").read_text(encoding="utf-8"))
CASES = json.loads((ROOT / "tests" / "models_file" / "cases.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["what"])
def test_a_table(case):
    expected = "error_at" not in case or case.get("passes_schema", False)
    assert VALIDATOR.is_valid(case["table"]) == expected


def test_the_example_that_is_shipped():
    VALIDATOR.validate(json.loads((ROOT / "conf" / "models.example.json").read_text(encoding="utf-8")))


def test_the_example_of_the_readme():
    blocks = re.findall(r"```json\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    tables = [json.loads(block) for block in blocks if '"models"' in block]
    assert tables
    for table in tables:
        VALIDATOR.validate(table)
