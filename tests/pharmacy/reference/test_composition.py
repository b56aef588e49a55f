"""What a medicine acts by, whatever its composition links: written out, and as both readers of it are told."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.kernel.clock import SetClock
from passerelle.pharmacy.checks.kept_tables import products_of
from passerelle.pharmacy.dispensed import substances_of
from passerelle.pharmacy.reference import medicines, sources
from passerelle.pharmacy.reference.composition import acting
from passerelle.pharmacy.reference.loading import load_published
from tests import builders
from tests.conftest import Cloned
from tests.pharmacy.reference import published

CIS, BOX = "60000001", "3400930000007"


class Line(NamedTuple):
    element: str
    link: int
    nature: str
    name: str
    known_as: frozenset[str]


#: (element, name, nature, link), then the names of what acts, in the order of the composition.
CASES = {
    "no link": ([("A", "CHLORURE DE CALCIUM", "SA", 0), ("A", "GLUCOSE", "SA", 0)], ["CHLORURE DE CALCIUM", "GLUCOSE"]),
    "a fraction before its salt": ([("A", "MORPHINE", "FT", 1), ("A", "MORPHINE (SULFATE DE)", "SA", 1)], ["MORPHINE"]),
    "one link, two elements": (
        [("A", "CHLORURE DE CALCIUM", "SA", 1), ("A", "GLUCOSE", "SA", 2), ("B", "BICARBONATE DE SODIUM", "SA", 1)],
        ["CHLORURE DE CALCIUM", "GLUCOSE", "BICARBONATE DE SODIUM"],
    ),
    "one fraction of two substances": (
        [("A", "OXYDE DE GADOLINIUM", "SA", 1), ("A", "ACIDE GADOTÉRIQUE", "FT", 1), ("A", "DOTA", "SA", 1)],
        ["ACIDE GADOTÉRIQUE"],
    ),
    "two fractions of one substance": (
        [("A", "VALSARTAN", "FT", 1), ("A", "COMPLEXE SODIQUE", "SA", 1), ("A", "SACUBITRIL", "FT", 1)],
        ["VALSARTAN", "SACUBITRIL"],
    ),
}


@pytest.mark.parametrize("case", CASES)
async def test_both_readers_are_told_what_acts(tenant_database: Cloned, tmp_path: Path, case: str) -> None:
    lines, names = CASES[case]
    rows = (f"{CIS}\t{part}\t1\t{name}\t\t\t{nature}\t{link}\r\n" for part, name, nature, link in lines)
    clock, database = SetClock(datetime(2026, 11, 16, 9, tzinfo=UTC)), tenant_database.database
    folder = published.bdpm(tmp_path, CIS_COMPO_bdpm="".join(rows).encode("cp1252"))
    (edition,) = await load_published(database, clock, sources.Source.BDPM, folder, dated=date(2026, 5, 1))

    context = builders.World(builders.network(database, tmp_path), clock).context(builders.operator())
    kept = (await products_of(context, edition.edition_id, [BOX]))[BOX]
    assert kept is not None
    assert [each.name for each in kept.substances] == names
    for one in kept.substances:
        assert [other.name for other in kept.substances if one.is_same(other)] == [one.name]

    async with database.transaction() as connection:
        box = (await medicines.products(connection, [BOX]))[BOX]
    first = {each.name: min(each.known_as, key=lambda name: (len(name), name)) for each in box.medicine.substances}
    assert substances_of(box.medicine) == [first[name] for name in names]


_LINE = st.builds(
    Line,
    element=st.sampled_from("AB"),
    link=st.integers(0, 2),
    nature=st.sampled_from(("SA", "FT")),
    name=st.just(""),
    known_as=st.just(frozenset()),
)


@settings(max_examples=60)
@given(lines=st.lists(_LINE, max_size=6))
def test_nothing_that_acts_is_lost(lines: list[Line]) -> None:
    named = [each._replace(name=f"{place}", known_as=frozenset({f"{place}"})) for place, each in enumerate(lines)]
    found = acting(named)
    assert frozenset[str]().union(*(each.known_as for each in found)) == {each.name for each in named}
    assert {each.name for each in named if each.nature == "FT" or each.link == 0} <= {each.line.name for each in found}
    for one in found:
        assert all(one.known_as.isdisjoint(other.known_as) for other in found if other is not one)
