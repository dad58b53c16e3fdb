"""Container images without a container engine: buildah builds and runs them in a chroot, on a base from debootstrap.

Needs root. NPCCHAT_IMAGES names a folder that keeps images from one run to the next; what is in it is not built again.
"""

import json
import os
import pathlib
import shlex
import shutil
import subprocess
import time

from harness import ROOT, processes
from harness.processes import Process, descendants
from harness.waiting import wait_until

NAMES = ("edge", "sidecar", "stub-model")
BASE = "localhost/npcchat-base"
BUILD_TIMEOUT = 3600
UNSHARE = ("unshare", "--mount", "--propagation", "private")
# As official images have it: what is installed is not started.
POLICY = "#!/bin/sh\nexit 101\n"
# And what official slim images leave out.
LEFT_OUT = ("dev", "proc", "sys", "usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache/apt/archives",
            "var/lib/apt/lists")


class Images:
    """The images of docker/, built from this tree."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(mode=0o711)
        self._storage = pathlib.Path(os.environ.get("NPCCHAT_IMAGES", self.folder / "images"))
        self._storage.mkdir(parents=True, exist_ok=True)
        self._buildah = ["buildah", "--root", self._storage / "root", "--runroot", self._storage / "run",
                         "--storage-driver", "vfs"]
        self._containers = []

    def command(self, *arguments):
        """buildah in a mount namespace of its own: whatever it mounts ends with it."""
        return [*UNSHARE, *self._buildah, *arguments]

    def buildah(self, *arguments, timeout=300):
        """Its output."""
        words = [str(word) for word in self.command(*arguments)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=timeout)
        assert done.returncode == 0, f"{words}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout.strip()

    def has(self, name):
        return bool(self.buildah("images", "--quiet", "--filter", f"reference={name}"))

    def build(self):
        if not self.has(BASE):
            self._import_base()
        for name in NAMES:
            if not self.has(tag(name)):
                self.buildah("bud", "--isolation", "chroot", "--network", "host", "--format", "docker", "--layers=false",
                             "--pull-never", "--build-arg", f"BASE_IMAGE={BASE}", "--file",
                             ROOT / "docker" / f"{name}.Dockerfile", "--tag", tag(name), ROOT, timeout=BUILD_TIMEOUT)

    def _import_base(self):
        root = self.folder / "base"
        subprocess.run([*UNSHARE, "debootstrap", "--variant=minbase",
                        "bookworm", root], check=True, capture_output=True, timeout=1200)
        policy = root / "usr" / "sbin" / "policy-rc.d"
        policy.write_text(POLICY)
        policy.chmod(0o755)
        archive = self.folder / "base.tar"
        subprocess.run(["tar", "--create", "--file", archive, "--directory", root, "--one-file-system",
                        *(f"--exclude=./{path}/*" for path in LEFT_OUT), "."], check=True, timeout=300)
        container = self.buildah("from", "scratch")
        self.buildah("add", "--quiet", container, archive, "/")
        self.buildah("config", "--env", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", container)
        self.buildah("commit", "--quiet", "--rm", container, BASE)
        archive.unlink()

    def inspect(self, name):
        """The image's configuration, in Docker's format."""
        return json.loads(self.buildah("inspect", "--type", "image", tag(name)))["Docker"]["config"]

    def in_root(self, container, *words):
        """The output of a command in the folder that is a container's root, seen from outside."""
        script = f'cd "$({shlex.join(map(str, self._buildah))} mount {container})" && exec "$@"'
        done = subprocess.run([*UNSHARE, "sh", "-c", script, "sh", *words], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def size(self, image):
        """Bytes of the files in an image."""
        container = self.buildah("from", "--pull-never", image)
        output = self.in_root(container, "du", "--summarize", "--bytes", "--one-file-system", ".")
        self.buildah("rm", container)
        return int(output.split()[0])

    def container(self, name, **options):
        container = Container(self, name, self.folder / f"{name}-{len(self._containers)}.log", **options)
        self._containers.append(container)
        return container

    def close(self):
        """Ends what runs and removes the images, unless they are to be kept."""
        for container in reversed(self._containers):
            container.close()
        # A mount below would take what it shows along.
        mounts = pathlib.Path("/proc/self/mountinfo").read_text(encoding="utf-8")
        assert f" {self.folder}" not in mounts, mounts
        shutil.rmtree(self.folder, ignore_errors=True)


class Container:
    """A container of an image of ours, started as an engine would: as the image's user, with its entry point."""

    def __init__(self, images, name, log, *, volumes=(), env=None):
        self._images = images
        self.name = name
        self.id = images.buildah("from", "--pull-never", tag(name))
        self._config = images.inspect(name)
        self._options = ["--isolation", "chroot", "--network", "host", "--user", self._config["User"]]
        for source, target in volumes:
            self._options += ["--volume", f"{source}:{target}"]
        for variable, value in (env or {}).items():
            self._options += ["--env", f"{variable}={value}"]
        self.log = log
        self._process = None
        self._started = None

    def start(self):
        words = self._images.command("run", *self._options, self.id, "--", *self._config["Entrypoint"])
        self._started = time.time()
        self._process = Process(f"container of {self.name}", words, self.log).start()
        return self

    def run(self, *words, timeout=120):
        """Runs a command in it, as `docker exec` would: exit status and output."""
        done = subprocess.run([str(word) for word in self._images.command("run", *self._options, self.id, "--", *words)],
                              capture_output=True, text=True, timeout=timeout)
        return done.returncode, done.stdout + done.stderr

    def pid(self, title):
        """The process in it whose command has `title`."""
        def find():
            self._process.require_alive()
            commands = {pid: " ".join(processes.command_line(pid)) for pid in descendants(self._process.pid)}
            return next((pid for pid, command in commands.items()
                         if title in command and not command.startswith("buildah")), None)
        return wait_until(find, 60, f"'{title}' in {self.name}")

    def wait(self, timeout):
        """The exit status of what was started."""
        return self._process.wait(timeout)

    def alive(self):
        return self._process.alive()

    def output(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def written(self):
        """Files of its root that were written since it was started."""
        output = self._images.in_root(self.id, "find", ".", "-xdev", "-newerct", f"@{self._started}", "!", "-type", "d")
        return {line.lstrip(".") for line in output.splitlines()}

    def close(self):
        if self._process is not None and self._process.alive():
            pids = [*descendants(self._process.pid), self._process.pid]
            processes.send_signal(pids, 9)
            processes.wait_gone(pids, 10)
        self._images.buildah("rm", self.id)


def tag(name):
    return f"localhost/npcchat-{name}"
