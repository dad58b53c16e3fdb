"""npcchat as ./scripts/run starts it, on stores of its own, with nginx's canned answer as its model."""

import pathlib

import measure
import servers
from harness import processes
from harness.product import Product
from harness.services import Postgres, Redis
from harness.talk import make_npc

SIDECAR = "npcchat-sidecar"


class Stack:
    """Redis, PostgreSQL, the canned model, and products on them. A context: all is stopped at its end."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.redis = Redis(self.folder / "redis")
        self.postgres = Postgres(self.folder / "postgres")
        self.canned = None
        self.product = None
        self.user = None
        self.npc_id = None
        self._running = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for service in reversed(self._running):
            service.stop()

    def keep(self, service):
        """Has the service stopped in the end."""
        self._running.append(service)
        return service

    def start(self):
        self.keep(self.redis).start()
        self.keep(self.postgres).start()
        self.canned = self.keep(servers.canned(self.folder / "canned"))
        self.product = self.new_product("product", 0, self.canned.url("/v1"))
        self.user = self.product.sign_up()
        self.npc_id = make_npc(self.user.client)

    def new_product(self, name, redis_database, model_url):
        """A running product on a database of its own; without a limit for users, and nginx with one worker, as elsewhere."""
        env = {"EDGE_WORKERS": "1", "REDIS_URL": self.redis.url(redis_database), "OPENAI_BASE_URL": model_url,
               "RATE_LIMIT": "0", "DATABASE_URL": self.postgres.url(self.postgres.new_database())}
        return self.keep(Product(self.folder / name, env)).start()

    def groups(self):
        """The ids of all processes that have a part in a chat, by what they are."""
        groups = {"nginx": [], "sidecar": []}
        for pid in self.product.pids():
            words = processes.command_line(pid)
            program = words[0].split("/")[-1] if words else ""
            if program == SIDECAR:
                groups["sidecar"].append(pid)
            elif program.startswith("nginx"):
                groups["nginx"].append(pid)
        groups["redis"] = measure.with_children(self.redis.pid)
        groups["postgres"] = measure.with_children(self.postgres.pid)
        groups["canned"] = measure.with_children(self.canned.pid)
        return groups

    def memory(self):
        """Resident MiB of each group."""
        return {name: measure.resident_mib(pids) for name, pids in self.groups().items()}
