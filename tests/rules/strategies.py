"""Generated people, records and documents for the always-and-never rules."""

from __future__ import annotations

from datetime import date

from hypothesis import strategies as st

from passerelle_policies.decision import DocumentFacts, Facts
from passerelle_policies.packs import pack_on
from passerelle_policies.vocabulary import (
    DocumentStatus,
    DossierState,
    Kind,
    Mode,
    PharmacyRecordState,
    Purpose,
    Relation,
    Role,
    Setting,
)
from passerelle_policies.words import ACT_WORDS

TODAY = date(2026, 11, 21)
PACK = pack_on(TODAY)
GATES = [name for name in PACK.gates if PACK.parameters[name].is_overridable]
QUESTIONS = list(ACT_WORDS)
ACTS = {kind: [action for its_kind, action in QUESTIONS if its_kind is kind] for kind in Kind}

types = st.sampled_from([*sorted(PACK.dmp_types), "EXPORT_DUI", "78341-5", "00000-0"])
relations = st.frozensets(st.sampled_from(list(Relation)), max_size=4)
questions = st.sampled_from(QUESTIONS)
overrides = st.dictionaries(st.sampled_from(GATES), st.booleans(), max_size=len(GATES))
days = st.dates(min_value=date(2012, 1, 1), max_value=date(2036, 12, 31))

documents = st.builds(
    DocumentFacts,
    type_code=types,
    status=st.sampled_from(list(DocumentStatus)),
    masked=st.booleans(),
    hidden_from_patient=st.booleans(),
    hidden_from_representatives=st.booleans(),
    by_actor=st.booleans(),
    withheld=st.booleans(),
)
facts = st.builds(
    Facts,
    role=st.sampled_from(list(Role)),
    relations=relations,
    blocked=st.booleans(),
    dossier_state=st.sampled_from([*DossierState, PharmacyRecordState.OBJECTED, None]),
    mode=st.sampled_from(list(Mode)),
    purpose=st.sampled_from(list(Purpose)),
    day=days,
    emergency_objection=st.booleans(),
    setting=st.sampled_from(list(Setting)),
)
