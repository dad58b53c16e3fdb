"""OpenAI's own client and the AI SDK, from npm, against the whole product."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from harness import npm  # noqa: E402
from harness.launcher import EMBEDDED, REDIS, Launcher  # noqa: E402
from harness.talk import make_npc  # noqa: E402

SUITES = ("openai.test.js", "ai_sdk.test.js")


@pytest.fixture(scope="session")
def packages():
    """A folder with the clients and the tests, installed once for each lock file."""
    return npm.install(HERE, "client-tests")


@pytest.fixture(scope="session", params=[EMBEDDED, REDIS])
def environment(request):
    """What the scripts have to know of two running products: one without limits, one that lets one request through."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="npcchat-clients-"))
    folder.chmod(0o711)
    launcher = Launcher(folder)
    try:
        product = launcher.shared(request.param)
        limited = launcher.shared(request.param, RATE_LIMIT="1")
        user, limited_user = product.sign_up(), limited.sign_up()
        yield {
            "PATH": os.environ["PATH"],
            "NPCCHAT_URL": f"http://127.0.0.1:{product.port}", "NPCCHAT_KEY": user.key,
            "NPCCHAT_LIMITED_URL": f"http://127.0.0.1:{limited.port}", "NPCCHAT_LIMITED_KEY": limited_user.key,
            "NPCCHAT_NPC_ID": make_npc(user.client), "STUB_URL": f"http://127.0.0.1:{product.stub.port}",
        }
    finally:
        launcher.close()
        shutil.rmtree(folder, ignore_errors=True)
    assert not launcher.leaks, "secrets in logs:\n" + "\n".join(launcher.leaks)


@pytest.mark.parametrize("suite", SUITES)
def test_a_client(packages, environment, suite):
    # One test after the other: they share the stub model.
    done = subprocess.run(["node", "--test", suite], cwd=packages, env=environment, capture_output=True, text=True,
                          timeout=240)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "# pass 0" not in done.stdout and "# fail 0" in done.stdout
