"""Traces, sent to an OpenTelemetry collector (OTLP 1.x, JSON over HTTP) where the installation names one.

    PASSERELLE_TRACES_URL=http://collector:4318/v1/traces
    PASSERELLE_TRACES_SHARE=0.1

A span has the name of a registered operation, of a task or of a kind of statement; a network, a status, a request id.
What goes wrong is told by class and code: its text may quote a row. Decision 0141 says why no library does this.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from secrets import randbits
from typing import Any, Final, TypeAlias

import structlog

from passerelle.kernel import tracing
from passerelle.kernel.errors import PasserelleError
from passerelle.kernel.tallies import Count
from passerelle_ops.settings import Settings

LOST: Final = Count("passerelle_spans_lost", "Spans that no collector took.")

#: Takes the body of one message to the collector. Raises whatever keeps it from arriving.
Sends: TypeAlias = Callable[[bytes], None]
_KINDS: Final = {"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}
_ERROR: Final = 2
_SAMPLED: Final = 1
_LOW: Final = (1 << 64) - 1
# The tracestate that may stand beside is anybody's text: it is neither kept nor sent on.
_TRACEPARENT: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
_KEPT: Final = 8_192
_AT_ONCE: Final = 512
_EVERY: Final = 2.0
_SECONDS: Final = 5.0
_log = structlog.get_logger("passerelle.traces")


def trace(settings: Settings, program: str, sends: Sends | None = None) -> None:
    """Have this process traced, if the settings say where to. `sends`: otherwise than over HTTP."""
    if settings.traces_url is not None:
        sends = sends or _over_http(settings.traces_url)
    if sends is not None:
        tracing.use(Traces(program, settings.traces_share, sends))


def stop() -> None:
    """Send what is left, and trace no more."""
    if isinstance(tracing.tracer, Traces):
        tracing.tracer.close()
    tracing.use(None)


@dataclass(slots=True)
class _Span:
    """`tracing.Span`."""

    traces: Traces
    name: str
    kind: int
    trace_id: int
    parent_id: int
    said: dict[str, str | int]
    span_id: int = field(default_factory=lambda: randbits(64) or 1)
    began: int = field(default_factory=time.time_ns)
    ended: int = 0
    is_wrong: bool = False

    def says(self, name: str, value: str | int) -> None:
        self.said[name] = value

    def end(self, error: BaseException | None = None) -> None:
        self.ended = time.time_ns()
        if error is not None:
            self.is_wrong = True
            self.said["error.type"] = type(error).__name__
            if isinstance(error, PasserelleError):
                self.said["passerelle.code"] = error.code
        self.traces.ended(self)

    def as_json(self) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "traceId": f"{self.trace_id:032x}",
            "spanId": f"{self.span_id:016x}",
            "name": self.name,
            "kind": self.kind,
            "startTimeUnixNano": str(self.began),
            "endTimeUnixNano": str(self.ended),
            "attributes": _attributes(self.said),
            "flags": _SAMPLED,
        }
        if self.parent_id:
            shown["parentSpanId"] = f"{self.parent_id:016x}"
        if self.is_wrong:
            shown["status"] = {"code": _ERROR}
        return shown


_HERE: Final[ContextVar[_Span | None]] = ContextVar("passerelle_span", default=None)


class Traces:
    """`tracing.Tracer`: keeps the spans of a share of the traces, and sends them from a thread of its own.

    Which traces, their ids decide (as OpenTelemetry's TraceIdRatioBased does): two processes choose the same, and
    whoever asks has no say. What the collector does not take is lost, and counted.
    """

    def __init__(self, program: str, share: float, sends: Sends) -> None:
        self._program = program
        self._bound = round(share * (_LOW + 1))
        self._sends = sends
        self._ended: deque[_Span] = deque(maxlen=_KEPT)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._send_all, name="traces", daemon=True)
        self._thread.start()

    def begin(self, name: str, kind: str, said: Mapping[str, str | int], came: str | None = None) -> _Span:
        above = _HERE.get()
        trace_id, parent_id = (above.trace_id, above.span_id) if above is not None else _ids(came)
        told = dict(said)
        if (request := tracing.REQUEST.get()) is not None:
            told["passerelle.request_id"] = request
        return _Span(self, name, _KINDS[kind], trace_id or randbits(128) or 1, parent_id, told)

    @contextmanager
    def within(self, name: str, kind: str, said: Mapping[str, str | int], came: str | None) -> Iterator[_Span]:
        span = self.begin(name, kind, said, came)
        before = _HERE.set(span)
        try:
            yield span
        except BaseException as failed:
            span.end(failed)
            raise
        else:
            span.end()
        finally:
            _HERE.reset(before)

    def traceparent(self) -> str | None:
        here = _HERE.get()
        return None if here is None else f"00-{here.trace_id:032x}-{here.span_id:016x}-{self._keeps(here):02x}"

    def ended(self, span: _Span) -> None:
        if self._keeps(span):
            if len(self._ended) == _KEPT:
                LOST.add()
            self._ended.append(span)

    def close(self) -> None:
        """Send what is left."""
        self._stopping.set()
        self._thread.join()

    def _keeps(self, span: _Span) -> bool:
        return span.trace_id & _LOW < self._bound

    def _send_all(self) -> None:
        while not self._stopping.wait(_EVERY):
            self._send_ended()
        self._send_ended()

    def _send_ended(self) -> None:
        while self._ended:
            batch = [self._ended.popleft() for _ in range(min(_AT_ONCE, len(self._ended)))]
            try:
                self._sends(self._message(batch))
            except Exception as failed:  # noqa: BLE001 - whatever it is, what is traced goes on
                LOST.add(by=len(batch))
                _log.warning("traces not sent", spans=len(batch), error=type(failed).__name__)
                return

    def _message(self, batch: list[_Span]) -> bytes:
        scope = {"scope": {"name": "passerelle"}, "spans": [each.as_json() for each in batch]}
        resource = {"attributes": _attributes({"service.name": f"passerelle-{self._program}"})}
        return json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]}).encode()


def _ids(came: str | None) -> tuple[int, int]:
    """The trace and the span of a traceparent; zeros for what is none."""
    found = _TRACEPARENT.fullmatch(came or "")
    trace_id, span_id = (int(found[1], 16), int(found[2], 16)) if found else (0, 0)
    return (trace_id, span_id) if trace_id and span_id else (0, 0)


def _attributes(said: Mapping[str, str | int]) -> list[dict[str, Any]]:
    return [
        {"key": name, "value": {"stringValue": value} if isinstance(value, str) else {"intValue": str(value)}}
        for name, value in said.items()
    ]


def _over_http(url: str) -> Sends:
    # Only here: most installations have no collector.
    import httpx2

    client = httpx2.Client(timeout=_SECONDS, headers={"content-type": "application/json"}, follow_redirects=False)

    def send(body: bytes) -> None:
        client.post(url, content=body).raise_for_status()

    return send
