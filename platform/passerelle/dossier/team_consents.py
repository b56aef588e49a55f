"""The patient's consent to a whole care team.

Sources: CSP L.1110-4 III, L.1110-12; Conseil d'État, 15 October 2025: an initial informed consent covers every member
of the team, of health professions or not; a new member is covered at once, a new team is not. Between 30 October 2023
and that day the members of a team that followed the patient were deemed to be authorised
(`care_team.requires_consent` = false): what ties a team to a patient is the consent's row even then, so that no rule
opens a record to a team that nobody tied to him.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid4

from sqlalchemy import insert, select, update

from passerelle.audit import outbox
from passerelle.audit.transactions import Act
from passerelle.dossier import access, relations
from passerelle.dossier.care_teams import is_member
from passerelle.dossier.events import RelationChanged
from passerelle.dossier.formats import values
from passerelle.dossier.relations import Grant, not_ended
from passerelle.dossier.tables import care_team, team_consent, team_exclusion
from passerelle.kernel.errors import Conflict, InvalidInput
from passerelle.notices import posting
from passerelle_policies.vocabulary import Action, Kind, Relation


class InformedHow(StrEnum):
    """How the patient was informed before he consented."""

    INTERVIEW = "interview"  # entretien
    TELEPHONE = "telephone"
    VIDEO = "video"  # téléconsultation
    DOCUMENT = "document"  # notice remise
    ELECTRONIC = "electronic"  # Mon espace santé, messagerie
    OTHER = "other"


async def consent_to_team(
    act: Act,
    patient_id: UUID,
    team_id: UUID,
    *,
    informed_how: InformedHow,
    proof: str,
    until: datetime | None = None,
    asked_by: str | None = None,
) -> Grant:
    """Record the patient's initial informed consent to a team as it stands and as it will grow.

    `asked_by` is the RPPS of the member who asked for it, when it was not given unasked. It reaches also those whom
    an earlier consent left out (decision 0086). Refused: PROOF_MISSING, TEAM_UNKNOWN, ASKED_BY_NOT_A_MEMBER,
    AUTHORIZATION_ENDS_BEFORE_IT_STARTS, AUTHORIZATIONS_TOO_MANY.
    """
    proof = values.text(proof, "proof") or ""
    if not proof.strip():
        raise InvalidInput("PROOF_MISSING", act="consent_to_team")
    relations.must_be_to_come(act, until)
    await access.require(act, patient_id, Kind.AUTHORIZATIONS, Action.GRANT)
    if (await act.connection.execute(select(care_team).where(care_team.c.team_id == team_id))).first() is None:
        raise Conflict("TEAM_UNKNOWN")
    if asked_by is not None and not await is_member(act, team_id, relations.professional(asked_by)):
        raise InvalidInput("ASKED_BY_NOT_A_MEMBER")
    await relations.must_have_room(act, patient_id, team_consent)
    consent_id = uuid4()
    who = relations.professional(asked_by) if asked_by else act.context.actor.subject
    await act.connection.execute(
        insert(team_consent).values(
            patient_id=patient_id,
            consent_id=consent_id,
            team_id=team_id,
            asked_by=who,
            informed_how=InformedHow(informed_how).value,
            proof=proof,
            valid_from=act.now,
            valid_until=until,
        )
    )
    await act.connection.execute(
        update(team_exclusion)
        .where(
            team_exclusion.c.patient_id == patient_id,
            team_exclusion.c.team_id == team_id,
            not_ended(team_exclusion, act.now),
        )
        .values(valid_until=act.now)
    )
    await outbox.publish(act, RelationChanged(patient_id=patient_id, act="grant", relation="care_team"))
    await relations.tell_patient(act, patient_id, posting.NoticeKind.CONSENT_CHANGED)
    return Grant(
        id=consent_id,
        what=Relation.CARE_TEAM.value,
        subject=f"team:{team_id}",
        since=act.now,
        until=until,
        recorded_by=who,
        proof=proof,
        informed_how=informed_how.value,
    )


async def withdraw_team_consent(act: Act, patient_id: UUID, team_id: UUID) -> int:
    """Withdraw the consent to a team in one act, which the next request of any member meets; says how many ended."""
    await access.require(act, patient_id, Kind.AUTHORIZATIONS, Action.WITHDRAW)
    done = await act.connection.execute(
        update(team_consent)
        .where(
            team_consent.c.patient_id == patient_id,
            team_consent.c.team_id == team_id,
            not_ended(team_consent, act.now),
        )
        .values(valid_until=act.now, withdrawn_by=act.context.actor.subject)
    )
    await outbox.publish(act, RelationChanged(patient_id=patient_id, act="withdraw", relation="care_team"))
    if done.rowcount:
        await relations.tell_patient(act, patient_id, posting.NoticeKind.CONSENT_CHANGED)
    return done.rowcount
