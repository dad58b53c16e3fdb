"""Free TCP ports and source addresses on loopback."""

import itertools
import os
import random
import socket

# Below the range that the kernel gives to outgoing connections, so that a test under load takes none of them away.
FIRST_PORT, LAST_PORT = 15000, 32000

_addresses = itertools.count(os.getpid() % 4096 * 256)
_reserved = []


def free_port():
    """A port of 127.0.0.1 that nobody listens on, and that no other test takes while this process lives."""
    for _ in range(200):
        port = random.SystemRandom().randrange(FIRST_PORT, LAST_PORT)
        if _reserve(port):
            return port
    raise OSError("no free port found")


def _reserve(port):
    # A server may start to listen long after its port was chosen, or listen again after a restart. An abstract unix
    # socket of the port's name keeps the choice from tests that run beside this one, and ends with the process.
    mark = socket.socket(socket.AF_UNIX)
    with socket.socket() as probe:
        try:
            mark.bind(f"\0npcchat-test-port-{port}")
            probe.bind(("127.0.0.1", port))
        except OSError:
            mark.close()
            return False
    _reserved.append(mark)
    return True


def fresh_address():
    """A loopback address that this process has not used before: limits by address count it from zero."""
    number = next(_addresses)
    return f"127.{1 + (number >> 16) % 254}.{(number >> 8) % 256}.{1 + number % 254}"
