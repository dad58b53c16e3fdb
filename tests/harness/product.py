"""The whole product, started as users start it: ./scripts/run, with a folder of its own for its state."""

import dataclasses
import itertools
import os
import pathlib
import secrets as random_secrets

from . import ROOT, processes
from .client import Client
from .ports import free_port, fresh_address
from .processes import Process
from .secrets import Secrets, find_in_files
from .waiting import quietly, wait_until

RUN = ROOT / "scripts" / "run"
START_TIMEOUT = 60
STOP_TIMEOUT = 15

# All that the product gets from the environment of the tests: which build, and how sanitizers behave.
PASSED_ON = ("NPCCHAT_BUILD_DIR", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")

_names = itertools.count(1)


def fresh_name(prefix="user"):
    """A user name that no other test has."""
    return f"{prefix}.{os.getpid()}.{next(_names)}"


@dataclasses.dataclass
class User:
    name: str
    password: str
    client: Client

    @property
    def key(self):
        return self.client.key


class Product:
    """nginx with the module and the sidecar behind it. `env` is added to a clean environment; None takes away."""

    def __init__(self, folder, env=None, *, stub=None, state=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.state = pathlib.Path(state or self.folder / "state")
        self.port = free_port()
        self.stub = stub
        self.admin_key = "admin-" + random_secrets.token_urlsafe(24)
        self.secrets = Secrets()
        self.env = self._environment(env or {})
        self._register_secrets()
        self._process = self._new_process()

    # --- running ---

    def start(self):
        self.begin()
        return self.wait_ready()

    def begin(self):
        """Starts it and does not wait for anything."""
        self._process.start()

    def wait_ready(self):
        wait_until(self._ready, START_TIMEOUT, "readiness of the product")
        return self

    def stop(self):
        """Stops it as a user does. Returns the exit status of ./scripts/run."""
        return self._process.stop(STOP_TIMEOUT)

    def restart(self):
        """A stop and a start with the same state."""
        self.stop()
        self._process = self._new_process()
        return self.start()

    def alive(self):
        return self._process.alive()

    def signal(self, number):
        self._process.signal(number)

    def wait(self, timeout):
        return self._process.wait(timeout)

    @property
    def output(self):
        """What ./scripts/run has printed since its last start."""
        return self._process.output()

    @property
    def logs(self):
        return self.state / "log"

    def log_text(self):
        return "".join(path.read_text(errors="replace") for path in sorted(self.logs.rglob("*")) if path.is_file())

    def pids(self):
        """Every process that belongs to it."""
        return [self._process.pid, *processes.descendants(self._process.pid)]

    def sidecar_pid(self):
        """The sidecar's process id, None while there is none."""
        for pid in self.pids():
            words = processes.command_line(pid)
            if words and os.path.basename(words[0]) == "npcchat-sidecar":
                return pid
        return None

    # --- clients ---

    @property
    def anyone(self):
        return Client(self.port, host=self.env.get("BIND", "127.0.0.1"))

    @property
    def admin(self):
        return self.anyone.with_key(self.env.get("ADMIN_KEY"))

    def sign_up(self, name=None, password=None):
        """A new user. Each comes from an address of its own, as signing up is limited by address."""
        name = name or fresh_name()
        password = password or "pass-" + random_secrets.token_urlsafe(12)
        client = self.anyone.from_address(fresh_address())
        if self.env.get("SIGNUP") == "admin":
            client = client.with_key(self.admin_key)
        answer = client.post("/signup/", json_body={"username": name, "password": password}).expect(200)
        self.secrets.add(password, f"the password of {name}")
        return User(name, password, self.client_of(answer.json["api_key"], name))

    def client_of(self, key, owner):
        """A client with a key that from now on may stand in no log."""
        self.secrets.add_key(key, owner)
        return self.anyone.with_key(key)

    # --- checks ---

    def secrets_in_logs(self):
        """Sentences on secrets found in the logs and in what ./scripts/run printed."""
        printed = self._process.log.read_text(errors="replace") if self._process.log.exists() else ""
        return find_in_files(self.secrets, self.logs) + self.secrets.found_in(printed, "the output")

    def _ready(self):
        self._process.require_alive()
        answer = quietly(lambda: self.anyone.get("/readyz"))
        # ./scripts/run waits for the same, and prints the URL after it.
        return answer is not None and answer.status == 200 and f":{self.port}" in self.output

    def _new_process(self):
        return Process("npcchat", [RUN], self.folder / "run.log", env=self.env, cwd=self.folder)

    def _environment(self, env):
        base = {name: os.environ[name] for name in PASSED_ON if name in os.environ} | {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "LANG": "C.UTF-8",
            "NPCCHAT_SKIP_BUILD": "1",
            "PORT": str(self.port),
            "STATE_DIR": str(self.state),
            "ADMIN_KEY": self.admin_key,
            "RATE_LIMIT": "0",
        }
        if self.stub is not None:
            base |= {
                "OPENAI_BASE_URL": self.stub.url("/openai"),
                "OPENAI_API_KEY": "sk-openai-" + random_secrets.token_hex(12),
                "NEBIUS_BASE_URL": self.stub.url("/nebius"),
                "NEBIUS_API_KEY": "sk-nebius-" + random_secrets.token_hex(12),
            }
        base |= env
        return {name: str(value) for name, value in base.items() if value is not None}

    def _register_secrets(self):
        if "ADMIN_KEY" in self.env:
            self.secrets.add_key(self.env["ADMIN_KEY"], "the admin")
        for name in ("OPENAI_API_KEY", "NEBIUS_API_KEY"):
            self.secrets.add(self.env.get(name), name)
