"""The whole fleet: pairs of edge and sidecar, their stores, a model, a balancer in front, and people who may use it."""

import secrets
import subprocess
import time

from harness.waiting import wait_until

from .front import Balancer, StubModel
from .load import Person
from .network import Network
from .pair import Edge, Shared, Sidecar
from .postgres import PostgresPair

PEOPLE = 8
LIMITED = {"requests_per_minute": 60, "burst": 9}
SPENDER = {"tokens_per_minute": 6000}
SPENDERS = 3  # clients of that user at once


class Fleet:
    """`store` makes the store of the chats on a network; `model` is a class of front.py.

    Chats that were left for `archive_after` seconds are archived, and leave Redis.
    """

    def __init__(self, store, *, pairs=3, model=StubModel, archive_after=5):
        self.network = Network()
        self.store = store(self.network)
        self.postgres = PostgresPair([self.network.machine("postgres-1", 11), self.network.machine("postgres-2", 12)])
        self.model = model(self.network.machine("model", 3))
        front = self.network.machine("balancer", 2)
        self.admin_key = "admin-" + secrets.token_urlsafe(24)
        self._secret = secrets.token_urlsafe(24)
        env = {"ADMIN_KEY": self.admin_key, "DATABASE_URL": self.postgres.url(), "REDIS_URL": self.store.url(),
               "OPENAI_BASE_URL": self.model.base_url, "OPENAI_API_KEY": "sk-" + secrets.token_hex(12),
               "ARCHIVE_AFTER": str(archive_after), "RATE_LIMIT": "0", "SIGNUP": "admin", "LOOPS": "2", "EDGE_WORKERS": "2",
               "TRUSTED_PROXIES": front.address, **self.store.settings}
        self.edges, self.sidecars = [], []
        for number in range(1, pairs + 1):
            edge, sidecar = (self.network.machine(f"{name}-{number}", base + number)
                             for name, base in (("edge", 30), ("sidecar", 40)))
            shared = Shared(edge.folder / "pair", env, self._secret)
            self.edges.append(Edge(edge, shared))
            self.sidecars.append(Sidecar(sidecar, shared))
        self.balancer = Balancer(front, self.edges)
        self.people = []
        self.limited = self.spender = None

    def services(self):
        return [self.model, *self.postgres.servers, *self.store.services, *self.sidecars, *self.edges, self.balancer]

    def start(self):
        self.model.start()
        self.postgres.start()
        self.store.start()
        self.model.wait_ready()
        for service in self.sidecars:
            service.start()
        for service in self.sidecars:
            service.wait_ready()
        for service in [*self.edges, self.balancer]:
            service.start()
        for service in [*self.edges, self.balancer]:
            service.wait_ready()
        return self

    @property
    def address(self):
        return self.balancer.machine.address

    def admit(self):
        """Makes the users: some with an NPC, some without, one with a rate of requests, and one with one of tokens."""
        admin = self.balancer.client(self.admin_key)
        for number in range(PEOPLE):
            person = self._sign_up(f"person-{number}")
            if number % 2:
                body = {"char_descr": "A knight of few words.", "world_descr": "A castle."}
                answer = self.balancer.client(person.key).post("/create_npc/", json_body=body).expect(200)
                person.npc_id = answer.json["npc_id"]
            self.people.append(person)
        self.limited, self.spender = self._sign_up("limited"), self._sign_up("spender")
        for person, plan in ((self.limited, LIMITED), (self.spender, SPENDER)):
            admin.put(f"/users/{person.name}/plan", json_body=plan).expect(200)
        return self

    def greedy(self):
        """Who of them exceeds a plan, with how many clients."""
        return [(self.limited, 1), (self.spender, SPENDERS)]

    def _sign_up(self, name):
        body = {"username": name, "password": "a password for the fleet"}
        answer = self.balancer.client(self.admin_key).post("/signup/", json_body=body).expect(200)
        return Person(name, answer.json["api_key"])

    def key_of(self, name):
        return next(person.key for person in [*self.people, self.limited, self.spender] if person.name == name)

    # --- while time goes by ---

    def revive(self):
        """What a supervisor does on each machine."""
        for service in self.services():
            service.revive()

    def wait(self, condition, timeout, what):
        """Waits for a condition while what has died is started again."""
        def met():
            self.revive()
            return condition()
        wait_until(met, timeout, what)

    def hold(self, seconds):
        """Lets a fault last."""
        end = time.monotonic() + seconds
        self.wait(lambda: time.monotonic() >= end, seconds + 5, "time to go by")

    def all_ready(self):
        return (all(service.alive() for service in self.services()) and self.store.is_well()
                and all(edge.ready() for edge in self.edges))

    def roll(self, number, build):
        """Has a pair go over to a new build as docs/operations.md says: out of the balancer, ended, begun, put back."""
        edge, sidecar = self.edges[number], self.sidecars[number]
        self.balancer.take_out(edge)
        for service in (edge, sidecar):
            status = service.stop(70)
            if status != 0:
                raise RuntimeError(f"{service} ended with {status}:\n{service.tail()}")
        edge.shared.build = build
        sidecar.start().wait_ready()
        edge.start().wait_ready()
        self.balancer.put_back(edge)

    def sidecar_build(self, number):
        """The program that a sidecar runs."""
        done = subprocess.run(["readlink", f"/proc/{self.sidecars[number].pid}/exe"], capture_output=True, text=True,
                              check=True, timeout=10)
        return done.stdout.strip()


