"""The Debian packages, and what they install, below a folder that stands for a machine's root."""

import os
import pathlib
import re
import shutil
import subprocess

from .edge import build_folder, nginx_program

MODULE, SIDECAR = "libnginx-mod-http-npcchat", "npcchat-sidecar"
LINK = "etc/nginx/modules-enabled/50-mod-http-npcchat.conf"
TEMP_PATHS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def run(*command, **options):
    """The output of a command that must succeed."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=300, **options)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def build_packages(folder):
    """Paths by name."""
    target = folder / "packages"
    run("cpack", "--config", build_folder() / "CPackConfig.cmake", "-B", folder / "cpack",
        "-D", f"CPACK_OUTPUT_FILE_PREFIX={target}")
    found = {path.name.split("_")[0]: path for path in target.glob("*.deb")}
    assert sorted(found) == [MODULE, SIDECAR]
    return found


class Installed:
    """Unpacked packages beside Debian's own configuration of nginx, every path moved below `root`.

    nginx runs as root where the tests do: nobody else can go into their folder.
    """

    def __init__(self, root, packages):
        self.root = pathlib.Path(root)
        for package in packages:
            run("dpkg-deb", "-x", package, self.root)
        shutil.copytree("/etc/nginx", self.root / "etc/nginx", symlinks=True, dirs_exist_ok=True)
        for name in ("run/npcchat", "var/log/nginx", "var/lib/npcchat", "var/lib/nginx", "usr/share/nginx"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        os.symlink("../../lib/nginx/modules", self.root / "usr/share/nginx/modules")
        (self.root / LINK).symlink_to(self.root / "usr/share/nginx/modules-available/mod-http-npcchat.conf")
        default = self.root / "etc/nginx/sites-enabled/default"
        default.unlink()
        shutil.copy(self.root / "etc/nginx/sites-available/default", default)
        for path in (self.root / "etc/nginx").rglob("*"):
            if path.is_file() and not path.is_symlink():
                path.write_text(self.moved(path.read_text(errors="replace")))

    def moved(self, text):
        """A text of the packages or of Debian that names files."""
        text = re.sub(r"(?<![\w.{}])/(etc|var|run|usr/lib/nginx)/", lambda found: f"{self.root}{found[0]}", text)
        if os.geteuid() == 0:
            return text.replace("user www-data;", "user root;")
        # Who is not root cannot become another, nor write where Debian's nginx does.
        text = text.replace("user www-data;", "")
        if "_temp_path" in text:
            return text
        paths = "".join(f"\n\t{name}_temp_path {self.root}/var/lib/nginx/{name};" for name in TEMP_PATHS)
        return re.sub(r"^http \{", lambda found: found[0] + paths, text, flags=re.MULTILINE)

    def write(self, name, text):
        """A file of /etc/nginx."""
        (self.root / "etc/nginx" / name).write_text(text)

    def read(self, name):
        return (self.root / "etc/nginx" / name).read_text()

    def nginx(self, *more):
        """The command that starts it."""
        return [nginx_program(), "-p", str(self.root / "usr/share/nginx"), "-c", str(self.root / "etc/nginx/nginx.conf"),
                "-e", str(self.root / "error.log"), *more]

    def check(self):
        """`nginx -t` must have nothing to say."""
        done = subprocess.run(self.nginx("-t"), capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and "[warn]" not in done.stderr, done.stderr

    def write_secret(self, text):
        secret = self.root / "var/lib/npcchat/edge.secret"
        secret.write_text(text)
        secret.chmod(0o640)
