"""Where the chats are: one Redis with an append-only file, or a Redis Cluster, each node on a machine of its own."""

import time

import redis
from harness import processes
from harness.redis_cluster import RedisCluster
from harness.waiting import quietly, wait_until

from .faults import Fault
from .network import Disk
from .service import RESTART_AFTER, Service

PORT = 6379
DISK = "160m"
MOVED_SLOTS = 300
SPLIT_SECONDS = 4.0  # until a replica has taken over, and longer


def data_memory(info):
    """Bytes that a server's data take, without those of its connections."""
    others = ("mem_clients_normal", "mem_clients_slaves", "mem_total_replication_buffers", "mem_aof_buffer",
              "mem_cluster_links")
    return info["used_memory"] - sum(info.get(name, 0) for name in others)


def rewrite_file(address, port):
    """Has a server write its append-only file anew, and waits for that."""
    with redis.Redis(address, port, socket_timeout=5) as client:
        client.bgrewriteaof()
        wait_until(lambda: not any(client.info("persistence")[name] for name in (
            "aof_rewrite_in_progress", "aof_rewrite_scheduled")), 60, "the append-only file")


class RedisServer(Service):
    program = "redis-server"

    def __init__(self, machine):
        super().__init__(machine)
        self.disk = Disk(machine.folder / "data", DISK)

    def command(self):
        return ([processes.find_program("redis-server"), "--port", PORT, "--bind", self.machine.address,
                 "--protected-mode", "no", "--save", "", "--dir", self.disk.folder, "--daemonize", "no",
                 "--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction",
                 # A rewrite needs the file's room once more.
                 "--auto-aof-rewrite-min-size", "1gb"], None)

    def rewrite_file(self):
        rewrite_file(self.machine.address, PORT)

    def ready(self):
        with redis.Redis(self.machine.address, PORT, socket_timeout=2) as client:
            return quietly(client.ping, redis.RedisError)


class SingleRedis:
    """One server. It is away while it is down, and has lost nothing when it is back."""

    name = "one Redis"
    settings = {}

    def __init__(self, network):
        self.server = RedisServer(network.machine("redis", 21))
        self.services = [self.server]

    def url(self):
        return f"redis://{self.server.machine.address}:{PORT}/0"

    def start(self):
        self.server.start().wait_ready()

    def victim(self):
        return self.server

    def masters(self):
        """Names of those that take writes."""
        return {str(self.server)}

    def is_well(self):
        return self.server.ready()

    def faults(self):
        return []

    def used_memory(self):
        with redis.Redis(self.server.machine.address, PORT, socket_timeout=5) as client:
            return data_memory(client.info("memory"))


class ClusterMember:
    """A node of a cluster on its machine, with a disk of its own and a supervisor."""

    def __init__(self, machine, node, disk):
        self.machine = machine
        self.node = node
        self.disk = disk
        self._died = None

    def __str__(self):
        return self.machine.name

    def pids(self):
        return [self.node.pid] if self.alive() else []

    def alive(self):
        return self.node.alive()

    def kill(self):
        self.node.kill()

    def rewrite_file(self):
        rewrite_file(self.node.host, self.node.port)

    def revive(self):
        if self.alive():
            self._died = None
        elif self._died is None:
            self._died = time.monotonic()
        elif time.monotonic() - self._died >= RESTART_AFTER:
            self.node.start()


class ClusterOfRedis:
    """Three masters with a replica each, on six machines."""

    name = "a Redis Cluster of six"
    settings = {"REDIS_WAIT_REPLICAS": "1"}

    def __init__(self, network):
        machines = [network.machine(f"redis-{number}", 20 + number) for number in range(1, 7)]
        folder = network.folder / "redis-cluster"
        disks = [Disk(folder / f"node-{number}", DISK) for number in range(6)]
        self.cluster = RedisCluster(folder, places=[(machine.address, machine.prefix) for machine in machines])
        self.services = [ClusterMember(*parts) for parts in zip(machines, self.cluster.nodes, disks, strict=True)]

    def url(self):
        return self.cluster.url()

    def start(self):
        self.cluster.start()

    def victim(self):
        """A master."""
        return self._member(self.cluster.masters()[0])

    def masters(self):
        return {str(self._member(node)) for node in self.cluster.masters()}

    def is_well(self):
        return self.cluster.is_whole()

    def faults(self):
        return [Fault("kill a replica of Redis", self._kill_replica),
                Fault("fail over by hand", self._fail_over),
                Fault("cut a Redis master off from its cluster alone", self._split),
                Fault("move slots between nodes", self._reshard)]

    def used_memory(self):
        return sum(data_memory(node.execute("INFO", "memory")) for node in self.cluster.masters())

    def _member(self, node):
        return next(member for member in self.services if member.node is node)

    def _kill_replica(self, fleet, seconds):
        self._member(self.cluster.replicas_of(self.cluster.masters()[0])[0]).kill()
        fleet.hold(seconds)

    def _fail_over(self, fleet, seconds):
        self.cluster.fail_over(self.cluster.replicas_of(self.cluster.masters()[0])[0])
        fleet.hold(seconds)

    def _split(self, fleet, seconds):
        """Sidecars still reach it, while the others replace it."""
        machine = self.victim().machine
        others = [member.machine for member in self.services if member.machine is not machine]
        machine.shun(others)
        try:
            fleet.hold(max(seconds, SPLIT_SECONDS))
        finally:
            machine.accept(others)

    def _reshard(self, fleet, _):
        """There and back again."""
        source, target = self.cluster.masters()[:2]
        self.cluster.reshard(source, target, MOVED_SLOTS)
        self.cluster.reshard(target, source, MOVED_SLOTS)
