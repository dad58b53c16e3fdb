"""A redis-server of the tests, whatever it is part of: started, frozen, killed and stopped by its process id."""

import signal

import redis

from . import processes
from .processes import Process
from .waiting import quietly, wait_until


class RedisServer:
    """`arguments` follow the program's name; `prefix` is a command that runs it elsewhere, where `host` is its address."""

    start_timeout = 60

    def __init__(self, name, log, port, *arguments, host="127.0.0.1", prefix=()):
        self.host = host
        self.port = port
        command = [*prefix, processes.find_program("redis-server"), *arguments, "--port", port, "--bind", host,
                   "--dir", log.parent, "--daemonize", "no"]
        self._process = Process(name, command, log)

    @property
    def pid(self):
        return self._process.pid

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def alive(self):
        return self._process.alive()

    def start(self):
        self._process.start()
        wait_until(self._answers, self.start_timeout, self._process.name)
        return self

    def stop(self):
        self._process.stop()

    def kill(self):
        self._process.kill()

    def freeze(self):
        self._process.signal(signal.SIGSTOP)

    def thaw(self):
        self._process.signal(signal.SIGCONT)

    def client(self, database=0):
        return redis.Redis(self.host, self.port, db=database, socket_timeout=5)

    def execute(self, *command):
        with self.client() as client:
            return client.execute_command(*command)

    def _answers(self):
        self._process.require_alive()
        return quietly(lambda: self.execute("PING"), redis.RedisError)
