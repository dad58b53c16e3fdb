"""The short form of the proof: see prove.py."""

import re


def test_no_fault_loses_or_doubles_a_turn(prove):
    printed = prove("--store", "cluster", timeout=280)
    # Acknowledged turns, and none that failed.
    assert re.search(r"roll all to a new build +[1-9]\d* +0 +0 ", printed)
