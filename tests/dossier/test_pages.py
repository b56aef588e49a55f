"""Pages of a record."""

from __future__ import annotations

from passerelle.dossier import reading
from tests.builders import World, document


async def test_pages_follow_each_other_without_a_gap(world: World) -> None:
    patient_id, person = await world.patient()
    filed = [await world.publish(patient_id, document(at=f"202611{day:02d}10+0100")) for day in range(1, 8)]
    seen: list[str] = []
    after: str | None = None
    for _ in range(4):
        page = (await reading.open_dossier(world.context(person), patient_id, first=2, after=after)).page
        seen += [each["document_id"] for each in page.documents]
        if not page.has_next:
            break
        after = reading.cursor_of(page.documents[-1])
    assert seen == [str(each) for each in reversed(filed)]
