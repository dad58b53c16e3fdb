"""The short form of the proof: see prove.py, whose --help has the longer ones."""

import re
import subprocess
import sys

import pytest
from harness import ROOT
from proof import network

PROVE = ROOT / "tests" / "fleet" / "prove.py"
TIMEOUT = 240


@pytest.mark.parametrize("store", ["redis"])
def test_no_fault_loses_or_doubles_a_turn(store, tmp_path, capsys):
    if reason := network.unavailable():
        pytest.skip(reason)
    done = subprocess.run([sys.executable, PROVE, "--store", store, "--keep", tmp_path], capture_output=True, text=True,
                          timeout=TIMEOUT)
    with capsys.disabled():
        print(done.stdout)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\nlogs: {tmp_path}"
    assert re.search(r"^roll all to a new build +\d+ +0 +0 ", done.stdout, re.MULTILINE)
