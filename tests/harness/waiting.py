"""Bounded waits: tests wait for a condition, never for a time."""

import time


def wait_until(condition, timeout, what, interval=0.02):
    """Calls `condition` until it gives something true, and returns that; TimeoutError after `timeout` seconds.

    An exception of `condition` is not caught: a condition that may fail for a while says so by returning None.
    """
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout} s for: {what}")
        time.sleep(interval)


def quietly(function, *exceptions):
    """`function`'s result, or None where it raises one of `exceptions` (OSError unless told)."""
    try:
        return function()
    except exceptions or (OSError,):
        return None
