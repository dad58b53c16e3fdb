"""Free TCP ports and source addresses on loopback."""

import itertools
import os
import random
import socket

# Below the range that the kernel gives to outgoing connections, so that a test under load takes none of them away.
FIRST_PORT, LAST_PORT = 15000, 32000

_addresses = itertools.count(os.getpid() % 4096 * 256)


def free_port():
    """A port of 127.0.0.1 that nobody listens on now."""
    for _ in range(200):
        port = random.SystemRandom().randrange(FIRST_PORT, LAST_PORT)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no free port found")


def fresh_address():
    """A loopback address that this process has not used before: limits by address count it from zero."""
    number = next(_addresses)
    return f"127.{1 + (number >> 16) % 254}.{(number >> 8) % 256}.{1 + number % 254}"
