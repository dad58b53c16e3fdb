"""The container images: built for real, started as an engine would start them, and used."""

import json
import os
import pathlib
import shutil
import signal
import tempfile

import pytest
from harness import processes
from harness.client import Client
from harness.ports import free_port
from harness.services import Postgres, Redis
from harness.stub import Stub
from harness.talk import in_background
from harness.waiting import quietly, wait_until

from images import BASE, NAMES, Images, tag

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("buildah"), reason="needs root and buildah")

MIB = 1 << 20
ADMIN_KEY = "the-admins-key-of-the-containers"


@pytest.fixture(scope="module")
def folder():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="npcchat-images-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def images(folder):
    images = Images(folder / "buildah")
    try:
        images.build()
        yield images
    finally:
        images.close()


@pytest.fixture(scope="module")
def stores(folder):
    redis, postgres = Redis(folder / "redis"), Postgres(folder / "postgres")
    try:
        yield redis.start(), postgres.start()
    finally:
        postgres.stop()
        redis.stop()


@pytest.fixture
def stub(tmp_path):
    stub = Stub(tmp_path / "stub").start()
    yield stub
    stub.stop()


class Pod:
    """Edge and sidecar with the folder that they share."""

    def __init__(self, images, run, stores, stub):
        redis, postgres = stores
        self.port = free_port()
        self.run = run
        run.mkdir()
        os.chown(run, 10001, 10001)
        run.chmod(0o750)
        shared = [(run, "/run/npcchat")]
        self.sidecar = images.container("sidecar", volumes=shared, env={
            "ADMIN_KEY": ADMIN_KEY, "REDIS_URL": redis.url(), "DATABASE_URL": postgres.url(postgres.new_database()),
            "OPENAI_BASE_URL": stub.url(), "LOOPS": "1"})
        self.edge = images.container("edge", volumes=shared, env={
            "BIND": "127.0.0.1", "PORT": self.port, "RATE_LIMIT": "5", "EDGE_WORKERS": "1"})

    @property
    def admin(self):
        return Client(self.port, ADMIN_KEY)

    def start(self):
        self.sidecar.start()
        self.edge.start()
        try:
            wait_until(self._ready, 60, "readiness")
        except TimeoutError as error:
            raise RuntimeError(f"not ready:\n{self.edge.output()}\n{self.sidecar.output()}") from error

    def _ready(self):
        answer = quietly(lambda: Client(self.port, None).get("/readyz"))
        return answer is not None and answer.status == 200


@pytest.fixture
def pod(images, tmp_path, stores, stub):
    return Pod(images, tmp_path / "run", stores, stub)


def chat(client, message="hello"):
    return client.post("/chat/", json_body={"message": message})


def test_what_they_are_started_as(images):
    for name in NAMES:
        config = images.inspect(name)
        assert config["User"] == "10001:10001"
        assert not [line for line in config["Env"] if any(word in line for word in ("KEY=", "PASSWORD", "TOKEN"))]
    edge, sidecar = images.inspect("edge"), images.inspect("sidecar")
    assert edge["StopSignal"] == "SIGQUIT" and sidecar["StopSignal"] == "SIGTERM"
    assert edge["Healthcheck"]["Test"] == ["CMD", "edge-health"]
    assert sidecar["Healthcheck"]["Test"] == ["CMD", "sidecar-health"]
    assert "8001/tcp" in edge["ExposedPorts"]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_in_them(images, name):
    """Neither sources nor compilers; nobody but root may change what is there."""
    status, output = images.container(name).run("sh", "-c", "ls /src /out; command -v cmake clang++-19 ninja git")
    assert status != 0 and output.count("No such file") == 2, output
    _, output = images.container(name).run(
        "sh", "-c", 'find "$@" -xdev "(" "!" -user root -o -perm /o+w ")" "!" -type l',
        "sh", "/usr/local", "/usr/share")
    # buildah has a word of its own where there are none.
    assert [line for line in output.splitlines() if line.startswith("/")] == []


def test_they_are_small(images):
    base = images.size(BASE)
    sizes = {name: images.size(tag(name)) - base for name in NAMES}
    print("MiB beside the base image's", base // MIB, {name: size // MIB for name, size in sizes.items()})
    assert sizes["edge"] < 20 * MIB and sizes["sidecar"] < 40 * MIB


def test_a_chat_through_both(pod):
    pod.start()
    assert "hello" in chat(pod.admin).expect(200).json["response"]
    key = pod.admin.post("/signup/", json_body={"username": "studio", "password": "correct horse"}).expect(200)
    user = Client(pod.port, key.json["api_key"])
    assert [chat(user).status for _ in range(6)] == [200] * 5 + [429]
    chat(Client(pod.port, "no-such-key")).expect_error(401)
    for container, health in ((pod.edge, "edge-health"), (pod.sidecar, "sidecar-health")):
        assert container.run(health)[0] == 0
    assert pod.sidecar.run("sidecar-health", "/readyz")[0] == 0
    assert pod.sidecar.run("sidecar-health", "/no-such-page")[0] != 0
    # Logs go to where engines collect them.
    lines = wait_until(lambda: [json.loads(line) for line in pod.edge.output().splitlines() if line.startswith("{")], 5,
                       "the access log")
    assert {"/chat/"} <= {line["path"] for line in lines}
    assert ADMIN_KEY not in pod.edge.output() + pod.sidecar.output()
    # A root that cannot be written to is enough for them.
    for container in (pod.edge, pod.sidecar):
        assert [path for path in container.written() if not path.startswith(("/tmp/", "/run/npcchat/"))] == []
    # Neither runs as root.
    for container, title in ((pod.edge, "nginx: master"), (pod.sidecar, "npcchat-sidecar")):
        assert processes.status_field(container.pid(title), "Uid").split() == ["10001"] * 4


def test_the_end_loses_no_request(pod, stub):
    """As an engine ends them: the edge by its stop signal, the sidecar when the edge has ended."""
    pod.start()
    stub.behave(latency=2)
    answer = in_background(chat, pod.admin, "finish this")
    stub.wait_for(1, match="finish this")
    waiting = in_background(pod.sidecar.run, "wait-for-edge", "30")
    os.kill(pod.edge.pid("nginx: master"), signal.SIGQUIT)
    wait_until(lambda: quietly(lambda: pod.admin.get("/healthz")) is None, 1.5, "the refusal of new requests",
               interval=0.01)
    assert "finish this" in answer.result(20).expect(200).json["response"]
    assert pod.edge.wait(20) == 0
    assert waiting.result(20)[0] == 0 and not (pod.run / "nginx.pid").exists()
    os.kill(pod.sidecar.pid("npcchat-sidecar"), signal.SIGTERM)
    assert pod.sidecar.wait(20) == 0


def test_waiting_for_an_edge_has_an_end(pod):
    (pod.run / "nginx.pid").touch()
    assert pod.sidecar.run("wait-for-edge", "1")[0] == 0


def test_an_edge_without_a_sidecar_says_what_is_missing(pod):
    """It waits for the sidecar's secret, and can be stopped meanwhile."""
    pod.edge.start()
    os.kill(pod.edge.pid("/usr/local/bin/edge-start"), signal.SIGTERM)
    assert pod.edge.wait(20) == 0


def test_an_edge_with_a_wrong_setting_says_so(images, tmp_path):
    edge = images.container("edge", env={"RATE_LIMIT": "many"}).start()
    assert edge.wait(30) != 0
    assert "RATE_LIMIT must be a whole number" in edge.output()


def test_migrations_by_themselves(images, stores):
    _, postgres = stores
    database = postgres.new_database()
    container = images.container("sidecar", env={"DATABASE_URL": postgres.url(database)})
    for _ in range(2):
        status, output = container.run("sidecar-migrate")
        assert status == 0, output
    assert "CREATE TABLE npcchat.users" in postgres.dump(database, "--schema-only")


def test_migrations_that_cannot_be_made(images):
    container = images.container("sidecar", env={"DATABASE_URL": f"postgresql://nobody@127.0.0.1:{free_port()}/none"})
    status, _ = container.run("timeout", "20", "sidecar-migrate")
    assert status != 0


def test_the_stub_models_image(images):
    container = images.container("stub-model").start()
    container.pid("/usr/share/npcchat/stub_model/stub_model.py")
