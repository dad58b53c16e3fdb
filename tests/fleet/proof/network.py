"""Machines that share one switch: network namespaces, joined by pairs of virtual links to a bridge.

All of it lies inside the namespaces of enter(), and ends with their last process: nothing has to be taken away, and
whoever runs it twice at once notices nothing.
"""

import os
import pathlib
import shutil
import subprocess
import sys

from harness.processes import Process

# A private mount of this name's folder holds all files of a proof, also those of the machines' names.
FOLDER = pathlib.Path("/run/npcchat-fleet")
NETWORK = "10.77.0"
BRIDGE = "switch"
UNSHARE = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc", "--"]
INSIDE = "NPCCHAT_FLEET_INSIDE"
SEARCHED = os.environ["PATH"] + ":/usr/sbin:/sbin"


def unavailable():
    """Why namespaces cannot be made here; empty where they can."""
    if os.geteuid() != 0:
        return "network namespaces and the uid of PostgreSQL need root"
    for program in ("unshare", "nsenter", "ip", "mount", "setpriv"):
        if shutil.which(program, path=SEARCHED) is None:
            return f"{program} is not installed"
    done = subprocess.run([*UNSHARE, "sh", "-c", "mount -t tmpfs none /run && ip link add type veth"],
                          capture_output=True, text=True, timeout=30)
    return "" if done.returncode == 0 else f"no namespaces can be made here: {done.stderr.strip()}"


def inside():
    return INSIDE in os.environ


def enter(command):
    """Runs `command` in namespaces of its own, which end with it or with this process. Its exit status."""
    os.environ[INSIDE] = "1"
    # setpriv: the kernel ends it if this process is killed, and unshare then ends what is inside.
    return subprocess.call(["setpriv", "--pdeathsig", "KILL", "--", *UNSHARE, sys.executable, *command])


class Network:
    """The switch, and this process' own place at it. `size` is of the memory that all files may take."""

    folder = FOLDER

    def __init__(self, size="3g"):
        run("mount", "-t", "tmpfs", "-o", "mode=0755", "none", "/run")
        FOLDER.mkdir(mode=0o711)
        run("mount", "-t", "tmpfs", "-o", f"mode=0711,size={size}", "none", FOLDER)
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", BRIDGE, "type", "bridge")
        run("ip", "address", "add", f"{NETWORK}.1/24", "dev", BRIDGE)
        run("ip", "link", "set", BRIDGE, "up")

    def machine(self, name, number):
        """A machine at the switch; `number` is the last of its address, 2 to 254."""
        return Machine(name, f"{NETWORK}.{number}")


class Machine:
    def __init__(self, name, address):
        self.name = name
        self.address = address
        self.folder = FOLDER / name
        self.folder.mkdir(mode=0o711)
        self.prefix = ["nsenter", f"--net=/run/netns/{name}", "--"]  # of a command that runs on it
        self._link = f"to-{name}"
        run("ip", "netns", "add", name)
        run("ip", "link", "add", self._link, "type", "veth", "peer", "name", "eth0", "netns", name)
        run("ip", "link", "set", self._link, "master", BRIDGE, "up")
        for words in (("address", "add", f"{address}/24", "dev", "eth0"), ("link", "set", "lo", "up"),
                      ("link", "set", "eth0", "up")):
            run("ip", "-n", name, *words)

    def cut(self):
        """Nothing reaches it, and nothing that it sends arrives."""
        run("ip", "link", "set", self._link, "down")

    def heal(self):
        run("ip", "link", "set", self._link, "up")

    def shun(self, others):
        """Sends nothing to those machines any more, which so cannot talk with it; all others can."""
        for other in others:
            run("ip", "-n", self.name, "route", "add", "blackhole", other.address)

    def accept(self, others):
        """Ends that."""
        for other in others:
            run("ip", "-n", self.name, "route", "del", "blackhole", other.address)

    def process(self, name, command, **more):
        """A Process on this machine, not started yet."""
        return Process(f"{name} of {self.name}", [*self.prefix, *command], self.folder / f"{name}.log", **more)


class Disk:
    """A folder on a small disk of its own, which can be filled."""

    def __init__(self, folder, size):
        self.folder = pathlib.Path(folder)
        self._ballast = self.folder / "ballast"
        self.folder.mkdir(parents=True, exist_ok=True)
        run("mount", "-t", "tmpfs", "-o", f"mode=0711,size={size}", "none", self.folder)

    def fill(self):
        with open(self._ballast, "wb", buffering=0) as file:
            block = 1 << 20
            while block:
                try:
                    if file.write(bytes(block)) < block:
                        block //= 2
                except OSError:
                    block //= 2

    def free(self):
        self._ballast.unlink()


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=30)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return done.stdout
