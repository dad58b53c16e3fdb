"""README.md's section for who has an nginx already, followed word by word on a stock nginx."""

import os
import re
import signal
import socket
import subprocess

import pytest
from harness import ROOT
from harness.fakes import header
from harness.ports import free_port
from harness.processes import Process
from harness.waiting import wait_until


@pytest.fixture
def blocks():
    """The section's pieces of configuration, and its commands."""
    text = (ROOT / "README.md").read_text()
    section = re.search(r"^## An nginx that runs already\n(.*?)^## ", text, re.MULTILINE | re.DOTALL)[1]

    def found(kind):
        return re.findall(rf"^```{kind}\n(.*?)^```", section, re.MULTILINE | re.DOTALL)

    return found("nginx"), found("sh")


@pytest.fixture
def machine(installed, folder):
    """The packages on a machine, the sidecar running as its unit has it, and a way to start nginx."""
    unit = installed.moved((installed.root / "lib/systemd/system/npcchat-sidecar.service").read_text())
    settings = dict(pair.split("=", 1) for pair in re.search(r"^Environment=(.*)$", unit, re.MULTILINE)[1].split())
    sidecar = Process("sidecar", [installed.root / "usr/bin/npcchat-sidecar"], installed.root / "sidecar.log",
                      env={"PATH": os.environ["PATH"], **settings}).start()
    # It serves from here on; its secret and key are there earlier.
    sockets = [installed.root / "run/npcchat/sidecar.sock", installed.root / "run/npcchat/sidecar.sock.keys"]
    wait_until(lambda: sidecar.require_alive() or all(map(is_served, sockets)), 20, "the sidecar")
    installed.processes = [sidecar]
    yield installed
    for process in reversed(installed.processes):
        process.stop()


def test_the_section_word_by_word(machine, upstream, blocks):
    (http, api, route), (install, commands) = blocks
    api_port, own_port = free_port(), free_port()
    assert install.splitlines()[0] == "./scripts/package" and os.access(ROOT / "scripts/package", os.X_OK)

    machine.write("conf.d/npcchat.conf", http)
    machine.write("sites-enabled/npcchat", api.replace("127.0.0.1:8001", f"127.0.0.1:{api_port}"))
    # The stock server, on another port and with the route; its own "location /" stays.
    stock = machine.read("sites-enabled/default")
    stock = stock.replace("listen 80 default_server;", f"listen 127.0.0.1:{own_port};")
    stock = stock.replace("listen [::]:80 default_server;", "")
    end = stock.index("\n}\n")
    machine.write("sites-enabled/default", stock[:end] + "\n" + route.replace("127.0.0.1:3000", upstream.address)
                  + stock[end:])
    machine.check()

    nginx = Process("nginx", machine.nginx("-g", "daemon off;"), machine.root / "nginx.out",
                    stop_signal=signal.SIGQUIT).start()
    machine.processes.append(nginx)
    wait_until(lambda: nginx.require_alive() or curl_works(own_port), 20, "nginx")

    script = commands.replace("sudo nginx -t && sudo systemctl reload nginx", "").replace("sudo ", "")
    script = script.replace("/var/lib/npcchat", f"{machine.root}/var/lib/npcchat")
    script = script.replace("127.0.0.1:8001", f"127.0.0.1:{api_port}")
    script = script.replace("http://127.0.0.1/", f"http://127.0.0.1:{own_port}/")
    done = subprocess.run(["sh", "-e", "-c", script + "\nprintf '\\n%s\\n' \"$KEY\""], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    refused, passed = re.findall(r"^HTTP/1.1 (\d+)", done.stdout, re.MULTILINE)
    assert (refused, passed) == ("401", "200")

    request = upstream.last("/game/")
    assert re.fullmatch(r"\d+:studio", header(request, "X-Npcchat-User"))
    assert header(request, "X-Npcchat-Secret") is None and header(request, "Authorization") is None

    # "The sixth at once is a 429", and the stock server's own pages are open as before.
    key = done.stdout.splitlines()[-1]
    again = [status(f"http://127.0.0.1:{own_port}/game/", key) for _ in range(5)]
    assert again == [200, 200, 200, 200, 429]
    assert status(f"http://127.0.0.1:{own_port}/") in (200, 403, 404)


def is_served(path):
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect_ex(str(path)) == 0


def status(url, key=None):
    command = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-m", "10", url]
    done = subprocess.run(command + (["-H", f"Authorization: Bearer {key}"] if key else []), capture_output=True,
                          text=True, timeout=20)
    return int(done.stdout)


def curl_works(port):
    return status(f"http://127.0.0.1:{port}/") != 0
