"""PostgreSQL with a streaming replica. What is acknowledged is on the replica too, so that one can take over."""

import glob
import os
import pwd
import signal
import subprocess

import psycopg2
from harness import processes
from harness.waiting import quietly, wait_until

from .network import Disk
from .service import Service

PORT = 5432
DISK = "500m"
DATABASE = "postgres"
AS_POSTGRES = ["setpriv", "--pdeathsig", "KILL", "--reuid", "postgres", "--regid", "postgres", "--clear-groups", "--"]


class Postgres(Service):
    program = "postgres"
    # PostgreSQL's fast shutdown; SIGTERM would wait for its clients.
    stop_signal = signal.SIGINT

    def __init__(self, machine):
        super().__init__(machine)
        self.disk = Disk(machine.folder / "disk", DISK)
        self.data = self.disk.folder / "data"
        self._own = self.data / "fleet.conf"
        self._programs = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(path.split("/")[-2]))[-1]
        entry = pwd.getpwnam("postgres")
        os.chown(self.disk.folder, entry.pw_uid, entry.pw_gid)

    def command(self):
        return [*AS_POSTGRES, f"{self._programs}/postgres", "-D", self.data], None

    def ready(self):
        return quietly(lambda: self.query("SELECT 1"), psycopg2.Error)

    def initialise(self):
        self._run("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as file:
            file.write("include 'fleet.conf'\n")
        with open(self.data / "pg_hba.conf", "a", encoding="utf-8") as file:
            file.write("host all all samenet trust\nhost replication all samenet trust\n")
        self.configure()

    def follow(self, primary):
        """Becomes the replica of a primary that runs, and is waited for by it from then on."""
        if self.data.exists():
            subprocess.run(["rm", "-r", "--", self.data], check=True, timeout=30)
        self._run("pg_basebackup", "-D", self.data, "-R", "-c", "fast", "-X", "stream", "-d",
                  f"host={primary.machine.address} port={PORT} user=postgres")
        self.configure()
        self.start().wait_ready()
        wait_until(lambda: primary.query("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'")[0][0],
                   30, "the replica to follow")
        primary.configure(waits_for_replica=True)

    def configure(self, *, waits_for_replica=False):
        self._own.write_text(f"""listen_addresses = '{self.machine.address}'
port = {PORT}
unix_socket_directories = ''
max_connections = 200
shared_buffers = 32MB
logging_collector = off
max_wal_size = 128MB
min_wal_size = 32MB
wal_keep_size = 64MB
synchronous_standby_names = '{"*" if waits_for_replica else ""}'
""")
        if self.alive():
            self.query("SELECT pg_reload_conf()")

    def promote(self):
        self.query("SELECT pg_promote()")
        wait_until(lambda: not self.query("SELECT pg_is_in_recovery()")[0][0], 30, "the promotion")

    def connect(self):
        return psycopg2.connect(host=self.machine.address, port=PORT, user="postgres", dbname=DATABASE,
                                connect_timeout=2)

    def query(self, sql):
        connection = self.connect()
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall()
        finally:
            connection.close()

    def _run(self, program, *words):
        command = [*AS_POSTGRES, f"{self._programs}/{program}", *map(str, words)]
        done = subprocess.run(command, cwd=self.machine.folder, capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise RuntimeError(f"{program} failed: {done.stdout}{done.stderr}")


class PostgresPair:
    """A primary and its replica; the roles change with take_over()."""

    def __init__(self, machines):
        self.primary, self.replica = map(Postgres, machines)
        self.servers = [self.primary, self.replica]

    def url(self):
        hosts = ",".join(f"{server.machine.address}:{PORT}" for server in self.servers)
        return f"postgresql://postgres@{hosts}/{DATABASE}?target_session_attrs=read-write"

    def start(self):
        self.primary.initialise()
        self.primary.start().wait_ready()
        self.replica.follow(self.primary)

    def take_over(self, meanwhile):
        """The primary is gone for good, and after `meanwhile()` its replica takes its place."""
        self.primary.leave()
        meanwhile()
        self.replica.promote()
        self.primary, self.replica = self.replica, self.primary
