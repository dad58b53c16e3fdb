"""A Redis with replicas, watched by Sentinels: real servers on free ports, stopped by process id."""

import pathlib

import redis

from .ports import free_port
from .redis_server import RedisServer
from .waiting import quietly, wait_until

START_TIMEOUT = 60
MASTER_NAME = "npcchat"


class _Server(RedisServer):
    def __init__(self, name, folder, *arguments):
        folder.mkdir(parents=True, exist_ok=True)
        port = free_port()
        super().__init__(f"{name} {port}", folder / f"{name}.log", port, *arguments)


class WatchedRedis:
    """One master, `replicas` replicas, `sentinels` Sentinels that agree by majority."""

    def __init__(self, folder, *, replicas=1, sentinels=3):
        folder = pathlib.Path(folder)
        durable = ("--save", "", "--appendonly", "yes", "--appendfsync", "no", "--repl-diskless-sync-delay", "0")
        master = _Server("redis-server", folder / "server-0", *durable)
        followers = [_Server("redis-server", folder / f"server-{number + 1}", *durable,
                             "--replicaof", "127.0.0.1", master.port) for number in range(replicas)]
        self.servers = [master, *followers]
        self.sentinels = [self._sentinel(folder / f"sentinel-{number}", master.port, sentinels // 2 + 1)
                          for number in range(sentinels)]

    @staticmethod
    def _sentinel(folder, master_port, quorum):
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "sentinel.conf"  # which it writes to
        file.write_text(f"sentinel monitor {MASTER_NAME} 127.0.0.1 {master_port} {quorum}\n"
                        f"sentinel down-after-milliseconds {MASTER_NAME} 500\n"
                        f"sentinel failover-timeout {MASTER_NAME} 2000\n")
        return _Server("redis-sentinel", folder, file, "--sentinel")

    def url(self):
        return "redis+sentinel://" + ",".join(each.address for each in self.sentinels) + f"/{MASTER_NAME}"

    def start(self):
        try:
            for server in self.servers + self.sentinels:
                server.start()
            for sentinel in self.sentinels:
                # Its usual periods make it take half a minute to see that an old master is back; and a busy machine
                # must not make it doubt its clock.
                sentinel.execute("SENTINEL DEBUG", "INFO-PERIOD", 500, "PUBLISH-PERIOD", 250, "TILT-TRIGGER", 60000)
            wait_until(self.is_watched, START_TIMEOUT, "Sentinels to know each other and the replicas")
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self):
        for server in self.sentinels + self.servers:
            server.stop()

    def master(self):
        """The server that a living Sentinel names."""
        sentinel = next(each for each in self.sentinels if each.alive())
        port = int(sentinel.execute("SENTINEL GET-MASTER-ADDR-BY-NAME", MASTER_NAME)[1])
        return next(server for server in self.servers if server.port == port)

    def is_watched(self):
        """True where every living Sentinel knows all others, and all servers but the master as replicas that follow."""
        def knows_all(sentinel):
            # Each a list of names and values in turn.
            replicas = [dict(zip(each[::2], each[1::2]))
                        for each in sentinel.execute("SENTINEL REPLICAS", MASTER_NAME)]
            others = sentinel.execute("SENTINEL SENTINELS", MASTER_NAME)
            good = [each for each in replicas
                    if b"down" not in each[b"flags"] and each[b"master-link-status"] == b"ok"]
            return len(good) == len(self.servers) - 1 and len(others) == len(self.sentinels) - 1
        return quietly(lambda: all(knows_all(each) for each in self.sentinels if each.alive()),
                       redis.RedisError, KeyError)

    def wait_replicated(self):
        """Waits until every replica gets what the master writes: they say that they follow up to a second before."""
        def all_have_it():
            with self.master().client() as client:
                client.set("written-for-replicas", 1)
                return client.execute_command("WAIT", len(self.servers) - 1, 1000) == len(self.servers) - 1
        wait_until(lambda: quietly(all_have_it, redis.RedisError), START_TIMEOUT, "the replicas to get what is written")

    def wait_failed_over(self, old, timeout=START_TIMEOUT):
        """Waits until another than `old` is the master that all Sentinels name."""
        def taken_over():
            return self.master() is not old and self.master().execute("ROLE")[0] == b"master"
        wait_until(lambda: quietly(taken_over, redis.RedisError), timeout, f"a failover of {old.address}")

    def fail_over(self):
        """Has a replica take over from the living master, as an operator does."""
        old = self.master()
        # It would go on to take what the replica does not get any more.
        old.execute("CLIENT PAUSE", 5000, "WRITE")
        self.sentinels[0].execute("SENTINEL FAILOVER", MASTER_NAME)
        self.wait_failed_over(old)
