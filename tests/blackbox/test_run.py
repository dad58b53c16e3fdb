"""./scripts/run: what it prints and keeps, how it stops, and what a restart finds."""

import os
import re
import signal
import stat
import subprocess
import time

import pytest
from harness import processes
from harness.client import Client
from harness.launcher import ALL_STORES, EMBEDDED, REDIS
from harness.product import RUN
from harness.secrets import files_below
from harness.talk import all_at_once, end, full_history, history, in_background, make_npc, say, send
from harness.waiting import quietly, wait_until


@pytest.mark.parametrize("stores", ALL_STORES)
def test_a_restart_finds_everything(fresh, stores):
    product = fresh.start(stores)
    user = product.sign_up()
    npc_id = make_npc(user.client)
    chat_id = say(user.client, npc_id, "one")["chat_id"]
    product.stub.behave(answer="A memory of one.")
    end(user.client, chat_id).expect(200)
    product.stub.behave()
    say(user.client, npc_id, "two", chat_id)
    before = full_history(product, user.name, chat_id)
    start = time.monotonic()
    product.restart()
    assert time.monotonic() - start < 5 + 10
    assert full_history(product, user.name, chat_id) == before
    say(user.client, npc_id, "three", chat_id)
    messages = product.stub.last_messages()
    assert "A memory of one." in messages[0]["content"]
    assert [m["content"] for m in messages if m["role"] == "user"] == ["two", "three"]
    body = {"username": user.name, "password": user.password}
    renewed = product.anyone.post("/api_key/", json_body=body).expect(200).json["api_key"]
    product.restart()
    product.client_of(renewed, user.name).get(f"/npcs/{npc_id}").expect(200)
    user.client.post("/verify_token/").expect_error(401)


def test_a_second_start_is_quick(fresh):
    product = fresh.start(EMBEDDED)
    product.stop()
    start = time.monotonic()
    product.restart()
    assert time.monotonic() - start < 5


def test_who_is_woken_interrupts_nobody(fresh):
    if subprocess.run(["chrt", "--batch", "0", "true"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        pytest.skip("the system refuses SCHED_BATCH")
    product = fresh.start(EMBEDDED)
    nginx = [pid for pid in product.pids() if "".join(processes.command_line(pid)).startswith("nginx: ")]
    assert len(nginx) > 1
    for pid in [product.sidecar_pid(), *nginx]:
        threads = [int(thread) for thread in os.listdir(f"/proc/{pid}/task")]
        assert {os.sched_getscheduler(thread) for thread in threads} == {os.SCHED_BATCH}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_leaves_nothing_behind(fresh, number):
    product = fresh.start(EMBEDDED)
    say(product.sign_up().client, None, "hello")
    pids = product.pids()
    assert len(pids) >= 3
    start = time.monotonic()
    product.signal(number)
    assert product.wait(12) in (0, 128 + number)
    assert time.monotonic() - start < 10
    processes.wait_gone(pids, 2)
    assert quietly(lambda: product.anyone.get("/healthz")) is None
    assert not [path for path in product.state.rglob("*") if stat.S_ISSOCK(path.lstat().st_mode)]


def test_a_stop_while_it_starts(fresh):
    product = fresh.prepare(EMBEDDED)
    product.begin()
    wait_until(product.sidecar_pid, 20, "the sidecar", interval=0.001)
    pids = product.pids()
    start = time.monotonic()
    product.signal(signal.SIGTERM)
    product.wait(12)
    assert time.monotonic() - start < 10
    processes.wait_gone(pids, 2)
    product.restart().sign_up()


@pytest.mark.parametrize("stores", ALL_STORES)
def test_ready_is_ready(fresh, stores):
    """Once it says that it is ready, every part of it is."""
    product = fresh.start(stores)
    answers = all_at_once(lambda n: product.anyone.get("/readyz" if n % 2 else "/docs").status, range(60))
    assert answers == [200] * 60
    client = product.sign_up().client
    assert all_at_once(lambda _: send(client, None, "hello").status, range(30)) == [200] * 30


@pytest.mark.parametrize("stores", [EMBEDDED, REDIS])
def test_a_stop_finishes_what_is_in_flight(fresh, stores):
    product = fresh.start(stores)
    user = product.sign_up()
    product.stub.behave(latency=3)
    pending = [in_background(send, user.client, None, f"last words {n}", f"chat-{n}") for n in range(5)]
    product.stub.wait_for(5)
    product.signal(signal.SIGTERM)
    wait_until(lambda: quietly(lambda: product.anyone.get("/healthz")) is None, 3, "the door to close")
    assert [future.result(10).status for future in pending] == [200] * 5
    product.wait(10)
    product.stub.behave()
    product.restart()
    assert [len(history(user.client, f"chat-{n}")) for n in range(5)] == [2] * 5


def test_a_stop_does_not_wait_for_ever(fresh):
    product = fresh.start(EMBEDDED)
    user = product.sign_up()
    product.stub.behave(malformed="hang")
    pending = in_background(lambda: quietly(lambda: send(user.client, None, "hello"), Exception))
    product.stub.wait_for(1)
    pids = product.pids()
    start = time.monotonic()
    product.signal(signal.SIGTERM)
    product.wait(15)
    assert 7 < time.monotonic() - start < 10.5
    processes.wait_gone(pids, 2)
    pending.result(10)


def test_two_side_by_side(fresh):
    first, second = fresh.start(EMBEDDED), fresh.start(EMBEDDED)
    user = first.sign_up(name="neighbour")
    npc_id = make_npc(user.client)
    Client(second.port, user.key).post("/verify_token/").expect_error(401)
    assert second.sign_up(name="neighbour").client.get(f"/npcs/{npc_id}").status == 404
    first.stop()
    assert second.anyone.get("/readyz").status == 200


@pytest.fixture(scope="module")
def bare(launcher):
    """As one who has configured nothing: no endpoint, no key."""
    with launcher.group() as group:
        yield group.product({"ADMIN_KEY": None, "RATE_LIMIT": None}, stub=None).start()


def test_without_an_endpoint_a_stub_answers_and_says_so(bare):
    assert "stub" in bare.output.lower()
    client = bare.sign_up().client
    for npc_id in (None, make_npc(client)):
        response = say(client, npc_id, "Good day!")["response"]
        assert "stub" in response.lower() and "no real model" in response.lower() and "Good day!" in response
    assert say(client, None, "hello", model="meta-llama/Meta-Llama-3.1-405B-Instruct")["response"]


def test_an_admin_key_is_made_and_kept(bare):
    files = [path for path in files_below(bare.state) if path.name == "admin.key"]
    assert len(files) == 1 and stat.S_IMODE(files[0].stat().st_mode) == 0o600
    key = files[0].read_text().strip()
    admin = bare.client_of(key, "the admin")
    assert admin.post("/verify_token/").expect(200).json["role"] == "admin"
    assert key not in bare.output, "the key was printed to something that is no terminal"
    assert "admin.key" in bare.output


def test_what_is_printed_can_be_used(bare):
    assert f"http://127.0.0.1:{bare.port}" in bare.output
    commands = re.findall(r"curl [^\n]*(?:\\\n[^\n]*)*", bare.output)
    assert commands, "no curl to copy was printed"
    key = next(path for path in files_below(bare.state) if path.name == "admin.key").read_text().strip()
    env = {**os.environ, "ADMIN_KEY": key}
    done = subprocess.run(["sh", "-c", commands[0]], capture_output=True, text=True, timeout=30, env=env)
    assert done.returncode == 0 and "detail" not in done.stdout, done.stdout + done.stderr


def test_a_given_admin_key_is_written_nowhere(fresh):
    product = fresh.start(EMBEDDED)
    assert "$ADMIN_KEY" in product.output and product.admin_key not in product.output
    for path in files_below(product.state):
        assert product.admin_key not in path.read_text(encoding="latin-1"), path


def test_all_files_are_below_the_state_folder(fresh):
    product = fresh.start(EMBEDDED)
    say(product.sign_up().client, None, "hello")
    assert {path.name for path in product.folder.iterdir()} <= {"state", "run.log"}
    assert (product.state / "log").is_dir() and list((product.state / "log").iterdir())
    for pid in product.pids():
        for name in os.listdir(f"/proc/{pid}/fd"):
            target = quietly(lambda path=f"/proc/{pid}/fd/{name}": os.readlink(path)) or ""
            allowed = (str(product.folder), "/dev/", "socket:", "pipe:", "anon_inode:", "/proc/", str(RUN.parents[1]))
            assert not target or target.startswith(allowed), f"{target} is open"


@pytest.mark.parametrize("name", ["a long " * 20, "blank and 'quote' $x"])
def test_a_state_folder_with_an_awkward_path(launcher, fresh, name):
    product = fresh.prepare(EMBEDDED, state=launcher.new_folder() / name.strip() / "state").start()
    user = product.sign_up()
    chat_id = say(user.client, None, "hello")["chat_id"]
    product.restart()
    assert len(history(user.client, chat_id)) == 2


def test_the_same_state_folder_twice(fresh):
    product = fresh.start(EMBEDDED)
    other = fresh.product(stub=product.stub, state=product.state)
    with pytest.raises(RuntimeError):
        other.start()
    assert product.anyone.get("/readyz").status == 200


def test_a_port_that_is_taken(fresh):
    product = fresh.start(EMBEDDED)
    other = fresh.product({"PORT": product.port}, stub=product.stub)
    start = time.monotonic()
    assert run_to_its_end(other) not in (0, None)
    assert time.monotonic() - start < 20
    assert str(product.port) in other.output
    assert product.anyone.get("/readyz").status == 200


def test_an_address_of_its_own(fresh):
    product = fresh.start(EMBEDDED, BIND="127.0.0.7")
    product.sign_up().client.post("/verify_token/").expect(200)
    assert quietly(lambda: Client(product.port).get("/healthz")) is None
    assert f"http://127.0.0.7:{product.port}" in product.output


def test_a_database_file_elsewhere(launcher, fresh):
    path = launcher.new_folder() / "some where.db"
    path.parent.mkdir()
    product = fresh.start(EMBEDDED, DATABASE_URL=f"sqlite:{path}")
    user = product.sign_up()
    product.restart()
    user.client.post("/verify_token/").expect(200)
    assert path.exists() and not (product.state / "npcchat.db").exists()


@pytest.mark.parametrize("env", [{"DATABASE_URL": "mysql://x"}, {"REDIS_URL": "http://x"}, {"RATE_LIMIT": "many"},
                                 {"MODELS_FILE": "/no/such/file"}, {"ADMIN_KEY": "k" * 257}, {"CHAT_TTL": "x"},
                                 {"SIGNUP": "sometimes"}, {"PORT": "70000"}])
def test_a_wrong_setting_is_said_at_once(fresh, env):
    product = fresh.product(env)
    assert run_to_its_end(product) not in (0, None)
    (name,) = env
    assert name in product.output
    assert not product.alive()


def run_to_its_end(product):
    """The exit status of a run that must fail."""
    product.begin()
    return product.wait(30)
