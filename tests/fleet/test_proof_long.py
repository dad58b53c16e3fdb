"""The long form of the proof: each store, all faults several times, in any order, and longer."""

import pytest


@pytest.mark.parametrize("store", ["redis", "cluster"])
def test_no_fault_loses_or_doubles_a_turn(prove, store):
    prove("--store", store, "--rounds", 4, "--seconds", 5, timeout=2400)


def test_a_turn_costs_the_same_at_one_two_and_three_pairs(prove):
    prove("--scale", timeout=300)
