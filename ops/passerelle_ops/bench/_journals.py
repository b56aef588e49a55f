"""Journals worth paging: three earlier accesses to each document of some patients, in the order of time.

Every line says what the platform itself would have written: the rule that decided, its pack, the facts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from psycopg import AsyncConnection

from passerelle_ops.bench._population import READERS, Opening, Physician
from passerelle_policies.decision import Decision, decide
from passerelle_policies.facts import DocumentFacts, Facts
from passerelle_policies.packs import pack_on
from passerelle_policies.vocabulary import Action, DocumentStatus, DossierState, Kind, Mode, Purpose, Relation, Role

_EMERGENCY_EVERY: Final = 89
_LINES: Final = """
insert into journal (patient_id, at, actor_kind, actor_id, actor_name, actor_profession, actor_establishment, action,
                     kind, document_id, outcome, rule, pack, mode, purpose, request_id, facts)
select patient_id, at, 'professional', reader->>'rpps', reader->>'name', '10', reader->>'finess', 'read', 'document',
       document_id, 'allowed', told->>'rule', told->>'pack', told->>'mode', 'care', md5(document_id || visit::text),
       told->'facts' || jsonb_build_object('document', jsonb_build_object(
         'type_code', type_code, 'status', status, 'masked', false, 'hidden_from_patient', hidden_from_patient,
         'hidden_from_representatives', hidden_from_representatives, 'by_actor', false, 'withheld', false))
from (
  select document.*, visit, drawn, %(now)s::timestamptz - make_interval(mins => drawn %% 500000) as at,
         %(readers)s::jsonb -> (drawn %% %(count)s) as reader,
         %(told)s::jsonb -> case when drawn %% %(emergency_every)s = 0 then 'emergency' else 'usual' end as told
  from document, generate_series(1, 3) as visit,
       lateral (select abs(hashtext(document_id || visit::text)) as drawn) as lot
  where patient_id = any(%(patients)s::uuid[]) and not masked
) accesses
order by at
"""


async def deepen(connection: AsyncConnection, deep: Sequence[Opening], physicians: Sequence[Physician]) -> None:
    """Write the journals of these patients (under the owner of the database), then let PostgreSQL count them."""
    now = datetime.now(UTC)
    readers = [
        {"rpps": each.rpps, "name": f"{each.given_name} {each.family_name}", "finess": each.finess}
        for each in physicians[:READERS]
    ]
    told = {
        "usual": _told(now, Mode.NORMAL, Relation.CARE_TEAM),
        "emergency": _told(now, Mode.BREAK_GLASS, Relation.EMERGENCY),
    }
    await connection.execute(
        _LINES,
        {
            "now": now,
            "readers": json.dumps(readers),
            "count": len(readers),
            "told": json.dumps(told),
            "emergency_every": _EMERGENCY_EVERY,
            "patients": [each.patient_id for each in deep],
        },
    )
    await connection.commit()
    await connection.set_autocommit(True)
    await connection.execute("vacuum (analyze) journal")


def _told(now: datetime, mode: Mode, relation: Relation) -> Mapping[str, Any]:
    """What a line says of the decision that let a physician read a document."""
    facts = Facts(
        role=Role.PHYSICIAN,
        relations=frozenset({relation}),
        blocked=False,
        dossier_state=DossierState.OPEN,
        mode=mode,
        purpose=Purpose.CARE,
        day=now.date(),
    )
    decision: Decision = decide(facts, Kind.DOCUMENT, Action.READ, _plain(now))
    if not decision.allowed:
        raise LookupError(f"no physician reads a document in {mode.value}")
    return {
        "rule": decision.rule,
        "pack": decision.pack,
        "mode": mode.value,
        "facts": {
            "role": facts.role.value,
            "relations": [relation.value],
            "blocked": False,
            "objection": False,
            "state": DossierState.OPEN.value,
        },
    }


def _plain(now: datetime) -> DocumentFacts:
    """A document that nothing keeps from a physician."""
    return DocumentFacts(
        type_code=min(pack_on(now.date()).dmp_types),
        status=DocumentStatus.CURRENT,
        masked=False,
        hidden_from_patient=False,
        hidden_from_representatives=False,
        by_actor=False,
    )
