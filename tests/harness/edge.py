"""nginx with the module and a configuration of the test's own, and what it talks to: key lookups and an upstream.

NPCCHAT_NGINX names another nginx than the machine's; the module is that of NPCCHAT_BUILD_DIR. NPCCHAT_NGINX_WRAPPER is
a command that nginx is started through, such as valgrind.
"""

import http.client
import os
import pathlib
import re
import shlex
import signal
import socket
import subprocess
import time

from . import ROOT, processes
from .client import Client
from .ports import free_port
from .processes import Process
from .waiting import quietly, wait_until

SECRET = "a-secret-between-edge-and-sidecar"
LOOKUP_URI = "/_npcchat/key"
# Lines that nginx writes where something is broken: in itself, or in a module.
BROKEN = re.compile(r"\[(alert|emerg|crit)\]|AddressSanitizer|runtime error:|^==\d+==", re.MULTILINE)

CONFIGURATION = """
{main}
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log {log_level};
events {{ worker_connections 512; }}
http {{
    log_format of_tests '$request_method $uri $status $remote_addr';
    access_log {folder}/access.log of_tests;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    root {folder}/pages;
{http}
}}
"""

# What the module needs in "http" before it can be switched on anywhere.
MODULE_HTTP = """
    npcchat_key_cache {cache};
    npcchat_secret_file {folder}/secret;
    npcchat_limit_zone zone=users:1m rate=1r/m;
    upstream keys { server unix:{keys}; keepalive 4; }
"""

# And in a "server" with protected locations.
MODULE_SERVER = f"""
        npcchat_keys {LOOKUP_URI};
        location = {LOOKUP_URI} {{
            internal;
            npcchat off;
            proxy_pass http://keys/key;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_connect_timeout 2s;
            proxy_read_timeout 5s;
            proxy_next_upstream error;
        }}
"""


def build_folder():
    return pathlib.Path(os.environ.get("NPCCHAT_BUILD_DIR", ROOT / "build"))


def module_path():
    return build_folder() / "ngx_http_npcchat_module.so"


def nginx_program():
    return os.environ.get("NPCCHAT_NGINX") or processes.find_program("nginx", "/usr/sbin")


def nginx_version():
    """The version of the nginx that is tested, as (1, 22, 1)."""
    text = subprocess.run([nginx_program(), "-v"], capture_output=True, text=True, timeout=30).stderr
    return tuple(int(part) for part in re.search(r"nginx/(\d+)\.(\d+)\.(\d+)", text).groups())


def sanitizer_environment():
    """The sanitizers' library, which nginx itself is not linked with, where the module was built with them."""
    cache = build_folder() / "CMakeCache.txt"
    if not cache.exists() or "NPCCHAT_SANITIZE:BOOL=ON" not in cache.read_text():
        return {}
    command = ["clang++-19", "-print-file-name=libclang_rt.asan-x86_64.so"]
    library = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    return {"LD_PRELOAD": library, "ASAN_OPTIONS": "detect_leaks=0"}


CACHE = "zone=keys:1m valid=10s invalid=10s stale=1h"


class EdgeNginx:
    """An nginx whose "http" has `http`, and a server on `port` with `server`.

    In all texts `{folder}`, `{port}` and `{keys}` stand for this nginx's folder and port and the lookups' socket.
    With `module=False` it runs without the module. `tolerated` are parts of error lines that a test provokes.
    """

    tolerated = ()

    def __init__(self, folder, *, keys="/nonexistent", server="", http="", main="", module=True, protect=True,
                 listen="", workers=1, log_level="info", cache=CACHE):
        self.folder = pathlib.Path(folder)
        (self.folder / "pages").mkdir(parents=True)
        self.port = free_port()
        self.error_log = self.folder / "error.log"
        self._places = {"folder": str(self.folder), "port": str(self.port), "keys": str(keys)}
        self._listen = listen
        self._clients = []
        secret = self.folder / "secret"
        secret.write_text(SECRET + "\n")
        secret.chmod(0o640)
        self.conf = self.folder / "nginx.conf"
        self.configure(server=server, http=http, module=module, protect=protect,
                       main=f"{main}\nworker_processes {workers};", log_level=log_level, cache=cache)
        self._process = Process("nginx", [*shlex.split(os.environ.get("NPCCHAT_NGINX_WRAPPER", "")),
                                          *self.command()], self.folder / "nginx.log",
                                env={**os.environ, **sanitizer_environment()}, stop_signal=signal.SIGQUIT)

    def configure(self, *, server="", http="", main="", module=True, protect=True, log_level="info", cache=CACHE):
        """Writes another configuration, for a reload."""
        self._places["cache"] = cache
        if os.geteuid() == 0:
            main = f"user root;\n{main}"
        if module:
            main = f"load_module {module_path()};\n{main}"
        if module and protect:
            http, server = MODULE_HTTP + http, MODULE_SERVER + server
        for name, value in self._places.items():
            main, http, server = (text.replace("{" + name + "}", value) for text in (main, http, server))
        server = f"    server {{\n        listen 127.0.0.1:{self.port}{self._listen};\n{server}\n    }}"
        self.conf.write_text(CONFIGURATION.format(folder=self.folder, http=f"{http}\n{server}", main=main,
                                                  log_level=log_level))

    def command(self):
        return [nginx_program(), "-p", str(self.folder), "-c", str(self.conf), "-e", str(self.error_log)]

    def page(self, name, text):
        """A file below the server's root."""
        path = self.folder / "pages" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def test(self):
        """`nginx -t`: its exit status and what it says."""
        done = subprocess.run([*self.command(), "-e", str(self.folder / "test.log"), "-t"], capture_output=True, text=True, timeout=60,
                              env={**os.environ, **sanitizer_environment()})
        return done.returncode, done.stderr

    def start(self):
        self._process.start()
        wait_until(self._listens, 60, "nginx")
        return self

    def stop(self):
        for client in self._clients:
            client.close()
        return self._process.stop(60)

    def reload(self):
        """Waits until a worker of the new configuration listens: its number is larger."""
        before = set(self.workers())
        self._process.signal(signal.SIGHUP)
        wait_until(lambda: set(self.workers()) - before, 20, "new workers")

    def workers(self):
        return processes.descendants(self._process.pid)

    @property
    def pid(self):
        return self._process.pid

    def client(self, key=None, **more):
        return Client(self.port, key, **more)

    def keep_alive(self, key=None):
        """A client with one connection, which is closed in the end."""
        client = KeepAlive(self.port, key)
        self._clients.append(client)
        return client

    def connect(self, timeout=10):
        """A raw connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def log(self):
        return self.error_log.read_text(errors="replace") if self.error_log.exists() else ""

    def broken(self):
        """What nginx and the sanitizers complained about; empty where all is well."""
        lines = [line for line in (self.log() + self._process.output()).splitlines() if BROKEN.search(line)]
        return [line for line in lines if not any(text in line for text in self.tolerated)]

    def _listens(self):
        self._process.require_alive()
        connection = quietly(self.connect)
        if connection is not None:
            connection.close()
        return connection is not None


class KeepAlive:
    """A client with one connection, for how long single requests take. `key` may be changed."""

    def __init__(self, port, key):
        self.key = key
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def get(self, path="/"):
        """Status, and how long it took."""
        begun = time.monotonic()
        self._connection.request("GET", path, headers={"Authorization": self.key} if self.key else {})
        answer = self._connection.getresponse()
        answer.read()
        return answer.status, time.monotonic() - begun

    def use(self, seconds):
        """Goes on asking: all statuses, and the longest time of one."""
        found, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            found.append(self.get())
            time.sleep(0.02)
        return {status for status, _ in found}, max(took for _, took in found)

    def close(self):
        self._connection.close()
