"""Generated people, records and documents for the always-and-never rules."""

from __future__ import annotations

from datetime import date

from hypothesis import strategies as st

from passerelle_policies.decision import DocumentFacts, Facts
from passerelle_policies.packs import pack_on
from passerelle_policies.vocabulary import Action, DocumentStatus, DossierState, Kind, Mode, Purpose, Relation, Role

TODAY = date(2026, 11, 21)
PACK = pack_on(TODAY)
GATES = list(PACK.gates)
ACTS = {
    Kind.PATIENT: [Action.FIND, Action.REGISTER, Action.READ],
    Kind.DOSSIER: [
        Action.READ,
        Action.INFORM,
        Action.OPEN,
        Action.SUSPEND,
        Action.RESUME,
        Action.CLOSE,
        Action.REOPEN,
        Action.PURGE,
    ],
    Kind.DOCUMENT: [
        Action.READ,
        Action.PUBLISH,
        Action.REPLACE,
        Action.MASK,
        Action.UNMASK,
        Action.HIDE_FROM_PATIENT,
        Action.SHOW_TO_PATIENT,
        Action.HIDE_FROM_REPRESENTATIVES,
        Action.SHOW_TO_REPRESENTATIVES,
        Action.ARCHIVE,
        Action.UNARCHIVE,
        Action.DELETE,
        Action.MOVE,
    ],
    Kind.JOURNAL: [Action.READ],
    Kind.AUTHORIZATIONS: [Action.READ, Action.GRANT, Action.WITHDRAW, Action.REPRESENT, Action.BLOCK, Action.UNBLOCK],
}
QUESTIONS = [(kind, action) for kind, actions in ACTS.items() for action in actions]

types = st.sampled_from([*sorted(PACK.dmp_types), "EXPORT_DUI", "78341-5", "00000-0"])
relations = st.frozensets(st.sampled_from(list(Relation)), max_size=4)
questions = st.sampled_from(QUESTIONS)
overrides = st.dictionaries(st.sampled_from(GATES), st.booleans(), max_size=len(GATES))
days = st.dates(min_value=date(2023, 10, 30), max_value=date(2036, 12, 31))

documents = st.builds(
    DocumentFacts,
    type_code=types,
    status=st.sampled_from(list(DocumentStatus)),
    masked=st.booleans(),
    hidden_from_patient=st.booleans(),
    hidden_from_representatives=st.booleans(),
    by_actor=st.booleans(),
)
facts = st.builds(
    Facts,
    role=st.sampled_from(list(Role)),
    relations=relations,
    blocked=st.booleans(),
    dossier_state=st.sampled_from([*DossierState, None]),
    mode=st.sampled_from(list(Mode)),
    purpose=st.sampled_from(list(Purpose)),
    day=days,
    emergency_objection=st.booleans(),
)
