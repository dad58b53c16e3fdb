"""Fixtures: schemas from npm, the manifests as kubectl builds them, the proof."""

import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from harness import npm  # noqa: E402
from proof import network  # noqa: E402


@pytest.fixture(scope="session")
def schemas():
    """The folder of the schemas and of validate.js."""
    return npm.install(HERE, "fleet-schemas")


@pytest.fixture
def prove(tmp_path, capsys):
    """Runs prove.py, shows what it prints, and gives that back."""
    if reason := network.unavailable():
        pytest.skip(reason)

    def prove(*arguments, timeout):
        command = [sys.executable, HERE / "prove.py", *arguments, "--keep", tmp_path]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=timeout)
        with capsys.disabled():
            print(done.stdout)
        assert done.returncode == 0, f"{done.stdout}{done.stderr}\nlogs: {tmp_path}"
        return done.stdout
    return prove
