"""Spans over the SDK of OpenTelemetry: which are kept, where they belong, and how many no collector took."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from opentelemetry import trace as api
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from passerelle.kernel import tracing
from passerelle.kernel.errors import PasserelleError
from passerelle.kernel.tallies import Count

_KEPT: Final = 2_048
# For a message and its repetitions. A collector that is away holds a stop up by as much for each that is left.
_SECONDS: Final = 2.0
_PROPAGATOR: Final = TraceContextTextMapPropagator()


class Spans:
    """`tracing.Tracer`: keeps the spans of a share of the traces, and sends them from a thread of its own.

    Which traces, their ids decide: two processes choose the same, and whoever asks has no say. What the collector at
    `url` does not take is counted as `lost`.
    """

    def __init__(self, program: str, share: float, url: str, lost: Count) -> None:
        self._provider = TracerProvider(
            sampler=TraceIdRatioBased(share), resource=Resource({"service.name": f"passerelle-{program}"})
        )
        self._provider.add_span_processor(_Queue(_Exporter(url, lost)))
        self._tracer = self._provider.get_tracer("passerelle")

    def begin(self, name: str, kind: str, said: Mapping[str, str | int], came: str | None = None) -> _Span:
        told = dict(said)
        if (request := tracing.REQUEST.get()) is not None:
            told["passerelle.request_id"] = request
        return _Span(self._tracer.start_span(name, _above(came), api.SpanKind[kind.upper()], told))

    @contextmanager
    def within(self, name: str, kind: str, said: Mapping[str, str | int], came: str | None) -> Iterator[_Span]:
        span = self.begin(name, kind, said, came)
        try:
            with api.use_span(span.begun, record_exception=False, set_status_on_exception=False):
                yield span
        except BaseException as failed:
            span.end(failed)
            raise
        else:
            span.end()

    def traceparent(self) -> str | None:
        told: dict[str, str] = {}
        _PROPAGATOR.inject(told)
        return told.get("traceparent")

    def close(self) -> None:
        self._provider.shutdown()


class _Span:
    """`tracing.Span`."""

    __slots__ = ("begun",)

    def __init__(self, begun: api.Span) -> None:
        self.begun = begun

    def says(self, name: str, value: str | int) -> None:
        self.begun.set_attribute(name, value)

    def end(self, error: BaseException | None = None) -> None:
        if error is not None:
            self.begun.set_attribute("error.type", type(error).__name__)
            if isinstance(error, PasserelleError):
                self.begun.set_attribute("passerelle.code", error.code)
            self.begun.set_status(api.StatusCode.ERROR)
        self.begun.end()


def _above(came: str | None) -> Context | None:
    """Where a span belongs that is not below another of this process; None: below that, or below none."""
    if came is None or api.get_current_span().get_span_context().is_valid:
        return None
    # The tracestate that may stand beside is anybody's text: it is neither kept nor sent on.
    return _PROPAGATOR.extract({"traceparent": came})


class _Exporter(OTLPSpanExporter):
    """Counts what is not taken."""

    def __init__(self, url: str, lost: Count) -> None:
        # Those that it brings do not know the authority of a house.
        authorities = ssl.get_default_verify_paths().cafile
        super().__init__(url, certificate_file=authorities, timeout=_SECONDS)
        self._lost, self._counting = lost, threading.Lock()
        #: How many spans left the queue. One thread counts these, another those that came.
        self.left = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.left += len(spans)
        result = super().export(spans)
        if result is not SpanExportResult.SUCCESS:
            self.lose(len(spans))
        return result

    def lose(self, spans: int) -> None:
        """Count them, from whichever thread."""
        with self._counting:
            self._lost.add(by=spans)


class _Queue(BatchSpanProcessor):
    """Counts what goes because no room is left: the SDK writes it into the log alone."""

    def __init__(self, exporter: _Exporter) -> None:
        self._exporter, self._came = exporter, 0
        super().__init__(exporter, max_queue_size=_KEPT)

    def on_end(self, span: ReadableSpan) -> None:
        if self._came - self._exporter.left < _KEPT:
            self._came += 1
        else:
            self._exporter.lose(1)
        super().on_end(span)
