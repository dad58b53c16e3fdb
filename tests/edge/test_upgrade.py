"""A new build of the module, under load: what a reload does with it, what an upgrade of the binary, what a new name."""

import os
import pathlib
import shutil
import signal
import subprocess

import pytest
from harness import processes
from harness.edge import EdgeNginx, module_path, sanitizer_environment
from harness.load import Load
from harness.waiting import quietly, wait_until


class Daemon:
    """An nginx in the background, for one in the foreground takes no USR2. Its module is a copy that may be replaced."""

    def __init__(self, nginx):
        self.nginx = nginx
        self.module = nginx.folder / "module.so"
        self._pid_file = nginx.folder / "nginx.pid"
        self._masters = []

    def start(self):
        self.install(self.module)
        self.use(self.module)
        subprocess.run(self.nginx.command(), check=True, timeout=60, env={**os.environ, **sanitizer_environment()})
        self.wait_for_master()

    def stop(self):
        # Process ids of those that are gone may be others' by now.
        running = [pid for pid in self._masters if str(self.nginx.folder) in " ".join(processes.command_line(pid))]
        processes.send_signal(running, signal.SIGQUIT)
        processes.wait_gone(running, 30)

    def install(self, path):
        """As a package does it: the file gives way to another at once."""
        new = path.with_suffix(".new")
        shutil.copy(module_path(), new)
        new.rename(path)

    def use(self, path):
        """Writes the configuration with a module's path."""
        self.nginx.configure(server="npcchat on;", cache="zone=keys:1m valid=1h invalid=1h stale=1h",
                             main="worker_processes 2; env LD_PRELOAD; env ASAN_OPTIONS;")
        text = self.nginx.conf.read_text().replace("daemon off;", "").replace(str(module_path()), str(path))
        self.nginx.conf.write_text(text)

    def wait_for_master(self):
        """The process id of one that has written it and was not known yet."""
        def new_master():
            pid = int(quietly(self._pid_file.read_text) or 0)
            return pid not in (0, *self._masters) and pid
        self._masters.append(wait_until(new_master, 20, "a new master"))
        return self._masters[-1]

    def reload(self):
        """Returns when the workers are new ones, and those before are gone."""
        master = self._masters[-1]
        before = processes.descendants(master)
        os.kill(master, signal.SIGHUP)
        wait_until(lambda: len(set(processes.descendants(master)) - set(before)) == 2, 20, "new workers")
        processes.wait_gone(before, 20)

    def upgrade(self):
        old = self._masters[-1]
        os.kill(old, signal.SIGUSR2)
        new = self.wait_for_master()
        wait_until(lambda: len(processes.descendants(new)) == 2, 20, "new workers")
        os.kill(old, signal.SIGQUIT)
        processes.wait_gone([old], 20)

    def loaded(self):
        """The module's files as the master has them mapped; one that was replaced since is `(deleted)`."""
        maps = pathlib.Path(f"/proc/{self._masters[-1]}/maps").read_text().splitlines()
        return {line.split(None, 5)[5].removeprefix(f"{self.nginx.folder}/") for line in maps
                if str(self.nginx.folder) in line and ".so" in line}


@pytest.fixture
def daemon(folder, numbers, keys):
    nginx = EdgeNginx(folder / f"nginx{next(numbers)}", keys=keys.path)
    nginx.page("index.html", "a page\n")
    daemon = Daemon(nginx)
    daemon.start()
    yield daemon
    daemon.stop()
    assert not nginx.broken(), "\n".join(nginx.broken())


def test_a_new_build(daemon, keys):
    key = keys.new_user("upgrader")
    nginx = daemon.nginx
    nginx.client(key).get("/").expect(200)
    with Load(lambda: nginx.client(key).get("/")) as load:
        daemon.install(daemon.module)
        daemon.reload()
        load.wait_for_more()
        assert daemon.loaded() == {"module.so (deleted)"}, "a reload goes on with the build before"
        assert keys.asked(key) == 1, "the cache was lost"

        daemon.upgrade()
        load.wait_for_more()
        assert daemon.loaded() == {"module.so"}
        assert keys.asked(key) == 2, "the new process begins with a cache of its own"
    assert load.lost == [] and load.statuses() == {200}


@pytest.mark.skipif(bool(sanitizer_environment()), reason="two builds in one process are two of each name, to the sanitizer")
def test_a_new_build_under_a_new_name(daemon, keys):
    key = keys.new_user("renamer")
    nginx = daemon.nginx
    nginx.client(key).get("/").expect(200)
    other = daemon.module.with_name("other.so")
    with Load(lambda: nginx.client(key).get("/")) as load:
        daemon.install(other)
        daemon.use(other)
        daemon.reload()
        load.wait_for_more()
        assert "other.so" in daemon.loaded()
        assert keys.asked(key) == 2, "the new build begins with a cache of its own"
    assert load.lost == [] and load.statuses() == {200}
