"""An edge and its sidecar, each on a machine of its own, so that each can be cut off.

They are joined by unix sockets in a folder that both have, as in a pod. The edge's configuration is made by the functions
that ./scripts/run and the image use.
"""

import os
import pathlib
import shutil
import signal
import subprocess

from harness import ROOT, processes
from harness.client import Client
from harness.edge import build_folder, sanitizer_environment
from harness.waiting import quietly

from .network import Disk
from .service import Service

PORT = 8001
LOG_DISK = "8m"
# Writes nginx's configuration into $STATE_DIR/run.
CONFIGURE = """
set -euo pipefail
source "$NPC_SCRIPTS/lib/common.sh"
source "$NPC_SCRIPTS/lib/settings.sh"
source "$NPC_SCRIPTS/lib/nginx-conf.sh"
read_settings
plain_state=$STATE_DIR sockets=$STATE_DIR/run secret_file=$STATE_DIR/edge.secret
raise_descriptor_limit
write_nginx_conf
"""


def new_build(folder):
    """A build to roll to: the same programs in another folder."""
    folder = pathlib.Path(folder)
    folder.mkdir()
    for name in ("npcchat-sidecar", "ngx_http_npcchat_module.so", "CMakeCache.txt"):
        shutil.copy(build_folder() / name, folder)
    return folder


class Shared:
    """What the two of a pair have in common: a folder, the secret, which build."""

    def __init__(self, folder, env, secret):
        self.folder = pathlib.Path(folder)
        self.env = env
        self.secret = secret
        self.build = build_folder()
        (self.folder / "run").mkdir(parents=True)
        path = self.folder / "edge.secret"
        path.write_text(secret + "\n")
        path.chmod(0o640)

    def socket(self):
        return self.folder / "run" / "sidecar.sock"


class Edge(Service):
    program = "nginx"
    stop_signal = signal.SIGQUIT

    def __init__(self, machine, shared):
        super().__init__(machine)
        self.shared = shared
        self.log_disk = Disk(shared.folder / "log", LOG_DISK)

    @property
    def address(self):
        return f"{self.machine.address}:{PORT}"

    def client(self, key=None):
        return Client(PORT, key, host=self.machine.address, timeout=5)

    def command(self):
        self._configure()
        folder = self.shared.folder
        return ([processes.find_program("nginx", "/usr/sbin"), "-p", folder, "-c", folder / "run" / "nginx.conf",
                 "-e", folder / "log" / "error.log"], {"PATH": os.environ["PATH"], **sanitizer_environment()})

    def ready(self):
        answer = quietly(lambda: self.client().get("/readyz"))
        return answer is not None and answer.status == 200

    def workers(self):
        return [pid for pid in processes.descendants(self.pid)
                if processes.command_line(pid)[:1] == ["nginx: worker process"]]

    def kill_worker(self):
        processes.send_signal(self.workers()[:1], signal.SIGKILL)

    def _configure(self):
        env = {**self.shared.env, "PATH": os.environ["PATH"], "NPC_SCRIPTS": str(ROOT / "scripts"), "PORT": str(PORT),
               "BIND": self.machine.address, "STATE_DIR": str(self.shared.folder),
               "NPCCHAT_BUILD_DIR": str(self.shared.build), "SIDECAR_LISTEN": f"unix:{self.shared.socket()}",
               "SIDECAR_KEYS_LISTEN": f"unix:{self.shared.socket()}.keys"}
        subprocess.run(["bash", "-c", CONFIGURE], env=env, check=True, timeout=30)


class Sidecar(Service):
    program = "sidecar"

    def __init__(self, machine, shared):
        super().__init__(machine)
        self.shared = shared

    def command(self):
        env = {**self.shared.env, "PATH": os.environ["PATH"], "STATE_DIR": str(self.machine.folder),
               "EDGE_SECRET": self.shared.secret, "SIDECAR_LISTEN": f"unix:{self.shared.socket()}"}
        return [self.shared.build / "npcchat-sidecar"], env

    def ready(self):
        return self.shared.socket().is_socket()


