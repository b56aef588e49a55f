"""Casbin is the judge: what is compiled and kept says what it says, cell by cell."""

from __future__ import annotations

import random
from itertools import product

import pytest

from passerelle_policies.cells import cells_of
from passerelle_policies.decision import DocumentFacts, Facts, Reach, ask_casbin, decide, reach
from passerelle_policies.matrix import ANY, NO_TYPE, Concealment
from passerelle_policies.packs import Overrides, Pack, packs
from passerelle_policies.vocabulary import DocumentStatus, DossierState, Kind, Mode, Purpose, Relation, Role, Setting
from tests.rules.strategies import GATES, QUESTIONS, TODAY

pytestmark = pytest.mark.no_cover
ALL_ASLEEP: Overrides = {}
ALL_AWAKE: Overrides = dict.fromkeys(GATES, True)
SAMPLED = 600  # Casbin takes about 2 ms for each
SEED = 20251015


def compiled_cells(pack: Pack, overrides: Overrides) -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    for role, mode, (kind, action) in product(Role, Mode, QUESTIONS):
        for setting in Setting if kind in pack.by_setting else (ANY,):
            given = Setting.NONE if setting == ANY else Setting(setting)
            for line in reach(role, mode, kind, action, pack.effective, overrides, setting=given):
                found.update(
                    product(
                        (role,),
                        line.relations,
                        (setting,),
                        (kind,),
                        (action,),
                        (mode,),
                        line.types or (NO_TYPE,),
                        shown_by(line),
                    )
                )
    return found


def shown_by(line: Reach) -> list[Concealment]:
    flags = {
        Concealment.PLAIN: True,
        Concealment.MASKED: line.sees_masked,
        Concealment.HIDDEN_FROM_PATIENT: line.sees_hidden_from_patient,
        Concealment.HIDDEN_FROM_REPRESENTATIVES: line.sees_hidden_from_representatives,
    }
    return [each for each, seen in flags.items() if seen]


EVERY_PACK_AWAKE_AND_THE_LAST_ASLEEP = [*((pack, ALL_AWAKE) for pack in packs()), (packs()[-1], ALL_ASLEEP)]


@pytest.mark.parametrize(
    ("pack", "overrides"), EVERY_PACK_AWAKE_AND_THE_LAST_ASLEEP, ids=[*(pack.name for pack in packs()), "asleep"]
)
def test_the_whole_grid_is_what_the_lines_say(pack: Pack, overrides: Overrides) -> None:
    """Every cell, against the plainest reading of the lines: what is allowed less what is denied."""
    allowed: set[tuple[str, ...]] = set()
    denied: set[tuple[str, ...]] = set()
    for line in pack.lines:
        if not line.when or pack.holds(line.when, overrides):
            (allowed if line.effect == "allow" else denied).update(
                cell[:-1] for cell in cells_of(pack, line) if cell[-1] == "open"
            )
    assert compiled_cells(pack, overrides) == allowed - denied


@pytest.mark.parametrize("overrides", [ALL_ASLEEP, ALL_AWAKE], ids=["asleep", "awake"])
def test_sampled_cells_are_what_casbin_says(overrides: Overrides) -> None:
    draw = random.Random(SEED)
    pack = packs()[-1]
    types = [*sorted(pack.dmp_types), "EXPORT_DUI"]
    interesting = 0
    for sample in range(SAMPLED):
        role, relation, mode = draw.choice(list(Role)), draw.choice(list(Relation)), draw.choice(list(Mode))
        kind, action = draw.choice(QUESTIONS)
        setting = draw.choice(list(Setting))
        if sample % 2:  # few of all questions are answered: every other one is asked under a line of the matrix
            line = draw.choice(pack.lines)
            role, relation = draw.choice(sorted(line.roles)), draw.choice(sorted(line.relations))
            kind, action, mode = line.kind, draw.choice(sorted(line.actions)), draw.choice(sorted(line.modes))
            setting = draw.choice(sorted(line.settings))
        type_code = draw.choice(types) if kind is Kind.DOCUMENT else NO_TYPE
        concealment = draw.choice(list(Concealment))
        allowed, _ = ask_casbin(
            pack, role, relation, kind, type_code, action, mode, concealment, overrides=overrides, setting=setting
        )
        lines = reach(role, mode, kind, action, TODAY, overrides, setting=setting)
        compiled = any(
            relation in line.relations
            and concealment in shown_by(line)
            and (type_code in line.types or type_code == NO_TYPE)
            for line in lines
        )
        assert compiled == allowed, (role, relation, kind, type_code, action, mode, concealment)
        interesting += allowed
    assert interesting > SAMPLED / 6


def test_casbin_cites_the_line_that_the_decision_cites() -> None:
    draw = random.Random(SEED)
    pack = packs()[-1]
    for role in (Role.PHYSICIAN, Role.DENTIST, Role.PERSON):
        relations = [Relation.PATIENT] if role is Role.PERSON else [Relation.CARE_TEAM, Relation.AUTHORIZED]
        for relation, type_code in product(relations, draw.sample(sorted(pack.dmp_types), 12)):
            kind, action = Kind.DOCUMENT, next(each for kind, each in QUESTIONS if kind is Kind.DOCUMENT)
            facts = Facts(
                role=role,
                relations=frozenset({relation}),
                blocked=False,
                dossier_state=DossierState.OPEN,
                mode=Mode.NORMAL,
                purpose=Purpose.CARE,
                day=TODAY,
            )
            document = DocumentFacts(
                type_code=type_code,
                status=DocumentStatus.CURRENT,
                masked=False,
                hidden_from_patient=False,
                hidden_from_representatives=False,
                by_actor=False,
            )
            allowed, rule = ask_casbin(pack, role, relation, kind, type_code, action, Mode.NORMAL)
            decision = decide(facts, kind, action, document)
            assert (decision.allowed, decision.rule) == (allowed, rule)


def test_a_record_that_is_not_open_is_what_casbin_says() -> None:
    pack = packs()[-1]
    for kind, action in QUESTIONS:
        if kind is Kind.DOCUMENT:
            continue
        for role, relation in ((Role.PERSON, Relation.PATIENT), (Role.PHYSICIAN, Relation.ATTENDING_PHYSICIAN)):
            facts = Facts(
                role=role,
                relations=frozenset({relation}),
                blocked=False,
                dossier_state=DossierState.CLOSED,
                mode=Mode.NORMAL,
                purpose=Purpose.CARE,
                day=TODAY,
            )
            allowed = any(
                ask_casbin(pack, role, each, kind, NO_TYPE, action, Mode.NORMAL, is_open=False)[0]
                for each in (relation, Relation.NONE)
            )
            assert decide(facts, kind, action).allowed == allowed
