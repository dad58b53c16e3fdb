"""Fixtures: schemas from npm, the manifests as kubectl builds them."""

import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from harness import npm  # noqa: E402


@pytest.fixture(scope="session")
def schemas():
    """The folder of the schemas and of validate.js."""
    return npm.install(HERE, "fleet-schemas")
