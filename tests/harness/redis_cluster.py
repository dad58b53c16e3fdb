"""A Redis Cluster of real servers: started on free ports, failed over, resharded, stopped by process id."""

import itertools
import pathlib
import subprocess

import redis

from . import processes
from .ports import free_port
from .redis_server import RedisServer
from .waiting import quietly, wait_until

START_TIMEOUT = 60
SLOTS = 16384


class ClusterNode(RedisServer):
    """One redis-server of a cluster, with a durable append file.

    `prefix` is a command that runs it elsewhere (`ip netns exec NAME`), `host` the address that it has there.
    """

    def __init__(self, folder, *, host="127.0.0.1", prefix=(), node_timeout=1000):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        # The bus has a port of its own choice: 10000 above the other may be taken.
        port, self.bus_port = free_port(), free_port()
        super().__init__(f"redis-server {port}", self.folder / "redis.log", port,
                         "--protected-mode", "no", "--save", "", "--appendonly", "yes", "--appendfsync", "no",
                         "--cluster-enabled", "yes", "--cluster-port", self.bus_port,
                         "--cluster-node-timeout", node_timeout,
                         # A replica takes over however long it has not heard of its master.
                         "--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0",
                         host=host, prefix=prefix)

    def node_id(self):
        return self.execute("CLUSTER MYID").decode()

    def is_master(self):
        return self.execute("ROLE")[0] == b"master"

    def slots(self):
        """The slots that it serves as it sees it, as a set of numbers; empty for a replica."""
        for line in _cluster_nodes(self):
            if "myself" in line[2].split(","):
                return set(itertools.chain.from_iterable(map(_slot_range, line[8:])))
        return set()


class RedisCluster:
    """`masters` masters, each with `replicas` replicas. `places` says, for each node, its (host, prefix)."""

    def __init__(self, folder, *, masters=3, replicas=1, node_timeout=1000, places=()):
        folder = pathlib.Path(folder)
        self._replicas = replicas
        count = masters * (1 + replicas)
        places = list(places) or [("127.0.0.1", ())] * count
        self.nodes = [ClusterNode(folder / f"node-{number}", host=host, prefix=prefix, node_timeout=node_timeout)
                      for number, (host, prefix) in zip(range(count), places, strict=True)]

    def url(self, nodes=3):
        """For REDIS_URL, with the first `nodes` nodes."""
        return "redis+cluster://" + ",".join(node.address for node in self.nodes[:nodes])

    def start(self):
        try:
            for node in self.nodes:
                node.start()
            self.manage("create", *(f"{node.address}@{node.bus_port}" for node in self.nodes), "--cluster-replicas",
                        self._replicas, "--cluster-yes")
            self.wait_whole()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self):
        for node in self.nodes:
            node.stop()

    def manage(self, command, *arguments):
        """Runs `redis-cli --cluster COMMAND` and gives back what it printed; RuntimeError where it fails."""
        full = [processes.find_program("redis-cli"), "--cluster", command, *map(str, arguments)]
        done = subprocess.run(full, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(full)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    # --- who is who ---

    def living(self):
        return [node for node in self.nodes if node.alive()]

    def masters(self):
        return [node for node in self.living() if node.is_master() and node.slots()]

    def replicas_of(self, master):
        """The living replicas of `master`, which may be dead itself, as the first other node sees it."""
        witness = next(node for node in self.living() if node is not master)
        lines = _cluster_nodes(witness)
        master_id = next(line[0] for line in lines if _address_of(line) == master.address)
        addresses = {_address_of(line) for line in lines if line[3] == master_id}
        return [node for node in self.living() if node.address in addresses]

    def slot_of(self, key):
        return self.living()[0].execute("CLUSTER KEYSLOT", key)

    def master_of(self, key):
        """The living master that serves `key`'s slot; None while there is none."""
        slot = self.slot_of(key)
        return next((node for node in self.masters() if slot in node.slots()), None)

    def keys(self, pattern="*"):
        """The keys of all living masters, as text."""
        return [key.decode() for node in self.masters() for key in node.execute("KEYS", pattern)]

    # --- states ---

    def is_whole(self):
        """True where every living node finds the cluster well, all slots served, and every replica follows."""
        return quietly(self._whole, redis.RedisError, StopIteration, KeyError)

    def _whole(self):
        slots = 0  # counted twice where an old master has not noticed yet
        for node in self.living():
            info = node.execute("CLUSTER INFO")
            if info["cluster_state"] != "ok" or int(info["cluster_known_nodes"]) < len(self.nodes):
                return False
            if node.is_master():
                slots += len(node.slots())
            elif node.execute("INFO", "replication")["master_link_status"] != "up":
                return False
        return slots == SLOTS

    def wait_whole(self, timeout=START_TIMEOUT):
        wait_until(self.is_whole, timeout, "the cluster to be whole")

    def _agreed(self):
        """True where every living node names the same owner of each slot: gossip takes a moment to tell them."""
        views = [{line[0]: tuple(text for text in line[8:] if not text.startswith("[")) for line in _cluster_nodes(node)}
                 for node in self.living()]
        return all(view == views[0] for view in views)

    def wait_failed_over(self, dead, timeout=START_TIMEOUT):
        """Waits until the others serve what the killed or frozen node `dead` did."""
        def taken_over():
            others = [node for node in self.living() if node is not dead]
            return (all(node.execute("CLUSTER INFO")["cluster_state"] == "ok" for node in others)
                    and sum(len(node.slots()) for node in others if node.is_master()) == SLOTS)
        wait_until(lambda: quietly(taken_over, redis.RedisError), timeout, f"a failover of {dead.address}")

    # --- changes ---

    def fail_over(self, replica):
        """Has a replica take over from its living master, as an operator does for an upgrade."""
        replica.execute("CLUSTER FAILOVER")
        wait_until(lambda: replica.is_master() and replica.slots(), START_TIMEOUT, "the failover")

    def reshard(self, source, target, slots):
        """Moves `slots` slots with their keys from one master to another, key by key, while it serves."""
        # redis-cli refuses to begin before.
        wait_until(lambda: quietly(self._agreed, redis.RedisError), START_TIMEOUT, "the nodes to agree about all slots")
        self.manage("reshard", source.address, "--cluster-from", source.node_id(), "--cluster-to", target.node_id(),
                    "--cluster-slots", slots, "--cluster-yes", "--cluster-pipeline", 1)

    def begin_moving(self, slot, source, target):
        """Opens a slot for moving: what `source` does not have, it answers with ASK. For end_moving to close."""
        target.execute("CLUSTER SETSLOT", slot, "IMPORTING", source.node_id())
        source.execute("CLUSTER SETSLOT", slot, "MIGRATING", target.node_id())

    def move_keys(self, slot, source, target):
        """Moves all keys of an open slot; returns how many."""
        keys = source.execute("CLUSTER GETKEYSINSLOT", slot, 10000)
        for key in keys:
            source.execute("MIGRATE", target.host, target.port, key, 0, 5000)
        return len(keys)

    def end_moving(self, slot, target):
        """Gives an open slot, whose keys were moved, to `target`."""
        for node in [target, *(node for node in self.masters() if node is not target)]:
            node.execute("CLUSTER SETSLOT", slot, "NODE", target.node_id())


def _cluster_nodes(node):
    """The lines of CLUSTER NODES in words: id, address, flags, master, and so on, slots from the ninth on."""
    with node.client() as client:
        connection = client.connection_pool.get_connection("CLUSTER")
        connection.send_command("CLUSTER", "NODES")
        text = connection.read_response()
        client.connection_pool.release(connection)
    return [line.split() for line in text.decode().splitlines()]


def _address_of(line):
    return line[1].split("@")[0]


def _slot_range(text):
    if text.startswith("["):  # on its way from or to another node
        return range(0)
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)
