"""The Debian packages: what is in them, and that a stock nginx takes what they install."""

import os
import pathlib
import re
import shutil
import stat
import subprocess

import pytest
from harness.edge import SECRET
from harness.packages import LINK, MODULE, SIDECAR, run

ABI_FILE = pathlib.Path("/usr/share/nginx/src/debian/libnginx-mod.abisubstvars")


def contents(package):
    """Mode and owner of each file, by path."""
    lines = [line.split() for line in run("dpkg-deb", "-c", package).splitlines()]
    return {words[5].lstrip("."): (words[0], words[1]) for words in lines if not words[5].endswith("/")}


def test_what_is_in_them(packages):
    module, sidecar = contents(packages[MODULE]), contents(packages[SIDECAR])
    assert {owner for _, owner in [*module.values(), *sidecar.values()]} == {"root/root"}
    for path in ("/usr/lib/nginx/modules/ngx_http_npcchat_module.so", "/etc/nginx/snippets/npcchat-http.conf",
                 "/etc/nginx/snippets/npcchat-server.conf", "/usr/share/nginx/modules-available/mod-http-npcchat.conf"):
        assert module[path][0] == "-rw-r--r--"
    assert sidecar["/usr/bin/npcchat-sidecar"][0] == "-rwxr-xr-x"
    assert "/lib/systemd/system/npcchat-sidecar.service" in sidecar
    # Keys of models go there.
    assert sidecar["/etc/npcchat/sidecar.env"][0] == "-rw-------"
    for package in packages.values():
        kept = set(run("dpkg-deb", "-I", package, "conffiles").split())
        assert kept == {path for path in contents(package) if path.startswith("/etc/")}


def test_what_they_depend_on(packages):
    depends = run("dpkg-deb", "-f", packages[MODULE], "Depends")
    abi = re.search(r"^nginx:abi=(\S+)", ABI_FILE.read_text(), re.MULTILINE)[1]
    assert abi in [word.strip() for word in depends.split(",")]
    assert "libssl3" in depends and "libstdc++" not in depends
    assert "libpq5" in run("dpkg-deb", "-f", packages[SIDECAR], "Depends")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_install_remove_and_purge(packages, folder):
    """The scripts of the packages, in a folder that stands for a machine's root."""
    root = folder / "machine"
    for name in ("var/lib/dpkg/updates", "var/lib/dpkg/info", "etc"):
        (root / name).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    for name in ("passwd", "group", "shadow", "gshadow"):
        shutil.copy(f"/etc/{name}", root / "etc")

    def dpkg(*arguments):
        run("dpkg", f"--root={root}", "--force-script-chrootless", "--force-depends", *arguments,
            env={**os.environ, "LC_ALL": "C", "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"})

    def entry(name):
        lines = (root / "etc" / name).read_text().splitlines()
        return next(line for line in lines if line.startswith("npcchat:")).split(":")

    dpkg("-i", *packages.values())
    assert os.readlink(root / LINK) == "/usr/share/nginx/modules-available/mod-http-npcchat.conf"
    assert "www-data" in entry("group")[3].split(",")
    assert entry("passwd")[5:] == ["/var/lib/npcchat", "/usr/sbin/nologin"]

    # An administrator who took the link away keeps it away over an upgrade.
    (root / LINK).unlink()
    dpkg("-i", packages[MODULE])
    assert not os.path.lexists(root / LINK)
    os.symlink("/usr/share/nginx/modules-available/mod-http-npcchat.conf", root / LINK)
    dpkg("-r", MODULE, SIDECAR)
    assert not os.path.lexists(root / LINK) and (root / "etc/nginx/snippets/npcchat-http.conf").exists()
    dpkg("-i", packages[MODULE])
    assert os.path.lexists(root / LINK)
    dpkg("-P", MODULE, SIDECAR)
    assert [path for path in (root / "etc").rglob("*npcchat*") if path.is_file() or path.is_symlink()] == []


def test_a_stock_nginx_takes_it(installed):
    """As it is installed, but for the port 80; then with what the snippets say."""
    stock = installed.read("sites-enabled/default")
    stock = stock.replace("listen [::]:80 default_server;", "")
    stock = stock.replace("listen 80 default_server;", f"listen unix:{installed.root}/stock.sock default_server;")
    installed.write("sites-enabled/default", stock)
    installed.check()
    installed.write_secret(SECRET)
    installed.write("conf.d/npcchat.conf", "include snippets/npcchat-http.conf;\n")
    installed.check()
    installed.write("sites-enabled/npcchat", "server { listen 127.0.0.1:8080; include snippets/npcchat-server.conf; }\n")
    installed.check()


def test_without_the_secret(installed):
    """The sidecar has never run: nginx says what is missing."""
    installed.write("conf.d/npcchat.conf", "include snippets/npcchat-http.conf;\n")
    done = subprocess.run(installed.nginx("-t"), capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and "start the sidecar, which makes it" in done.stderr


def test_the_whole_configuration(installed):
    """conf/nginx.conf beside the two files that it includes."""
    installed.write_secret(SECRET)
    example = installed.root / f"usr/share/doc/{MODULE}/examples/nginx.conf"
    installed.write("nginx.conf", installed.moved(example.read_text()))
    for name in ("npcchat-http.conf", "npcchat-server.conf"):
        installed.write(name, installed.read(f"snippets/{name}"))
    installed.check()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd")
def test_the_unit(installed, folder):
    unit = folder / "npcchat-sidecar.service"
    text = (installed.root / "lib/systemd/system/npcchat-sidecar.service").read_text()
    unit.write_text(text.replace("/usr/bin/npcchat-sidecar", str(installed.root / "usr/bin/npcchat-sidecar")))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and unit.name not in done.stderr, done.stderr
    exposure = run("systemd-analyze", "security", "--offline=yes", unit)
    assert float(re.search(r"Overall exposure level for \S+: ([\d.]+)", exposure)[1]) <= 2.0


def test_no_paths_of_the_build(installed):
    for name in ("usr/lib/nginx/modules/ngx_http_npcchat_module.so", "usr/bin/npcchat-sidecar"):
        path = installed.root / name
        assert "RUNPATH" not in run("readelf", "-d", path) and not path.stat().st_mode & (stat.S_ISUID | stat.S_IWOTH)
        assert ".debug_info" not in run("readelf", "-S", path)
