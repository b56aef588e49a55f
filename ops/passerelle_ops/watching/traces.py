"""Traces, sent to an OpenTelemetry collector (OTLP over HTTP) where the installation names one (decision 0141).

    PASSERELLE_TRACES_URL=http://collector:4318/v1/traces
    PASSERELLE_TRACES_SHARE=0.1

A span has the name of a registered operation, of a task or of a kind of statement; a network, a status, a request id.
What goes wrong is told by class and code: its text may quote a row.
"""

from __future__ import annotations

from typing import Final

from passerelle.kernel import tracing
from passerelle.kernel.tallies import Count
from passerelle_ops.settings import Settings

LOST: Final = Count("passerelle_spans_lost", "Spans that no collector took.")


def trace(settings: Settings, program: str) -> None:
    """Have this process traced, if the settings say where to."""
    if settings.traces_url is None:
        return
    # Only here: most installations have no collector, and OpenTelemetry takes its time to load.
    from passerelle_ops.watching.spans import Spans

    tracing.use(Spans(program, settings.traces_share, settings.traces_url, LOST))


def stop() -> None:
    """Send what is left, and trace no more."""
    if tracing.tracer is not None:
        tracing.tracer.close()
    tracing.use(None)
