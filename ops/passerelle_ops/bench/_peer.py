"""Another GraphQL server over the same data: how it finds the ground, what it is asked, whether it answers alike.

Its schema is its own: what is compared is every value that both answers hold under the same names, in order. It writes
no journal line and verifies no token unless it is made to, which counts in its favour.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from passerelle.kernel.errors import Conflict
from passerelle_graphql.ids import read_line_cursor
from passerelle_ops.bench._bare import PAGE
from passerelle_ops.bench._http import connected, request
from passerelle_ops.bench._kept_ground import Grounds, Sizes, measured_on_kept_ground
from passerelle_ops.bench._operations import Operation, Turn
from passerelle_ops.bench._rounds import Ask, Side
from passerelle_ops.stack.addresses import OWNER, Addresses, tenant_database, tenant_role
from passerelle_ops.terminal import notices, sentence

READER: Final = "passerelle_bench_reader"
_WRAPPERS: Final = frozenset({"edges", "node", "nodes", "data"})
_PATIENCE_SECONDS: Final = 900.0
_ENOUGH: Final = 1 / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Where it is, and what to ask it: the query of each operation that it knows, by the operation's name.

    In `headers`, `{patient_id}`, `{rpps}` and `{token}` stand for what each asking is about. Queries get the variables
    `patientId` (a UUID), `rpps`, `first`; `since` and `until` when answers are compared; `later` says whether it is a
    later page of the journal, `before` after which line.
    """

    url: str
    queries: Mapping[str, str]
    headers: Mapping[str, str] = field(default_factory=dict)

    def asks(self, operation: Operation) -> bool:
        return operation.name in self.queries


class PeerSide:
    """A peer as a side of one operation."""

    def __init__(self, peer: Peer, operation: Operation, tokens: Mapping[str, str]) -> None:
        self._peer = peer
        self._operation = operation
        self._tokens = tokens

    def side(self) -> Side:
        requests = [self._request(each) for each in self._operation.turns]

        @asynccontextmanager
        async def client() -> AsyncIterator[Ask]:
            async with connected(self._peer.url) as connection:

                async def ask(turn: int) -> None:
                    answer = await connection.ask(requests[turn % len(requests)])
                    if answer.status != HTTPStatus.OK or b'"errors"' in answer.body[:20]:
                        raise ValueError(f"the peer did not answer: {answer.status} {answer.body[:300]!r}")

                yield ask

        return Side(f"peer{self._operation.suffix}", "pair", client)

    async def compare(self, ours: Sequence[bytes]) -> float:
        """The share of our values that the peer gives too. Refused: PEER_DIFFERS, naming the first field that does;
        PEER_SHOWS_LESS when it gives less than half."""
        shares: list[float] = []
        async with connected(self._peer.url) as connection:
            for turn, (asked, body) in enumerate(zip(self._operation.compared, ours, strict=True)):
                theirs = values_in((await connection.ask(self._request(asked))).body)
                shares.append(share_of(values_in(body), theirs, turn))
        return min(shares)

    def _request(self, turn: Turn) -> bytes:
        about = {
            "patient_id": str(turn.patient_id),
            "rpps": turn.opening.rpps,
            "token": self._tokens[turn.opening.rpps],
        }
        variables: dict[str, Any] = {"patientId": about["patient_id"], "rpps": about["rpps"], "first": PAGE}
        if after := turn.variables.get("after"):
            variables["before"] = read_line_cursor(after)
        bounds = {**turn.variables, **turn.variables.get("filter", {})}
        variables |= {name: bounds[name] for name in ("since", "until") if name in bounds}
        variables["later"] = after is not None
        headers = {"content-type": "application/json", "accept": "application/json"}
        headers |= {name: value.format_map(about) for name, value in self._peer.headers.items()}
        asked = {"query": self._peer.queries[self._operation.name], "variables": variables}
        return request("POST", self._peer.url, headers, json.dumps(asked).encode())


def share_of(ours: Mapping[str, Sequence[str]], theirs: Mapping[str, Sequence[str]], turn: int) -> float:
    common = ours.keys() & theirs.keys()
    for name in sorted(common):
        if ours[name] != theirs[name]:
            raise Conflict("PEER_DIFFERS", opening=turn, field=name)
    share = sum(len(ours[name]) for name in common) / max(sum(map(len, ours.values())), 1)
    if share < _ENOUGH:
        raise Conflict("PEER_SHOWS_LESS", opening=turn, share=f"{share:.0%}")
    return share


def values_in(body: bytes) -> dict[str, list[str]]:
    """Every value of an answer, by its name and that of the object around it, as the two may write it differently."""
    found: dict[str, list[str]] = {}
    for name, value in _leaves(json.loads(body).get("data"), ()):
        found.setdefault(name, []).append(value)
    return found


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, below in value.items():
            yield from _leaves(below, path if name in _WRAPPERS else (*path, *_names(name)))
    elif isinstance(value, list):
        for below in value:
            yield from _leaves(below, path)
    else:
        yield ".".join(path[-2:]), _written(value)


def _names(name: str) -> list[str]:
    """A flat column stands for a field of an object: `type_code` for `code` of `type`."""
    return [name] if name.startswith("__") else name.split("_")


def _written(value: Any) -> str:
    """An instant in UTC; a number, a name of an enumeration and a text as lower-case text."""
    if isinstance(value, str) and len(value) > len("2026-01-01T00") and value[4:5] == "-" and value[10:11] in "T ":
        try:
            return datetime.fromisoformat(value).astimezone(UTC).isoformat(timespec="milliseconds")
        except ValueError:
            return value.casefold()
    return str(value).casefold()


# The ground, shown to others.


def held(sizes: Sizes) -> int:
    """Keep the ground running until Ctrl-C, and say where it is."""

    def on_grounds(grounds: Grounds) -> None:
        _announce(grounds)

    return measured_on_kept_ground(sizes, None, lambda _: (), on_grounds)


def invite(grounds: Grounds, peer: Peer) -> None:
    """Say where the ground is, and wait until the peer listens. Refused: PEER_SILENT."""
    _announce(grounds)
    where = urlsplit(peer.url)
    end = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < end:
        try:
            socket.create_connection((where.hostname or "127.0.0.1", where.port or 80), timeout=2).close()
        except OSError:
            time.sleep(0.5)
        else:
            return
    raise Conflict("PEER_SILENT", seconds=int(_PATIENCE_SECONDS))


def _announce(grounds: Grounds) -> None:
    """A role that reads everything of the large network and writes nothing; its DSN, and that of who makes views."""
    ground = grounds.large
    addresses = Addresses(ground.settings, ground.info)
    database, password = tenant_database(ground.tenant), addresses.password(READER)
    reader = sql.Identifier(READER)
    with psycopg.connect(addresses.administrator_url(database), autocommit=True) as admin:
        found = admin.execute("select 1 from pg_roles where rolname = %s", (READER,)).fetchone()
        verb = sql.SQL("alter" if found else "create")
        admin.execute(sql.SQL("{} role {} login password {}").format(verb, reader, sql.Literal(password)))
        admin.execute(sql.SQL("grant connect on database {} to {}").format(sql.Identifier(database), reader))
        admin.execute(sql.SQL("grant usage on schema public to {}").format(reader))
        admin.execute(sql.SQL("grant select on all tables in schema public to {}").format(reader))
        # Policies are the peer's own affair: the next setting up takes this back.
        serving = sql.Identifier(tenant_role(ground.tenant))
        admin.execute(sql.SQL("alter role {} bypassrls").format(serving))
        admin.execute(
            sql.SQL("alter default privileges for role {} grant select on tables to {}").format(
                sql.Identifier(OWNER), reader
            )
        )
    port = ground.info.postgres_port
    reader_dsn = f"postgresql://{READER}:{password}@127.0.0.1:{port}/{database}"
    for code, dsn in (
        ("BENCH_GROUND_READER", reader_dsn),
        ("BENCH_GROUND_OWNER", addresses.tenant_owner_url(ground.tenant)),
    ):
        notices().print(sentence(code, dsn=dsn), soft_wrap=True)
