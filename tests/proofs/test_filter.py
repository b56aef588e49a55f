"""(a) The rows that SQL returns are those that `decide` allows one by one, on facts that a plain model gathered."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from passerelle.dossier import documents, reading
from passerelle.kernel.errors import Refused
from passerelle_ops.bench._stage import Stage
from passerelle_ops.bench._worlds import CITIZENS, READERS, drawn_plot, drawn_step
from passerelle_policies.vocabulary import DocumentStatus, Mode
from tests.proofs.conftest import Drawn

_EVERYTHING = reading.DocumentFilter(statuses=[each.value for each in DocumentStatus], whole_history=True)
_ROUNDS = 2


@settings(
    max_examples=25,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=st.data())
async def test_sql_returns_what_the_model_allows(new_stage: Callable[[str], Stage], data: st.DataObject) -> None:
    draw = Drawn(data)
    plot = drawn_plot(draw, 8)
    stage = new_stage(plot.born)
    await stage.begin()
    for each in plot.steps:
        await stage.play(each)
    for _ in range(_ROUNDS):
        for who in READERS:
            mode = Mode.NORMAL if who in CITIZENS else draw.choose(list(Mode))
            await _agrees(stage, who, mode)
        for _ in range(4):
            await stage.play(drawn_step(draw, plot))


async def _agrees(stage: Stage, who: str, mode: Mode) -> None:
    """Page, total, pages of one, each filter by status, each document: all as the model says."""
    stage.oracle.now = stage.clock.now()
    shown = {stage.documents[each]: status for each, status in stage.oracle.shown(who, mode).items()}
    context = stage.context(who, mode)
    if not stage.oracle.opens(who, mode):
        assert not shown
        with pytest.raises(Refused):
            await reading.open_dossier(context, stage.patient_id, _EVERYTHING)
    else:
        opened = await reading.open_dossier(context, stage.patient_id, _EVERYTHING, with_total=True)
        told = {UUID(each["document_id"]): DocumentStatus(each["status"]) for each in opened.page.documents}
        assert told == shown, (who, mode)
        assert opened.page.total == len(shown)
        assert frozenset(opened.relations) == stage.oracle.facts(who, mode).relations
        assert await _leafed_through(stage, who, mode) == [each["document_id"] for each in opened.page.documents]
        for status in (DocumentStatus.CURRENT, DocumentStatus.SUPERSEDED):
            of_it = reading.DocumentFilter(statuses=[status.value], whole_history=True)
            page = (await reading.open_dossier(context, stage.patient_id, of_it, with_total=True)).page
            assert page.total == len(page.documents) == list(shown.values()).count(status)
    for each in stage.documents.values():
        if each in shown:
            read = await documents.read_document(context, each)
            assert read.document["status"] == shown[each].value
        else:
            with pytest.raises(Refused, match="DOCUMENT_UNKNOWN"):
                await documents.read_document(context, each)


async def _leafed_through(stage: Stage, who: str, mode: Mode) -> list[str]:
    """The documents page by page, two on each."""
    found: list[str] = []
    after = None
    while True:
        context = stage.context(who, mode)
        page = (await reading.open_dossier(context, stage.patient_id, _EVERYTHING, first=2, after=after)).page
        found += [each["document_id"] for each in page.documents]
        if not page.has_next:
            return found
        after = reading.cursor_of(page.documents[-1])
