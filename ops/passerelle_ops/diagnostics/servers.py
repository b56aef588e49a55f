"""The servers that an installation stands on: its databases, its broker, the clocks of both, and certificates."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, Literal
from urllib.parse import urlsplit

import psycopg
import redis
from cryptography import x509

from passerelle_ops.diagnostics.found import Check, Found, Wrong
from passerelle_ops.revisions import is_behind

_SECONDS: Final = 5
#: A token, an envelope and a relation are judged by the minute.
_OFF_SECONDS: Final = 30
#: Certificates that renew themselves do so a month before.
_NEAR: Final = timedelta(days=21)
#: As the alert `QueueLong`.
_LONG: Final = 300


async def database(history: Literal["directory", "tenant"], about: str, url: str, now: datetime) -> list[Found]:
    """Whether it answers; then, whether its schema is that of this version, and its clock ours."""
    try:
        connection = await psycopg.AsyncConnection.connect(url, connect_timeout=_SECONDS)
        async with connection:
            told = await (await connection.execute("select clock_timestamp()")).fetchone()
            revision = await _revision(connection)
    except psycopg.Error:
        return [Found(Check.DATABASE, about, Wrong("DATABASE_UNREACHABLE"))]
    behind = Wrong("SCHEMA_BEHIND", {"revision": revision or "—"}) if is_behind(history, revision) else None
    clock = _off(told[0], now) if told else None
    return [Found(Check.DATABASE, about), Found(Check.MIGRATIONS, about, behind), Found(Check.CLOCK, about, clock)]


async def _revision(connection: psycopg.AsyncConnection) -> str | None:
    try:
        row = await (await connection.execute("select version_num from alembic_version")).fetchone()
    except psycopg.errors.UndefinedTable:
        return None
    return row[0] if row else None


async def broker(url: str, queues: Mapping[str, Iterable[str]], now: datetime) -> list[Found]:
    """Whether it answers, its clock, and how long the queues of each network are; `queues` are their keys."""
    return await asyncio.to_thread(_broker, url, queues, now)


def _broker(url: str, queues: Mapping[str, Iterable[str]], now: datetime) -> list[Found]:
    client = redis.Redis.from_url(url, socket_connect_timeout=_SECONDS, socket_timeout=_SECONDS)
    try:
        seconds, micros = client.time()
        waiting = {network: sum([int(client.llen(key)) for key in keys]) for network, keys in queues.items()}
    except redis.AuthenticationError:
        return [Found(Check.BROKER, wrong=Wrong("BROKER_REFUSES"))]
    except redis.RedisError:
        return [Found(Check.BROKER, wrong=Wrong("BROKER_UNREACHABLE"))]
    finally:
        client.close()
    told = datetime.fromtimestamp(seconds + micros / 1_000_000, UTC)
    return [
        Found(Check.BROKER),
        Found(Check.CLOCK, "broker", _off(told, now)),
        *(
            Found(Check.QUEUES, network, Wrong("QUEUE_LONG", {"messages": number}) if number > _LONG else None)
            for network, number in waiting.items()
        ),
    ]


async def certificates(urls: Iterable[str | None], now: datetime) -> list[Found]:
    """Those of the servers behind these addresses, each once; what is not https has none."""
    parts = [urlsplit(each) for each in urls if each is not None]
    places = {(each.hostname, each.port or 443) for each in parts if each.scheme == "https" and each.hostname}
    looked = (asyncio.to_thread(_certificate, host, port, now) for host, port in sorted(places))
    return list(await asyncio.gather(*looked))


def _certificate(host: str, port: int, now: datetime) -> Found:
    about = f"{host}:{port}"
    try:
        text = ssl.get_server_certificate((host, port), timeout=_SECONDS)
    except OSError:
        return Found(Check.CERTIFICATE, about, Wrong("CERTIFICATE_UNSEEN", {"server": about}))
    until = x509.load_pem_x509_certificate(text.encode("ascii")).not_valid_after_utc
    return Found(Check.CERTIFICATE, about, ending("CERTIFICATE", until, now))


def ending(what: str, until: datetime | None, now: datetime) -> Wrong | None:
    """What has ended, or ends within three weeks."""
    if until is None or until - now > _NEAR:
        return None
    return Wrong(f"{what}_ENDED" if until <= now else f"{what}_ENDS", {"until": f"{until:%d/%m/%Y}"})


def _off(told: datetime, now: datetime) -> Wrong | None:
    off = round(abs((told - now).total_seconds()))
    return Wrong("CLOCK_OFF", {"seconds": off}) if off > _OFF_SECONDS else None
