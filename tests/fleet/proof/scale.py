"""What a turn costs each process at one, two and three pairs, and what a chat costs Redis. Run by prove.py --scale."""

import json
import re

import measure
from harness import ROOT
from harness.talk import make_npc

from .fleet import Fleet
from .front import CannedModel
from .pair import PORT

# Each pair gets the same load, far below what it can do: full processes would do more at a time, and cost less.
CONNECTIONS, PAUSE_MS, WARM_UP_SECONDS = 20, 100, 1
IDLE_SECONDS = 3
COLUMNS = ("balancer", "edges", "sidecars", "Redis", "PostgreSQL")
CHATS, TURNS_OF_A_CHAT = 512, 8  # that load.lua has in turn
USAGE = ROOT / "sidecar" / "catalog" / "usage.cpp"
USAGE_ROWS = 5000


def measure_pairs(store, pairs, seconds):
    """Figures of a fleet with that many pairs, under a load of chats against a model that costs nothing."""
    # A day, as usual: chats that left Redis meanwhile would be missing in its memory, and used again too soon.
    fleet = Fleet(store, pairs=pairs, model=CannedModel, archive_after=86400).start().admit()
    person = fleet.people[0]
    body = fleet.network.folder / "chat.json"
    npc = make_npc(fleet.balancer.client(person.key))
    body.write_text(json.dumps({"npc_id": npc, "chat_id": measure.CHAT_ID_PLACE,
                                "message": "Hail! What news from the road?"}))
    url = f"http://{fleet.address}:{PORT}/chat_npc/"
    measure.Load(url, body, person.key, "rolling").run(CONNECTIONS, WARM_UP_SECONDS)
    idle = idle_us(fleet)
    before = fleet.store.used_memory()
    new = measure.Load(url, body, person.key, "new").run(CONNECTIONS, 2)
    after = fleet.store.used_memory()
    turns = measure.Load(url, body, person.key, "rolling", PAUSE_MS).run(CONNECTIONS * pairs, seconds,
                                                                        lambda: groups(fleet))
    growth = fleet.store.used_memory() - after
    one_turn = (after - before) / new["requests"]
    chats = chats_of(turns["requests"])
    more_turns = (growth - chats * one_turn) / (turns["requests"] - chats)
    return {
        "pairs": pairs, "turns_per_second": turns["requests_per_second"], "idle_us": idle,
        "cpu_us": {name: cost - idle[name] / turns["requests_per_second"] for name, cost in turns["cpu_us"].items()},
        "failed": sum(run[name] for run in (new, turns) for name in ("bad_status", "socket_errors")),
        "bytes_of_a_chat": one_turn - more_turns, "bytes_of_a_turn": more_turns,
        "usage": measure_usage(fleet),
        "mib": {name: measure.resident_mib(pids) for name, pids in groups(fleet).items()},
    }


def chats_of(turns):
    """How many chats load.lua has begun after that many turns."""
    rounds, rest = divmod(turns, CHATS * TURNS_OF_A_CHAT)
    return rounds * CHATS + min(rest, CHATS)


def idle_us(fleet):
    """CPU µs a second of each kind of process while nobody asks for anything."""
    before = {name: measure.cpu_seconds(pids) for name, pids in groups(fleet).items()}
    fleet.hold(IDLE_SECONDS)
    return {name: (measure.cpu_seconds(pids) - before[name]) * 1e6 / IDLE_SECONDS
            for name, pids in groups(fleet).items()}


def groups(fleet):
    """The ids of all processes that have a part in a turn, by what they are."""
    kinds = {"balancer": [fleet.balancer], "edges": fleet.edges, "sidecars": fleet.sidecars,
             "Redis": fleet.store.services, "PostgreSQL": fleet.postgres.servers}
    return {name: [pid for service in services for pid in service.pids()] for name, services in kinds.items()}


def measure_usage(fleet):
    """What it costs PostgreSQL to add up what users have used, with the sidecar's own statement: a row a second for every
    user who has chatted in a sidecar, 500 of them in a transaction. Per row, with the replica."""
    statement = re.search(r'kAddUsage = R"\((.*?)\)";', USAGE.read_text(), re.DOTALL)[1]
    servers = [pid for server in fleet.postgres.servers for pid in server.pids()]
    with fleet.postgres.primary.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET search_path TO npcchat")
        cursor.execute("INSERT INTO users (name, name_key, name_digest, password_hash, created) "
                       "SELECT 'u' || n, 'u' || n, 'u' || n, '', 0 FROM generate_series(1, %s) n RETURNING id",
                       (USAGE_ROWS,))
        users = [row[0] for row in cursor.fetchall()]
        connection.commit()
        cursor.execute(f"PREPARE usage (bigint, bigint, text, bigint, bigint, bigint) AS {statement}")

        def write():
            for first in range(0, len(users), 500):
                cursor.execute(";".join(f"EXECUTE usage({user}, 20000, 'model', 1, 100, 20)"
                                        for user in users[first:first + 500]))
                connection.commit()
        write()  # the day's first
        backend = connection.info.backend_pid
        wal = _wal_bytes(cursor)
        before = measure.cpu_seconds([*servers, backend])
        for _ in range(3):
            write()
        cpu = measure.cpu_seconds([*servers, backend]) - before
        rows = 3 * len(users)
        return {"cpu_us": cpu * 1e6 / rows, "wal_bytes": (_wal_bytes(cursor) - wal) / rows}


def _wal_bytes(cursor):
    cursor.execute("SELECT pg_current_wal_lsn() - '0/0'")
    return int(cursor.fetchone()[0])


def text(rows):
    lines = ["CPU µs a turn, beyond what they use idle, of all processes of a kind; each pair has the same load", "",
             f"{'pairs':<7}{'turns/s':>9}" + "".join(f"{name:>12}" for name in COLUMNS) + f"{'in all':>9}{'failed':>8}"]
    for row in rows:
        costs = [row["cpu_us"][name] for name in COLUMNS]
        lines.append(f"{row['pairs']:<7}{row['turns_per_second']:>9.0f}" + "".join(f"{cost:>12.1f}" for cost in costs)
                     + f"{sum(costs):>9.1f}{row['failed']:>8}")
    last = rows[-1]
    sizes = ", ".join(f"{name} {last['mib'][name]:.0f}" for name in COLUMNS)
    idle = ", ".join(f"{name} {last['idle_us'][name] / 1e3:.0f}" for name in COLUMNS)
    return "\n".join([
        *lines, "",
        f"idle, in ms of CPU a second at {last['pairs']} pairs: {idle}",
        f"Redis: {last['bytes_of_a_chat']:.0f} bytes a chat, and {last['bytes_of_a_turn']:.0f} a turn of short texts",
        f"a user's usage in PostgreSQL, with its replica: {last['usage']['cpu_us']:.0f} µs and "
        f"{last['usage']['wal_bytes']:.0f} bytes of its log",
        f"resident MiB at {last['pairs']} pairs: {sizes}"])
