"""The id of the request that is being served, and the spans of its trace where somebody traces (decision 0141).

Nothing is traced unless `use` was called. A span is told by words and numbers of ours: no value of a statement, no
text of an exception, no URL.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, Final, Protocol
from uuid import uuid4

from sqlalchemy import event
from sqlalchemy.engine import Engine

#: Of the request or of the turn of a task; what is logged meanwhile bears it, and what is sent on.
REQUEST: Final[ContextVar[str | None]] = ContextVar("passerelle_request", default=None)
_STATEMENT_CHARS: Final = 2_000


class Span(Protocol):
    """One piece of work under way."""

    def says(self, name: str, value: str | int) -> None:
        """Tell something more of it."""
        ...

    def end(self, error: BaseException | None = None) -> None: ...


class Tracer(Protocol):
    """Who keeps spans. `within` makes the span the parent of what is begun inside, `close` sends what is left."""

    def begin(self, name: str, kind: str, said: Mapping[str, str | int], /) -> Span: ...
    def within(self, name: str, kind: str, said: Mapping[str, str | int], came: str | None, /) -> Any: ...
    def traceparent(self) -> str | None: ...
    def close(self) -> None: ...


tracer: Tracer | None = None


def use(given: Tracer | None) -> None:
    """Have everything traced from now on by `given`; a database is traced that is opened afterwards."""
    global tracer
    tracer = given


def span(
    name: str, kind: str = "internal", *, came: str | None = None, **said: str | int
) -> AbstractContextManager[Span]:
    """The work of a `with` block as a span, below the one of `came` (a traceparent) when it came from elsewhere."""
    if tracer is None:
        return nullcontext(_NOTHING)
    spanned: AbstractContextManager[Span] = tracer.within(name, kind, said, came)
    return spanned


def sql_span(name: str, statement: str | None = None) -> AbstractContextManager[Span]:
    """A question to a database; `statement` with placeholders in it."""
    said = {} if statement is None else {"db.query.text": statement[:_STATEMENT_CHARS]}
    return span(name, "client", **{"db.system.name": "postgresql", **said})


def request_id() -> str:
    """The id of what is being served, or a new one."""
    return REQUEST.get() or uuid4().hex


def sent_on() -> dict[str, str]:
    """What goes with a message to another process: who asked for it."""
    return {"passerelle_request": request_id(), **parent()}


def parent() -> dict[str, str]:
    """What goes with a question to another gateway: the span it is asked in (W3C Trace Context), if there is one."""
    here = None if tracer is None else tracer.traceparent()
    return {} if here is None else {"traceparent": here}


@contextmanager
def as_request(request: str) -> Iterator[None]:
    """Serve a request of that id."""
    before = REQUEST.set(request)
    try:
        yield
    finally:
        REQUEST.reset(before)


def listen_to(engine: Engine) -> None:
    """Give each statement of an engine a span, where somebody traces."""
    if (given := tracer) is None:
        return

    @event.listens_for(engine, "before_cursor_execute")
    def before(_connection: Any, _cursor: Any, statement: str, _values: Any, context: Any, _many: bool) -> None:
        said = {"db.system.name": "postgresql", "db.query.text": statement[:_STATEMENT_CHARS]}
        context.passerelle_span = given.begin("sql.statement", "client", said)

    @event.listens_for(engine, "after_cursor_execute")
    def after(_connection: Any, _cursor: Any, _statement: str, _values: Any, context: Any, _many: bool) -> None:
        context.passerelle_span.end()

    @event.listens_for(engine, "handle_error")
    def failed(context: Any) -> None:
        begun = getattr(context.execution_context, "passerelle_span", None)
        if begun is not None:
            begun.end(context.original_exception)


class _Nothing:
    def says(self, _name: str, _value: str | int) -> None: ...
    def end(self, _error: BaseException | None = None) -> None: ...


_NOTHING: Final = _Nothing()
