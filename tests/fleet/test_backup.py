"""Backup and restore, with the commands of docs/operations.md, while chats go on and into empty stores."""

import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import tempfile

import pytest
from harness import ROOT
from harness.launcher import EMBEDDED, Launcher
from harness.services import Postgres, Redis
from harness.talk import history, make_npc, said, say
from harness.waiting import quietly, wait_until

import redis as redis_client

TEXT = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
SECTION = re.search(r"## Backup and restore\n(.*?)\n## ", TEXT, re.DOTALL)[1]
DUMP, SAVE, RESTORE = re.findall(r"```sh\n(.*?)```", SECTION, re.DOTALL)


@pytest.fixture
def folder():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="npcchat-backup-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def launcher(folder):
    launcher = Launcher(folder)
    yield launcher
    launcher.close()


@pytest.fixture
def postgres(folder):
    server = Postgres(folder / "postgres").start()
    yield server
    server.stop()


@pytest.fixture
def redis(folder):
    """Redis servers on folders of their own."""
    started = []

    def start(name):
        started.append(Redis(folder / name).start())
        return started[-1]
    yield start
    for server in started:
        server.stop()


def run(commands, folder, **env):
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", commands], cwd=folder, env={**os.environ, **env},
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_postgresql_and_redis(launcher, folder, postgres, redis):
    old = redis("redis-old")
    database = postgres.new_database()
    with launcher.group() as group:
        product = group.product({"DATABASE_URL": postgres.url(database), "REDIS_URL": old.url()}).start()
        user = product.sign_up()
        npc = make_npc(user.client)
        chat = say(user.client, npc, "keep this")["chat_id"]

        # As it says, but for the place of Redis' folder, while the product runs.
        begun = old.client().lastsave()
        run(DUMP, folder, DATABASE_URL=postgres.url(database))
        run(SAVE.splitlines()[0], folder, REDIS_URL=old.url())
        wait_until(lambda: old.client().info("persistence")["rdb_bgsave_in_progress"] == 0, 30, "the snapshot")
        assert old.client().lastsave() >= begun
        say(user.client, npc, "too late", chat_id=chat)
    (folder / "redis-new").mkdir()
    shutil.copy(old.folder / "dump.rdb", folder / "redis-new")
    old.stop()

    empty = postgres.new_database()
    run(RESTORE, folder, DATABASE_URL=postgres.url(empty))
    new = redis("redis-new")
    assert new.client().config_set("appendonly", "yes")
    with launcher.group() as group:
        restored = group.product({"DATABASE_URL": postgres.url(empty), "REDIS_URL": new.url()}).start()
        client = restored.client_of(user.key, user.name)
        assert [text for text in said(history(client, chat)) if "keep this" in str(text)]
        assert not [text for text in said(history(client, chat)) if "too late" in str(text)]
        say(client, npc, "and on", chat_id=chat)
        # The append-only file is whole: a restart keeps what was said since.
        wait_until(lambda: new.client().info("persistence")["aof_rewrite_in_progress"] == 0, 30, "the append-only file")
        assert quietly(lambda: (new.folder / "appendonlydir").is_dir(), redis_client.RedisError)


def test_sqlite(launcher, folder):
    """What `.backup` does, while the product runs."""
    assert ".backup backup.db" in SECTION
    with launcher.group() as group:
        product = group.start(EMBEDDED)
        user = product.sign_up()
        chat = say(user.client, None, "keep this")["chat_id"]
        with sqlite3.connect(product.state / "npcchat.db") as source, sqlite3.connect(folder / "backup.db") as target:
            source.backup(target)
    with launcher.group() as group:
        restored = group.product({"DATABASE_URL": f"sqlite:{folder}/backup.db"}).start()
        client = restored.client_of(user.key, user.name)
        assert [text for text in said(history(client, chat)) if "keep this" in str(text)]
