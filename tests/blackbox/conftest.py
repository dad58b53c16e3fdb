"""Fixtures: the product on its stores, users, and logs where a test fails."""

import pathlib
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from harness.launcher import ALL_STORES, EMBEDDED, STORES, Launcher  # noqa: E402
from harness.product import Product  # noqa: E402

# Short times and small bounds, so that what they do can be seen; the same for all tests that need one of them.
TUNED = {
    "MODEL_CONNECT_TIMEOUT": "1",
    "MODEL_FIRST_TOKEN_TIMEOUT": "1",
    "MODEL_TIMEOUT": "2",
    "HISTORY_TOKENS": "300",
    "SIGNUP": "admin",
    "LOG_MESSAGES": "1",
    "MAX_BODY": "40000",
}


@pytest.fixture(scope="session")
def launcher():
    # Not pytest's own folder: unix sockets have short paths only, and the postgres user has to get in.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="npcchat-"))
    folder.chmod(0o711)
    launcher = Launcher(folder)
    try:
        yield launcher
    finally:
        launcher.close()
        shutil.rmtree(folder, ignore_errors=True)
    assert not launcher.leaks, "secrets in logs:\n" + "\n".join(launcher.leaks)


@pytest.fixture(autouse=True)
def fresh_stubs(launcher):
    """Every test finds stub models that behave and remember nothing."""
    launcher.reset_stubs()


@pytest.fixture
def fresh(launcher):
    """Starts products for one test, which may do to them what it likes."""
    with launcher.group() as group:
        yield group


@pytest.fixture(params=STORES)
def stores(request):
    return request.param


@pytest.fixture
def product(launcher, stores):
    """A shared product without rate limits, on each set of stores in turn."""
    return launcher.shared(stores)


@pytest.fixture(params=ALL_STORES)
def any_product(launcher, request):
    """The same, also on PostgreSQL without Redis: for what the session stores do."""
    return launcher.shared(request.param)


@pytest.fixture
def embedded(launcher):
    """The same on the embedded stores alone: for what no store has a part in."""
    return launcher.shared(EMBEDDED)


@pytest.fixture
def tuned(launcher, stores):
    """A shared product with short times and small bounds."""
    return launcher.shared(stores, **TUNED)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for product in filter(None, map(product_of, getattr(item, "funcargs", {}).values())):
            report.sections.append((f"{product.folder.name}: ./scripts/run", product.output[-1000:]))
            for log in sorted(product.logs.glob("*.log")):
                lines = log.read_text(errors="replace").splitlines()[-8:]
                report.sections.append((f"{product.folder.name}: {log.name}", "\n".join(lines)))


def product_of(fixture):
    """The product that a fixture is, or that it has."""
    found = fixture if isinstance(fixture, Product) else getattr(fixture, "product", None)
    return found if isinstance(found, Product) else None
