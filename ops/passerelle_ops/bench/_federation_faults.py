"""What a measure of federation goes through with `--faults`, and what must be so afterwards.

Workers are killed at random and started again by their supervisor; the broker is emptied, then killed; one network's
database refuses connections for a while. Meanwhile documents are filed, and everything that the broker holds is read.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import random
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, LiteralString

import psycopg
import redis
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from rich.progress import Progress

from passerelle_ops.bench._federation_ground import BORN, HOME, NAME, NETWORKS, TITLE, VISITED, Books, Size
from passerelle_ops.bench._federation_masks import indexed, mask, until_masked
from passerelle_ops.bench._report import Figure
from passerelle_ops.stack.addresses import Addresses
from passerelle_ops.stack.servers import Stack
from passerelle_ops.stack.state import StackInfo

AWAY: Final = VISITED[1]
_PATIENCE: Final = 600.0
_SEED: Final = "passerelle-bench-federation-1"
_SLICES: Final = 10
_INDEXED: Final[LiteralString] = "select count(distinct document_id) from document where origin is not null"
_TWICE: Final[LiteralString] = """
    select (select count(*) - count(distinct unique_id) from document where origin is not null)
        + (select count(*) - count(distinct payload ->> 'document_id') from outbox
           where name = 'dossier.document_published')
        + (select count(*) from document_version where act = 'publish' and metadata_version > 1)"""
_PUBLISHED: Final[LiteralString] = "select count(*) from outbox where name = 'dossier.document_published'"
_OWED: Final[LiteralString] = (
    "select count(*) filter (where acked_version < version) + (select count(*) from outbox where addressed_at is null)"
    " from federation_out"
)
_DEAD: Final[LiteralString] = "select count(*) from federation_out where dead_at is not null"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long faults go on, of which a database is away `away` seconds, and how many workers are killed."""

    seconds: float
    away: float
    kills: int


QUICK: Final = Plan(seconds=9, away=5, kills=3)
WHOLE: Final = Plan(seconds=80, away=60, kills=16)


@dataclass(frozen=True, slots=True)
class Ground:
    """What is put to the test. `dsn`: the server is another's."""

    stack: Stack
    info: StackInfo
    books: Books
    size: Size
    dsn: str | None


@dataclass(slots=True)
class Seen:
    """What the broker held, whenever somebody looked."""

    looks: int = 0
    values: int = 0
    envelopes: int = 0
    leaks: set[str] = field(default_factory=set)


def figures(ground: Ground, plan: Plan, bar: Progress) -> Sequence[Figure]:
    """Let documents be filed while all of that happens, wait until nothing is owed, and count."""
    total = ground.size.burst * len(VISITED)
    seen, done = Seen(), threading.Event()
    killed: list[str] = []
    masked: list[float] = []
    failures: list[BaseException] = []
    works: list[Callable[[], None]] = [
        lambda: _file(ground, plan),
        lambda: killed.extend(_kill_workers(ground, plan)),
        lambda: _trouble_broker(ground, plan),
        lambda: masked.append(_send_away(ground, plan)),
    ]
    watching = threading.Thread(target=_watch, args=(ground, seen, done), daemon=True)
    watching.start()
    threads = [threading.Thread(target=_noted, args=(each, failures), daemon=True) for each in works]
    task = bar.add_task("Pannes", total=round(plan.seconds))
    began = time.monotonic()
    for each in threads:
        each.start()
    while any(each.is_alive() for each in threads):
        bar.update(task, completed=min(time.monotonic() - began, plan.seconds))
        time.sleep(0.2)
    if failures:
        raise failures[0]
    quiet = time.monotonic()
    task = bar.add_task(f"Convergence ({total} documents)", total=total)
    while owed := ground.books.count(NETWORKS, _OWED):
        bar.update(task, completed=max(total - owed, 0))
        if time.monotonic() - quiet > _PATIENCE:
            break
        time.sleep(0.2)
    converged = time.monotonic() - quiet
    done.set()
    watching.join(10)
    return [
        *kept(ground.books, total=total),
        Figure(name="converged_s", value=converged, unit="s"),
        Figure(name="mask_after_return_s", value=max(masked), unit="s", goal=5),
        Figure(name="workers_killed", value=len(killed), unit=""),
        Figure(name="broker_values", value=seen.values, unit=""),
        Figure(name="broker_envelopes", value=seen.envelopes, unit="", goal=1, is_floor=True),
        Figure(name="broker_leaks", value=len(seen.leaks), unit="", goal=0),
    ]


def kept(books: Books, *, total: int) -> Sequence[Figure]:
    """What became of the documents: all of them in the index, each once."""
    published, indexed = books.count(VISITED, _PUBLISHED), books.count((HOME,), _INDEXED)
    return [
        Figure(name="published", value=published, unit="", goal=total, goal_low=total),
        Figure(name="indexed", value=indexed, unit="", goal=total, goal_low=total),
        Figure(name="lost", value=published - indexed, unit="", goal=0),
        Figure(name="duplicates", value=books.count((HOME,), _TWICE), unit="", goal=0),
        Figure(name="dead", value=books.count(NETWORKS, _DEAD), unit="", goal=0),
    ]


def _noted(work: Callable[[], None], failures: list[BaseException]) -> None:
    try:
        work()
    except BaseException as error:  # noqa: BLE001 - raised again by who waits
        failures.append(error)


def _file(ground: Ground, plan: Plan) -> None:
    """File documents in every network, slice by slice; a database that is away takes its own when it is back."""
    left = [(each, turn) for turn in range(_SLICES) for each in VISITED]
    size = ground.size.burst
    books = ground.books.apart()
    try:
        while left:
            waiting = []
            for name, turn in left[: len(VISITED)]:
                try:
                    books.tell(name, size * turn // _SLICES + 1, size * (turn + 1) // _SLICES)
                except psycopg.OperationalError:
                    waiting.append((name, turn))
            left = left[len(VISITED) :] + waiting
            time.sleep(0.6 * plan.seconds / _SLICES)
    finally:
        books.close()


def _kill_workers(ground: Ground, plan: Plan) -> Iterator[str]:
    drawn = random.Random(_SEED)  # noqa: S311 - no secret
    for _ in range(plan.kills):
        time.sleep(plan.seconds / (plan.kills + 1) * drawn.uniform(0.7, 1.3))
        name = f"worker-{drawn.choice(NETWORKS)}"
        child = ground.stack.children.get(name)
        if child is not None and child.code is None:
            os.killpg(child.pid, signal.SIGKILL)
            yield name


def _trouble_broker(ground: Ground, plan: Plan) -> None:
    """Empty it at a third of the time, kill it at half; its supervisor starts it again."""
    time.sleep(plan.seconds / 3)
    with _broker(ground) as client:
        client.flushall()
    time.sleep(plan.seconds / 6)
    child = ground.stack.children.get("valkey")
    if child is not None:
        os.killpg(child.pid, signal.SIGKILL)


def _send_away(ground: Ground, plan: Plan) -> float:
    """One network's database lets nobody in, and puts out who is in; meanwhile patients mask, at home, some of what it
    keeps. How soon that is in force there once it lets them in again."""
    time.sleep((plan.seconds - plan.away) / 3)
    addresses = Addresses(ground.stack.settings, ground.info)
    name, found = str(conninfo_to_dict(addresses.tenant_url(AWAY))["dbname"]), ground.books.apart()
    ids = indexed(found, AWAY)
    with psycopg.connect(ground.dsn or addresses.administrator_url(), autocommit=True) as admin:
        database = sql.Identifier(name)
        admin.execute(sql.SQL("alter database {} allow_connections false").format(database))
        try:
            admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (name,))
            back = time.monotonic() + plan.away
            mask(ground.stack.settings, ground.info, ground.size, AWAY, ids)
            time.sleep(max(back - time.monotonic(), 0.0))
        finally:
            admin.execute(sql.SQL("alter database {} allow_connections true").format(database))
    try:
        return until_masked(found, AWAY, ids)
    finally:
        found.close()


def _broker(ground: Ground) -> redis.Redis:
    return redis.Redis.from_url(Addresses(ground.stack.settings, ground.info).broker_url(), socket_timeout=5)


def _watch(ground: Ground, seen: Seen, done: threading.Event) -> None:
    """Read every key and value of the broker, over and over."""
    while not done.wait(0.25):
        try:
            with _broker(ground) as client:
                look(client, seen)
        except (redis.RedisError, OSError):
            continue
        seen.looks += 1


def look(client: redis.Redis, seen: Seen) -> None:
    """Read every key and value, whatever its type, and note what should not be there."""
    for value in _values(client):
        seen.values += 1
        seen.envelopes += b"federation.take" in value
        seen.leaks |= {word for text in _readings(value) for word in _WORDS.findall(text)}


def _values(client: redis.Redis) -> Iterator[bytes]:
    readers: dict[bytes, Callable[[bytes], Any]] = {
        b"string": lambda key: [client.get(key)],
        b"list": lambda key: client.lrange(key, 0, -1),
        b"set": client.smembers,
        b"zset": lambda key: client.zrange(key, 0, -1),
        b"hash": lambda key: [part for pair in client.hgetall(key).items() for part in pair],
    }
    for key in client.scan_iter(count=1000):
        yield key
        try:
            yield from (each for each in readers[client.type(key)](key) if each)  # type: ignore[index]
        except (redis.ResponseError, KeyError):
            continue


_WORDS: Final = re.compile("|".join((NAME, TITLE, BORN + r"\d{7}", "Camille", "CR ou fiche")))


def _readings(value: bytes) -> Iterator[str]:
    """A value as it stands, and its body where Celery wrote it in base64."""
    text = value.decode("utf-8", "replace")
    yield text
    try:
        body = json.loads(text)["body"]
        yield base64.b64decode(body).decode("utf-8", "replace")
    except (ValueError, KeyError, TypeError, binascii.Error):
        return
