"""Dispensing in spite of a warning: the pharmacist says why, and it is kept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final
from uuid import UUID, uuid4

from sqlalchemy import insert

from passerelle.audit import outbox
from passerelle.audit.transactions import Act
from passerelle.dossier import access as dossier_access
from passerelle.dossier.formats import values
from passerelle.kernel.errors import InvalidInput, LimitExceeded
from passerelle.pharmacy import access
from passerelle.pharmacy.checks.findings import FindingCode
from passerelle.pharmacy.reference.cip import is_cip13
from passerelle.pharmacy.tables import check_override
from passerelle_policies.vocabulary import Action, Kind

_KEY: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOverridden(outbox.Event):
    """A warning was passed over; which one, and why, is read where it is kept."""

    name: ClassVar[str] = "pharmacy.check_overridden"
    override_id: UUID


async def override(
    act: Act, patient_id: UUID, finding: str, code: FindingCode, *, cip13s: Sequence[str], reason: str | None
) -> UUID:
    """Keep why what a check found is dispensed all the same; gives the id of what is kept.

    `finding` is the warning's key, `cip13s` what is dispensed. Refused: CHECK_FINDING_INVALID,
    CHECK_OVERRIDE_WITHOUT_REASON, CHECK_BASKET_EMPTY, CHECK_BASKET_TOO_LONG, CIP_INVALID; VALUE_TOO_LONG,
    VALUE_MALFORMED; ACCESS_REFUSED.
    """
    if not _KEY.fullmatch(finding):
        raise InvalidInput("CHECK_FINDING_INVALID")
    said = values.text(reason, "reason")
    if said is None:
        raise InvalidInput("CHECK_OVERRIDE_WITHOUT_REASON")
    most = dossier_access.number(act.context, "checks.basket_max")
    if not cip13s:
        raise InvalidInput("CHECK_BASKET_EMPTY")
    if len(cip13s) > most:
        raise LimitExceeded("CHECK_BASKET_TOO_LONG", limit=most)
    if not all(map(is_cip13, cip13s)):
        raise InvalidInput("CIP_INVALID")
    await access.require(act, patient_id, Kind.DISPENSATION, Action.OVERRIDE)
    actor, override_id = act.context.actor, uuid4()
    await act.connection.execute(
        insert(check_override).values(
            patient_id=patient_id,
            override_id=override_id,
            finding=finding,
            code=code.value,
            products=list(dict.fromkeys(cip13s)),
            reason=said,
            pharmacy=actor.establishment,
            by=actor.subject,
            by_name=actor.name,
            at=act.now,
        )
    )
    await outbox.publish(act, CheckOverridden(patient_id=patient_id, override_id=override_id))
    return override_id
