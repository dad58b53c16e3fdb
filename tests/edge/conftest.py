"""Fixtures: nginx with the module among what else nginx does, a sidecar's key socket, an upstream."""

import itertools
import pathlib
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from harness.edge import EdgeNginx, sanitizer_environment  # noqa: E402
from harness.fakes import KeyServer, Upstream  # noqa: E402
from harness.packages import Installed, build_packages  # noqa: E402


@pytest.fixture(scope="session")
def folder():
    # Not pytest's own folder: unix sockets have short paths only.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="npcchat-edge-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def keys(folder):
    """Key lookups. Alice (7) and Bob (8) are users, Root is the admin; the tests know their keys."""
    server = KeyServer(folder / "keys.sock")
    server.add("alices-key", 7, "alice")
    server.add("bobs-key", 8, "bob")
    server.add("roots-key", 0, "admin", role="admin")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def upstream():
    server = Upstream().start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def numbers():
    return itertools.count(1)


@pytest.fixture(scope="session")
def packages(folder):
    """The Debian packages of the build, by name."""
    if sanitizer_environment():
        pytest.skip("packages are made of plain builds")
    if shutil.which("dpkg-shlibdeps") is None:
        pytest.skip("needs dpkg-dev")
    return build_packages(folder)


@pytest.fixture
def installed(packages, folder, numbers):
    """Both packages on a machine with Debian's nginx as it comes, below a folder."""
    return Installed(folder / f"root{next(numbers)}", packages.values())


@pytest.fixture
def edge(folder, numbers, keys, request):
    """Makes an nginx from parts of a configuration; see EdgeNginx. It is started unless `start=False`."""
    made = []

    def make(server="", *, start=True, **options):
        options.setdefault("keys", keys.path)
        nginx = EdgeNginx(folder / f"nginx{next(numbers)}", server=server, **options)
        made.append(nginx)
        return nginx.start() if start else nginx

    yield make
    for nginx in made:
        nginx.stop()
    for nginx in made:
        assert not nginx.broken(), "\n".join(nginx.broken())


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed and "folder" in getattr(item, "funcargs", {}):
        logs = sorted(item.funcargs["folder"].glob("nginx*/error.log"), key=lambda path: path.stat().st_mtime)
        for log in logs[-1:]:
            report.sections.append((str(log), "\n".join(log.read_text(errors="replace").splitlines()[-15:])))
