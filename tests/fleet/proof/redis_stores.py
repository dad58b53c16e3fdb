"""Where the chats are: one Redis with an append-only file, or a Redis Cluster of six, each node on a machine of its own."""

import redis
from harness import processes
from harness.waiting import quietly

from .network import Disk
from .service import Service

PORT = 6379
DISK = "160m"


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

    def ready(self):
        with redis.Redis(self.machine.address, PORT, socket_timeout=2) as client:
            return quietly(client.ping, redis.RedisError)


class SingleRedis:
    """One server. It is away while it is down, and has lost nothing when it is back."""

    name = "one Redis"

    def __init__(self, network):
        self.server = RedisServer(network.machine("redis", 21))
        self.services = [self.server]

    def url(self):
        return f"redis://{self.server.machine.address}:{PORT}/0"

    def start(self):
        self.server.start().wait_ready()

    def victim(self):
        return self.server

    def faults(self):
        return []
