"""Whether a reader is shown what the model allows him, and nothing else: AssertionError when not."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from passerelle.dossier import documents, reading
from passerelle.kernel.errors import Refused
from passerelle_ops.bench._stage import Stage
from passerelle_ops.bench._worlds import CITIZENS, READERS, Draw, drawn_plot, drawn_step
from passerelle_policies.vocabulary import DocumentStatus, Mode

_EVERYTHING = reading.DocumentFilter(statuses=[each.value for each in DocumentStatus], whole_history=True)


async def judged(new_stage: Callable[[str], Stage], draw: Draw, *, length: int = 8, rounds: int = 2) -> None:
    """Play a world, look at it as every reader, let more happen, look again."""
    plot = drawn_plot(draw, length)
    stage = new_stage(plot.born)
    await stage.begin()
    for each in plot.steps:
        await stage.play(each)
    for _ in range(rounds):
        for who in READERS:
            await agrees(stage, who, Mode.NORMAL if who in CITIZENS else draw.choose(list(Mode)))
        for _ in range(4):
            await stage.play(drawn_step(draw, plot))


async def agrees(stage: Stage, who: str, mode: Mode) -> None:
    """Page, total, pages of two, filters by status, each document: all as the model says."""
    stage.oracle.now = stage.clock.now()
    shown = {stage.documents[each]: status for each, status in stage.oracle.shown(who, mode).items()}
    opened = await _opened(stage, who, mode, with_total=True)
    assert (opened is not None) == stage.oracle.opens(who, mode), f"{who} in mode {mode} is let in, or is not"
    if opened is None:
        assert not shown
    else:
        told = {UUID(each["document_id"]): DocumentStatus(each["status"]) for each in opened.page.documents}
        assert told == shown, f"{who} in mode {mode} is shown {told}, and may see {shown}"
        assert opened.page.total == len(shown), "a total counts what is not shown"
        assert frozenset(opened.relations) == stage.oracle.facts(who, mode).relations, "another relation"
        assert await _leafed_through(stage, who, mode) == [each["document_id"] for each in opened.page.documents]
        for status in (DocumentStatus.CURRENT, DocumentStatus.SUPERSEDED):
            of_it = reading.DocumentFilter(statuses=[status.value], whole_history=True)
            page = (await reading.open_dossier(stage.context(who, mode), stage.patient_id, of_it, with_total=True)).page
            assert page.total == len(page.documents) == list(shown.values()).count(status)
    for each in stage.documents.values():
        expected = shown[each].value if each in shown else "DOCUMENT_UNKNOWN"
        assert await _status(stage, who, mode, each) == expected, f"{who} in mode {mode} reads one document"


async def _status(stage: Stage, who: str, mode: Mode, document_id: UUID) -> str:
    try:
        return str((await documents.read_document(stage.context(who, mode), document_id)).document["status"])
    except Refused as refused:
        return refused.code


async def _opened(stage: Stage, who: str, mode: Mode, *, with_total: bool) -> reading.OpenedDossier | None:
    try:
        return await reading.open_dossier(
            stage.context(who, mode), stage.patient_id, _EVERYTHING, with_total=with_total
        )
    except Refused:
        return None


async def _leafed_through(stage: Stage, who: str, mode: Mode) -> list[str]:
    found: list[str] = []
    after = None
    while True:
        context = stage.context(who, mode)
        page = (await reading.open_dossier(context, stage.patient_id, _EVERYTHING, first=2, after=after)).page
        found += [each["document_id"] for each in page.documents]
        if not page.has_next:
            return found
        after = reading.cursor_of(page.documents[-1])
