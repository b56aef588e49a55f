"""Pairs that every pharmacist knows, over the public files: each raises its warning, at every level it has.

Source of each: thésaurus des interactions médicamenteuses (ANSM), September 2019, under the names given.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import any_, func, literal, select

from passerelle.kernel.clock import SetClock
from passerelle.pharmacy.checks.comparison import Ground, compare
from passerelle.pharmacy.checks.findings import FindingCode, InteractionLevel, Source, TableName
from passerelle.pharmacy.checks.interactions import Interactions
from passerelle.pharmacy.checks.items import Item
from passerelle.pharmacy.checks.kept_tables import interactions_of, products_of
from passerelle.pharmacy.checks.repeats import Repetition
from passerelle.pharmacy.reference import sources
from passerelle.pharmacy.reference.loading import load_published
from passerelle.pharmacy.reference.names import words
from passerelle.pharmacy.tables import medicine_substance, presentation
from tests import builders
from tests.conftest import ROOT, Cloned

MEDICINES = Path(os.environ.get("SHARED_DATA", ROOT.parent / "shared" / "data")) / "medicines"
TODAY = date(2026, 11, 16)
CI, AD, PE, PC = (
    InteractionLevel.CONTRAINDICATED,
    InteractionLevel.ADVISED_AGAINST,
    InteractionLevel.CAUTION,
    InteractionLevel.TO_CONSIDER,
)

#: One substance, another, the entry of the thesaurus, the levels that it has.
PAIRS = [
    ("simvastatine", "clarithromycine", {"INHIBITEURS PUISSANTS DU CYP3A4", "SIMVASTATINE"}, {CI}),
    ("colchicine", "clarithromycine", {"COLCHICINE", "MACROLIDES (SAUF SPIRAMYCINE)"}, {CI}),
    ("allopurinol", "azathioprine", {"ANTIPURINES", "INHIBITEURS DE LA XANTHINE OXYDASE"}, {CI}),
    (
        "sildenafil",
        "trinitrine",
        {"DERIVES NITRES ET APPARENTES", "INHIBITEURS DE LA PHOSPHODIESTERASE DE TYPE 5"},
        {CI},
    ),
    ("warfarine", "acide acetylsalicylique", {"ACIDE ACETYLSALICYLIQUE", "ANTICOAGULANTS ORAUX"}, {CI, AD, PC}),
    ("gemfibrozil", "simvastatine", {"FIBRATES", "INHIBITEURS DE L'HMG-COA REDUCTASE (STATINES)"}, {CI, AD}),
    ("phenobarbital", "voriconazole", {"ANTICONVULSIVANTS INDUCTEURS ENZYMATIQUES", "VORICONAZOLE"}, {CI, AD}),
    ("methotrexate", "ketoprofene", {"ANTI-INFLAMMATOIRES NON STEROIDIENS", "METHOTREXATE"}, {AD, PE}),
    ("lithium", "ibuprofene", {"ANTI-INFLAMMATOIRES NON STEROIDIENS", "LITHIUM"}, {AD}),
    ("carbamazepine", "erythromycine", {"CARBAMAZEPINE", "ERYTHROMYCINE"}, {AD}),
    ("capecitabine", "phenytoine", {"CYTOTOXIQUES", "PHENYTOINE (ET, PAR EXTRAPOLATION, FOSPHENYTOINE)"}, {AD}),
    ("propranolol", "verapamil", {"BETA-BLOQUANTS (SAUF ESMOLOL)", "VERAPAMIL"}, {AD}),
]


@dataclass(frozen=True)
class Loaded:
    """The two public tables, in force."""

    world: builders.World
    edition_id: UUID
    interactions: Interactions

    async def item(self, substance: str) -> Item:
        """A medicine of that substance alone."""
        alone = (
            select(medicine_substance.c.cis)
            .where(medicine_substance.c.edition_id == self.edition_id)
            .group_by(medicine_substance.c.cis)
            .having(func.count(func.distinct(medicine_substance.c.link)) == 1)
            .having(func.bool_or(literal(substance) == any_(medicine_substance.c.known_as)))
        )
        box = select(func.min(presentation.c.cip13)).where(
            presentation.c.edition_id == self.edition_id, presentation.c.cis.in_(alone)
        )
        async with self.world.tenant.database.transaction() as connection:
            cip13 = (await connection.execute(box)).scalar_one()
        assert cip13, f"no medicine of {substance}"
        found = (await products_of(self.world.context(builders.operator()), self.edition_id, [cip13]))[cip13]
        assert found is not None
        return Item(label=found.name, cip13=cip13, cis=found.cis, substances=found.substances, atc=found.atc)


@pytest.fixture(scope="module")
async def loaded(tenant_database: Cloned, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    if not MEDICINES.is_dir():
        pytest.skip(f"the public files of medicines are not at {MEDICINES}")
    # The medicines of these substances alone, line by line as they were published: the whole list takes its time.
    folder = tmp_path_factory.mktemp("bdpm-2026-05")
    composed = (MEDICINES / "bdpm-2026-05" / "CIS_COMPO_bdpm.txt").read_bytes().splitlines()
    named = {each.split()[-1] for pair in PAIRS for each in pair[:2]}
    wanted = {each.split(b"\t")[0] for each in composed if not named.isdisjoint(words(each.decode("cp1252")))}
    for file in (MEDICINES / "bdpm-2026-05").iterdir():
        lines = file.read_bytes().splitlines(keepends=True)
        theirs = [each for each in lines if not wanted.isdisjoint(each.split(b"\t"))]
        (folder / file.name).write_bytes(b"".join(theirs))
    clock = SetClock(datetime(2026, 11, 16, 9, 0, tzinfo=UTC))
    database = tenant_database.database
    (bdpm,) = await load_published(database, clock, sources.Source.BDPM, folder, dated=date(2026, 5, 1))
    tables = await load_published(database, clock, sources.Source.INTERACTIONS, MEDICINES / "ansm-interactions")
    world = builders.World(builders.network(database, tmp_path_factory.mktemp("network")), clock)
    newest = tables[-1]
    kept = await interactions_of(world.context(builders.operator()), newest.edition_id, newest.dated)
    return Loaded(world, bdpm.edition_id, kept)


@pytest.mark.parametrize(
    ("one", "other", "entry", "levels"), PAIRS, ids=lambda given: given if isinstance(given, str) else ""
)
async def test_a_well_known_pair_raises_its_warning(
    loaded: Loaded, one: str, other: str, entry: set[str], levels: set[InteractionLevel]
) -> None:
    basket, taken = await loaded.item(one), await loaded.item(other)
    ground = Ground(
        today=TODAY,
        repetition=Repetition(atc_level=4, tolerance_days=7),
        interactions=loaded.interactions,
        medicines=Source(TableName.MEDICINES, date(2026, 5, 1)),
    )
    for said in (compare([basket, taken], ground), compare([basket], replace(ground, taken=[taken]))):
        found = [each for each in said.findings if each.code == FindingCode.INTERACTION and set(each.between) == entry]
        assert {each.level for each in found} == levels
        assert all(each.source.dated == date(2019, 9, 1) and each.sentence for each in found)
