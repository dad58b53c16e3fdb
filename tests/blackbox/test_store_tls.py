"""Stores reached over TLS alone, as docs/operations.md has it: PostgreSQL by libpq's parameters, Redis by stunnel."""

import os
import pwd
import re

import pytest
from harness import ROOT, processes
from harness.authority import Authority
from harness.ports import free_port
from harness.processes import Process
from harness.redis_server import RedisServer
from harness.services import Postgres
from harness.talk import history, said, say
from harness.waiting import quietly, wait_until

TEXT = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
STUNNEL = re.search(r"```ini\n(; /etc/stunnel/npcchat-redis\.conf\n.*?)```", TEXT, re.DOTALL)[1]
REDIS_NAME = re.search(r"^checkHost = (\S+)$", STUNNEL, re.MULTILINE)[1]
POSTGRES_NAME = "pg.example.com"


@pytest.fixture(scope="module")
def authorities(launcher):
    """One that is trusted, and another."""
    folder = launcher.new_folder("certificates")
    for name in ("trusted", "other"):
        (folder / name).mkdir(parents=True)
    return Authority(folder / "trusted"), Authority(folder / "other")


@pytest.fixture(scope="module")
def postgres(launcher, authorities):
    """A server that takes nothing but TLS."""
    server = Postgres(launcher.new_folder("postgres-tls")).start()
    certificate, key = authorities[0].certify(POSTGRES_NAME)
    data = server.folder / "data"
    for source, name in ((certificate, "server.crt"), (key, "server.key")):
        (data / name).write_bytes(source.read_bytes())
        (data / name).chmod(0o600)
        if os.geteuid() == 0:
            entry = pwd.getpwnam("postgres")
            os.chown(data / name, entry.pw_uid, entry.pw_gid)
    server.execute("postgres", "ALTER SYSTEM SET ssl = on")
    (data / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 trust\n")
    server.execute("postgres", "SELECT pg_reload_conf()")
    wait_until(lambda: server.value("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"), 10, "TLS")
    yield server
    server.stop()


def postgres_url(server, database, authority, name=POSTGRES_NAME):
    return (f"postgresql://postgres@{name}:{server.port}/{database}?hostaddr=127.0.0.1&sslmode=verify-full"
            f"&sslrootcert={authority.file}")


def test_postgresql(fresh, postgres, authorities):
    database = postgres.new_database()
    product = fresh.product({"DATABASE_URL": postgres_url(postgres, database, authorities[0])}).start()
    client = product.sign_up().client
    chat = say(client, None, "over TLS")["chat_id"]
    assert ("user", "over TLS") in said(history(client, chat))
    secured = postgres.value("SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) "
                             f"WHERE datname = '{database}' AND pid <> pg_backend_pid()")
    assert secured


@pytest.mark.parametrize("name, authority", [("another.example.com", 0), (POSTGRES_NAME, 1)])
def test_a_postgresql_that_is_not_the_one(fresh, postgres, authorities, name, authority):
    """Another's name, or a certificate that nobody trusted has signed: nothing is sent to it, and the log says why."""
    url = postgres_url(postgres, postgres.new_database(), authorities[authority], name)
    product = fresh.product({"DATABASE_URL": url})
    product.begin()
    why = "does not match host name" if authority == 0 else "certificate verify failed"
    wait_until(lambda: why in product.log_text(), 30, "the reason in the log")


@pytest.fixture
def redis(launcher, authorities):
    """A server that also listens for TLS, on `tls_port`; its plain port is for the tests."""
    folder = launcher.new_folder("redis-tls")
    folder.mkdir()
    certificate, key = authorities[0].certify(REDIS_NAME)
    tls_port = free_port()
    server = RedisServer("redis-server", folder / "redis.log", free_port(), "--save", "", "--tls-port", tls_port,
                         "--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file",
                         authorities[0].file, "--tls-auth-clients", "no").start()
    server.tls_port = tls_port
    yield server
    server.stop()


@pytest.fixture
def stunnel(launcher):
    """Starts stunnel as the page has it, but for addresses and files; gives the port that it listens on."""
    started = []

    def start(connect, authority, name=REDIS_NAME):
        folder = launcher.new_folder("stunnel")
        folder.mkdir()
        port = free_port()
        text = STUNNEL
        for setting, value in (("CAfile", authority.file), ("accept", f"127.0.0.1:{port}"),
                               ("connect", f"127.0.0.1:{connect}"), ("checkHost", name)):
            text, count = re.subn(rf"^{setting} = .*$", f"{setting} = {value}", text, flags=re.MULTILINE)
            assert count == 1, setting
        (folder / "stunnel.conf").write_text("foreground = yes\npid =\n" + text)
        process = Process("stunnel", [processes.find_program("stunnel"), folder / "stunnel.conf"],
                          folder / "stunnel.log")
        started.append(process.start())
        wait_until(lambda: "Configuration successful" in process.output(), 10, "stunnel")
        return port, process
    yield start
    for process in started:
        process.stop()


def test_redis(fresh, redis, stunnel, authorities):
    port, _ = stunnel(redis.tls_port, authorities[0])
    product = fresh.product({"REDIS_URL": f"redis://127.0.0.1:{port}"}).start()
    client = product.sign_up().client
    chat = say(client, None, "over TLS")["chat_id"]
    assert ("user", "over TLS") in said(history(client, chat))
    assert redis.execute("KEYS", "npcchat:{c:*")
    # A connection that stunnel has lost is opened anew.
    redis.execute("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    wait_until(lambda: client.post("/chat/", json_body={"message": "again", "chat_id": chat}).status == 200, 10,
               "the chat to go on")


@pytest.mark.parametrize("name, authority", [("another.example.com", 0), (REDIS_NAME, 1)])
def test_a_redis_that_is_not_the_one(fresh, redis, stunnel, authorities, name, authority):
    """Nothing is sent to it."""
    port, process = stunnel(redis.tls_port, authorities[authority], name)
    product = fresh.product({"REDIS_URL": f"redis://127.0.0.1:{port}"})
    product.begin()
    wait_until(lambda: "certificate" in process.output().lower() and "fail" in process.output().lower(), 30,
               "the refusal of its certificate")
    wait_until(lambda: quietly(lambda: product.anyone.get("/healthz").status == 200), 30, "the product")
    product.anyone.get("/readyz").expect(503)
    assert redis.execute("DBSIZE") == 0
