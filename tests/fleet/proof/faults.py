"""What is done to the fleet under load, one after another."""

import contextlib
import dataclasses
import time

from .pair import new_build

SETTLE_TIMEOUT = 60
# What counts as well again: that long without an error, with that many turns.
QUIET_SECONDS, QUIET_TURNS = 1.0, 40


@dataclasses.dataclass
class Fault:
    """`act(fleet, seconds)` does it, lets it last for `seconds` where that is its choice, and undoes it."""

    name: str
    act: callable
    harmless: bool = False  # no client may see an error


@dataclasses.dataclass
class Outcome:
    fault: Fault
    begun: float
    ended: float = 0.0
    failed_over: bool = False  # another Redis has taken over


def kill(services):
    """Kills all processes of a service; its machine's supervisor starts it again."""
    def act(fleet, seconds):
        services(fleet).kill()
        fleet.hold(seconds)
    return act


def partition(services):
    def act(fleet, seconds):
        machine = services(fleet).machine
        machine.cut()
        try:
            fleet.hold(seconds)
        finally:
            machine.heal()
    return act


def kill_worker(fleet, seconds):
    fleet.edges[0].kill_worker()
    fleet.hold(seconds)


def fill(disk):
    def act(fleet, seconds):
        full = disk(fleet)
        full.fill()
        try:
            fleet.hold(seconds)
        finally:
            full.free()
    return act


def fill_redis(fleet, seconds):
    """When there is room again, its file is written anew, as docs/operations.md says."""
    server = victim(fleet)
    fill(lambda _: server.disk)(fleet, seconds)
    server.rewrite_file()


def restart_postgres(fleet, seconds):
    server = fleet.postgres.primary
    server.stop()
    fleet.hold(seconds / 2)
    server.start().wait_ready()


def promote(fleet, seconds):
    """The primary dies for good, its replica takes over after a while, and a new replica is made."""
    fleet.postgres.take_over(lambda: fleet.hold(seconds))
    fleet.postgres.replica.follow(fleet.postgres.primary)


def roll(fleet, seconds):
    """Every pair goes over to a new build."""
    build = new_build(fleet.network.folder / f"build-{int(time.monotonic() * 1000)}")
    for number in range(len(fleet.edges)):
        fleet.roll(number, build)
        if fleet.sidecar_build(number) != str(build / "npcchat-sidecar"):
            raise RuntimeError(f"{fleet.sidecars[number]} runs {fleet.sidecar_build(number)} after the upgrade")


def edge(fleet):
    return fleet.edges[0]


def sidecar(fleet):
    return fleet.sidecars[1]


def primary(fleet):
    return fleet.postgres.primary


def victim(fleet):
    return fleet.store.victim()


EVERYWHERE = [
    Fault("kill a worker of an edge", kill_worker),
    Fault("kill an edge", kill(edge)),
    Fault("kill a sidecar", kill(sidecar)),
    Fault("kill Redis", kill(victim)),
    Fault("kill PostgreSQL", kill(primary)),
    Fault("kill the replica of PostgreSQL", kill(lambda fleet: fleet.postgres.replica)),
    Fault("kill the model", kill(lambda fleet: fleet.model)),
    Fault("kill the balancer", kill(lambda fleet: fleet.balancer)),
    Fault("restart PostgreSQL", restart_postgres),
    Fault("cut off an edge", partition(edge)),
    Fault("cut off a sidecar", partition(sidecar)),
    Fault("cut off Redis", partition(victim)),
    Fault("cut off PostgreSQL", partition(primary)),
    Fault("fill Redis' disk", fill_redis),
    Fault("fill PostgreSQL's disk", fill(lambda fleet: primary(fleet).disk)),
    Fault("fill an edge's log disk", fill(lambda fleet: fleet.edges[0].log_disk), harmless=True),
    Fault("promote the replica of PostgreSQL", promote),
    Fault("roll all to a new build", roll, harmless=True),
]


def faults_for(store):
    """All that can be done to a fleet on this store."""
    return [*EVERYWHERE, *store.faults()]


class Doer:
    """Does faults one after another, and sees to it that each is over before the next."""

    def __init__(self, fleet, load, say):
        self.fleet = fleet
        self.load = load
        self.outcomes = []
        self._say = say

    def do(self, fault, seconds):
        self.settle()
        outcome = Outcome(fault, time.monotonic())
        masters = self.fleet.store.masters()
        fault.act(self.fleet, seconds)
        self.settle()
        outcome.ended = time.monotonic()
        outcome.failed_over = self.fleet.store.masters() != masters
        self.outcomes.append(outcome)
        self._say(f"{fault.name}: {outcome.ended - outcome.begun:.1f} s")

    def settle(self):
        """Waits until everything runs, and no client has seen an error for a while."""
        def quiet():
            self.load.check()
            now = time.monotonic()
            lately = self.load.record.between(now - QUIET_SECONDS, now)
            good = sum(attempt.outcome == 200 for _, attempt in lately)
            return good >= QUIET_TURNS * QUIET_SECONDS / 2 and not self.load.record.errors_between(
                now - QUIET_SECONDS, now) and self.fleet.all_ready()
        begun = time.monotonic()
        self.fleet.wait(lambda: time.monotonic() - begun > QUIET_SECONDS and quiet(), SETTLE_TIMEOUT, "calm")


@contextlib.contextmanager
def running(load):
    load.start()
    try:
        yield load
    finally:
        load.stop()
