"""Real Redis and PostgreSQL servers in folders of their own, on free ports of loopback."""

import glob
import os
import pathlib
import pwd
import signal
import socket
import subprocess

import psycopg2

from . import processes
from .ports import free_port
from .processes import Process
from .redis_server import RedisServer
from .waiting import quietly, wait_until

START_TIMEOUT = 30


class Redis(RedisServer):
    """A redis-server without a configuration file.

    `durable` keeps what was written over a kill, in an append file: "appendfsync no" writes before it answers, where
    "everysec" may put a write off while it flushes. With `unix` it listens on a unix socket too.
    """

    start_timeout = START_TIMEOUT

    def __init__(self, folder, *, durable=False, port=None, unix=False):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._socket = self.folder / "redis.sock"
        super().__init__("redis-server", self.folder / "redis.log", port or free_port(), "--save", "",
                         "--maxclients", "4000", "--databases", "256", "--appendonly", "yes" if durable else "no",
                         "--appendfsync", "no", *(["--unixsocket", self._socket] if unix else []))

    def url(self, database=0):
        return f"redis://127.0.0.1:{self.port}/{database}"

    def unix_url(self, database=0):
        return f"unix://{self._socket}?db={database}"


class Postgres:
    """A PostgreSQL cluster of its own, as the `postgres` user where the tests run as root."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.port = free_port()
        self._data = self.folder / "data"
        self._databases = 0
        versions = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(path.split("/")[-2]))
        self._programs = versions[-1:]
        command = [processes.find_program("postgres", *versions[-1:]), "-D", self._data, "-p", self.port,
                   "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off",
                   "-c", "max_connections=300", "-c", "shared_buffers=32MB", "-c", "logging_collector=off"]
        # SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for its clients.
        self._process = Process("postgres", command, self.folder / "postgres.log", user="postgres",
                                stop_signal=signal.SIGINT)

    @property
    def pid(self):
        return self._process.pid

    def url(self, database="postgres"):
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def start(self):
        if not self._data.exists():
            self._initialise()
        self._process.start()
        wait_until(self._answers, START_TIMEOUT, "postgres")
        return self

    def stop(self):
        self.thaw()
        self._process.stop()

    def kill(self):
        """Ends all its processes at once, as a crash of the machine would."""
        pids = self._pids()
        processes.send_signal(pids, signal.SIGKILL)
        self._process.wait(10)
        processes.wait_gone(pids, 10)

    def freeze(self):
        """Stops every process. New ones cannot appear, as the postmaster is stopped first."""
        processes.send_signal([self.pid], signal.SIGSTOP)
        processes.send_signal(self._pids(), signal.SIGSTOP)

    def thaw(self):
        if self._process.alive():
            processes.send_signal(reversed(self._pids()), signal.SIGCONT)

    def new_database(self):
        """The name of a new, empty database."""
        self._databases += 1
        name = f"test_{self._databases}"
        self.execute("postgres", f"CREATE DATABASE {name}")
        return name

    def connect(self, database="postgres"):
        connection = psycopg2.connect(self.url(database), connect_timeout=5)
        connection.autocommit = True
        return connection

    def execute(self, database, sql, rows=()):
        """Runs `sql`, once for each of `rows` where there are any."""
        connection = self.connect(database)
        with connection.cursor() as cursor:
            if rows:
                cursor.executemany(sql, rows)
            else:
                cursor.execute(sql)
        connection.close()

    def value(self, sql, database="postgres"):
        """The first field of the first row."""
        connection = self.connect(database)
        with connection.cursor() as cursor:
            cursor.execute(sql)
            value = cursor.fetchone()[0]
        connection.close()
        return value

    def dump(self, database, *options):
        """The database's contents as SQL text, the same for the same contents."""
        command = [processes.find_program("pg_dump"), *options, self.url(database)]
        text = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
        # pg_dump guards its output with random words.
        return "".join(line for line in text.splitlines(True) if not line.startswith(("\\restrict", "\\unrestrict")))

    def _pids(self):
        return [self.pid, *processes.descendants(self.pid)]

    def _initialise(self):
        self._make_data("initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8",
                        "--no-sync")

    def _make_data(self, program, *arguments):
        self.folder.mkdir(parents=True, exist_ok=True)
        prefix = []
        if os.geteuid() == 0:
            entry = pwd.getpwnam("postgres")
            os.chown(self.folder, entry.pw_uid, entry.pw_gid)
            prefix = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups", "--"]
        command = [*prefix, processes.find_program(program, *self._programs), *map(str, arguments)]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise RuntimeError(f"{program} failed: {done.stdout}{done.stderr}")

    def _answers(self):
        self._process.require_alive()
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", self.port)) != 0:
                return False
        connection = quietly(self.connect, psycopg2.Error)
        if connection is None:
            return False
        connection.close()
        return True


class PostgresStandby(Postgres):
    """Follows a running `primary` by streaming replication, until it is promoted."""

    def __init__(self, folder, primary):
        super().__init__(folder)
        self._primary = primary

    def start(self):
        super().start()
        wait_until(self.is_in_step, START_TIMEOUT, "the standby to follow")
        return self

    def is_in_step(self):
        """True where it has replayed all that the primary has written."""
        return self._primary.value("SELECT count(*) FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_lsn()")

    def promote(self):
        self.execute("postgres", "SELECT pg_promote()")

    def _initialise(self):
        self._make_data("pg_basebackup", "-h", "127.0.0.1", "-p", self._primary.port, "-U", "postgres",
                        "-D", self._data, "-R", "--checkpoint=fast", "--no-sync")
