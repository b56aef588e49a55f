"""Statements of no domain, for the tests of what carries them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sent:
    sql: bytes


TELL = Sent(b"select $1::text")
DIVIDE = Sent(b"select $1::text, 1 / $2::int")
SLEEP = Sent(b"select $1::text from pg_sleep($2::int / 1000.0)")
ME = Sent(b"select pg_backend_pid()")
PLACE = Sent(b"select current_database(), $1::text, pg_backend_pid() from pg_sleep($2::int / 1000.0)")
DIE = Sent(b"select pg_terminate_backend(pg_backend_pid())")
