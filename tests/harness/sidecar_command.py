"""Commands of npcchat-sidecar on the stores of a product that does not run."""

import os
import pathlib
import subprocess

from . import ROOT
from .processes import Process

BUILD = pathlib.Path(os.environ.get("NPCCHAT_BUILD_DIR", ROOT / "build"))
SIDECAR = BUILD / "npcchat-sidecar"


def run_sidecar(env, *arguments, timeout=60):
    """Runs the command to its end; the status, and what it printed."""
    return subprocess.run([SIDECAR, *map(str, arguments)], env=env, capture_output=True, text=True, timeout=timeout)


def start_sidecar(env, log, *arguments):
    """Starts the command and does not wait for its end."""
    return Process("npcchat-sidecar", [SIDECAR, *arguments], log, env=env).start()
