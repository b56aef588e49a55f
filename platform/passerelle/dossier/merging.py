"""A network is merged into another, which goes on with the records of its patients.

A record goes over as it stands: what was opened with the patient's consent is open, what he closed stays closed, until
the same day. Where the other network has a record of his already, that one stays as it is; one whose objection delay
still runs opens with the consent that the patient gave. Sources: CSP L.1111-14 (one record for life), R.1111-36.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, ScalarSelect, Select, and_, func, or_, select

from passerelle.audit import journal, outbox
from passerelle.audit.transactions import Act
from passerelle.dossier import house_rules, lifecycle
from passerelle.dossier.events import DossierChanged
from passerelle.dossier.recipients import people_of
from passerelle.dossier.tables import dossier, dossier_act, erasure_request
from passerelle.notices.posting import NoticeKind, post
from passerelle_policies.vocabulary import Action, DossierState, Kind

_INSTANTS: Final = ("informed_at", "opened_at", "closed_at", "purge_after")
_BECOMES: Final = {
    DossierState.OPEN: Action.OPEN,
    DossierState.SUSPENDED: Action.SUSPEND,
    DossierState.CLOSED: Action.CLOSE,
}


def going_over() -> Select[Any]:
    """The patients whose record the other network is to have: not those whose delay to object runs, which ends here,
    nor of whom something is being erased."""
    return select(dossier.c.patient_id).where(
        dossier.c.state.in_([each.value for each in _BECOMES]), dossier.c.patient_id.not_in(_being_erased())
    )


def waiting() -> Select[Any]:
    """The patients whose record does not go over yet: the delay to object runs, or something is being erased."""
    return select(dossier.c.patient_id).where(
        or_(
            dossier.c.state == DossierState.INFORMED.value,
            and_(dossier.c.state != DossierState.PURGED.value, dossier.c.patient_id.in_(_being_erased())),
        )
    )


def _being_erased() -> Select[Any]:
    return select(erasure_request.c.patient_id).where(
        erasure_request.c.done_at.is_(None), erasure_request.c.withdrawn_at.is_(None)
    )


def carried(patient_id: ColumnElement[UUID]) -> ScalarSelect[Any]:
    """SQL value (JSON): a patient's record as the other network begins it; null where there is none to go over."""
    last = (
        select(dossier_act.c.basis)
        .where(dossier_act.c.patient_id == dossier.c.patient_id)
        .order_by(dossier_act.c.at.desc(), dossier_act.c.act_id)
        .limit(1)
        .scalar_subquery()
    )
    said = {name: dossier.c[name] for name in ("state", *_INSTANTS)} | {"basis": last}
    return (
        select(func.json_build_object(*(part for each in said.items() for part in each)))
        .where(dossier.c.patient_id == patient_id, dossier.c.state.in_([each.value for each in _BECOMES]))
        .scalar_subquery()
    )


async def begin(act: Act, patient_id: UUID, said: Mapping[str, Any], *, network: str) -> None:
    """Go on with a record that another network kept (`carried`), in the name of that network, and tell the patient."""
    state = DossierState(said["state"])
    held = await lifecycle.state_of(act, patient_id)
    if held is not None and (held, state) != (DossierState.INFORMED, DossierState.OPEN):
        return
    action, keys = _BECOMES[state], act.context.tenant.keys
    at: dict[str, Any] = {name: datetime.fromisoformat(said[name]) if said.get(name) else None for name in _INSTANTS}
    await lifecycle.write(
        act,
        patient_id,
        action,
        held.value if held else None,
        state.value,
        basis=said.get("basis"),
        proof=network,
        wrapped_key=keys.new_dossier_key(act.context.tenant.id, patient_id),
        **at,
    )
    await outbox.publish(act, DossierChanged(patient_id=patient_id, act=action.value, to_state=state.value))
    await journal.append(
        act.connection, act.context, house_rules.line(act, Kind.DOSSIER, action, journal.MERGED, patient_id=patient_id)
    )
    for recipient in await people_of(act, patient_id, representatives=True):
        await post(
            act,
            recipient=recipient,
            key=f"merged:{patient_id}:{network}",
            kind=NoticeKind.NETWORK_MERGED,
            patient_id=patient_id,
            about={"network": act.context.tenant.name},
        )
