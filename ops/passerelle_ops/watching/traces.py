"""Traces, sent to an OpenTelemetry collector (OTLP over HTTP) where the installation names one (decision 0141).

    PASSERELLE_TRACES_URL=http://collector:4318/v1/traces
    PASSERELLE_TRACES_SHARE=0.1

A span has the name of a registered operation, of a task, of a kind of statement; a network, a status, a request id.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from passerelle.kernel import tracing
from passerelle.kernel.errors import PasserelleError
from passerelle_ops.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span

_TRACEPARENT: Final = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def trace(settings: Settings, program: str, exporter: SpanExporter | None = None) -> None:
    """Have this process traced, if the settings say where to. `exporter`: in place of the one over HTTP."""
    if settings.traces_url is None and exporter is None:
        return
    # Only here: most installations have no collector, and these take a third of a second to load.
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    share = TraceIdRatioBased(settings.traces_share)
    # Whoever asks does not decide whether we keep it: he would fill the collector.
    sampler = ParentBased(share, remote_parent_sampled=share, remote_parent_not_sampled=share)
    provider = TracerProvider(resource=Resource({"service.name": f"passerelle-{program}"}), sampler=sampler)
    if exporter is not None:
        provider.add_span_processor(SimpleSpanProcessor(exporter))
    else:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.traces_url)))
    tracing.use(_OpenTelemetry(provider))


def stop() -> None:
    """Send what is left, and trace no more."""
    if isinstance(tracing.tracer, _OpenTelemetry):
        tracing.tracer.shut()
    tracing.use(None)


class _OpenTelemetry:
    """`tracing.Tracer`."""

    def __init__(self, provider: Any) -> None:
        from opentelemetry import trace as api

        self._api = api
        self._provider = provider
        self._tracer = provider.get_tracer("passerelle")

    def begin(self, name: str, kind: str, said: Mapping[str, str | int]) -> _Spanned:
        return _Spanned(self._begun(name, kind, said, None))

    @contextmanager
    def within(self, name: str, kind: str, said: Mapping[str, str | int], came: str | None) -> Iterator[_Spanned]:
        span = self._begun(name, kind, said, came)
        spanned, error = _Spanned(span), None
        try:
            with self._api.use_span(span, record_exception=False, set_status_on_exception=False):
                yield spanned
        except BaseException as failed:
            error = failed
            raise
        finally:
            spanned.end(error)

    def traceparent(self) -> str | None:
        here = self._api.get_current_span().get_span_context()
        if not here.is_valid:
            return None
        return f"00-{here.trace_id:032x}-{here.span_id:016x}-{here.trace_flags:02x}"

    def shut(self) -> None:
        self._provider.shutdown()

    def _begun(self, name: str, kind: str, said: Mapping[str, str | int], came: str | None) -> Span:
        attributes = dict(said)
        if (request := tracing.REQUEST.get()) is not None:
            attributes["passerelle.request_id"] = request
        span: Span = self._tracer.start_span(
            name, context=self._parent(came), kind=self._api.SpanKind[kind.upper()], attributes=attributes
        )
        return span

    def _parent(self, came: str | None) -> Any:
        """Of a traceparent alone: beside it may stand a tracestate, which is anybody's text."""
        if came is None or not _TRACEPARENT.fullmatch(came):
            return None
        _, trace_id, span_id, flags = came.split("-")
        there = self._api.SpanContext(
            int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=self._api.TraceFlags(int(flags, 16))
        )
        return self._api.set_span_in_context(self._api.NonRecordingSpan(there)) if there.is_valid else None


class _Spanned:
    """`tracing.Span`."""

    def __init__(self, span: Span) -> None:
        self._span = span

    def says(self, name: str, value: str | int) -> None:
        self._span.set_attribute(name, value)

    def end(self, error: BaseException | None = None) -> None:
        """What went wrong is told by class and code: its text may quote a row."""
        if error is not None:
            from opentelemetry.trace import StatusCode

            self._span.set_attribute("error.type", type(error).__name__)
            if isinstance(error, PasserelleError):
                self._span.set_attribute("passerelle.code", error.code)
            self._span.set_status(StatusCode.ERROR)
        self._span.end()
