"""The octets of what another network lent with a case: opened by whoever reads that case, and forgotten with it.

Sources: CSP, L.1110-4, L.1110-12. Decision 0126.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, literal, select

from passerelle.audit import journal
from passerelle.audit.transactions import Act, transaction
from passerelle.dossier import access as dossier_access
from passerelle.kernel.context import Context
from passerelle.kernel.errors import Refused
from passerelle.oncology import access, lent_cases
from passerelle_policies.decision import decide
from passerelle_policies.vocabulary import Action, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class LentContent:
    """Octets that were lent, as `documents.OpenedContent` gives those of here."""

    document: Mapping[str, Any]
    octets: bytes

    @property
    def size(self) -> int:
        return len(self.octets)

    async def read(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """`octets[start:stop]`."""
        yield self.octets[start:stop]


async def open_lent(context: Context, referral_id: UUID, document_id: UUID, *, continues: bool = False) -> LentContent:
    """Decide, journal and open the octets of a document lent with a case; its patient is told of it at home.

    When the request `continues` a reading, a line that this actor wrote for it within `journal.same_reading_minutes`
    stands for it too. Refused: DOCUMENT_UNKNOWN alike for a case or a document that is not here, that the actor may not
    know of, or that was named only.
    """
    async with transaction(context) as act:
        row = (await act.connection.execute(lent_cases.row_here(referral_id))).one_or_none()
        if row is None:
            facts, content = await access.facts_on_session(act, journal.NOBODY), dict[str, Any](documents=())
        else:
            facts, content = await lent_cases.facts_of(act, row)
        said = next((each for each in content["documents"] if each["document_id"] == str(document_id)), None)
        lent = said if said is not None and said["octets"] is not None else None
        about = None if lent is None else lent_cases.about(act, lent)
        decision = decide(facts, Kind.DOCUMENT, Action.READ, about, overrides=context.tenant.parameters)
        line = dossier_access.line(decision, Kind.DOCUMENT, Action.READ, journal.NOBODY, facts, document_id, about)
        if lent is None or not decision.allowed or not lent_cases.reads_sheet(act, facts):
            rule, known = ("absent", None) if lent is None else (decision.rule, document_id)
            refused = replace(line, outcome=journal.Outcome.REFUSED, code="DOCUMENT_UNKNOWN", rule=rule)
            raise Refused("DOCUMENT_UNKNOWN", line=replace(refused, document_id=known))
        if not (continues and await _is_being_read(act, document_id)):
            line = replace(line, facts={**line.facts, "referral": str(referral_id)})
            await journal.append(act.connection, context, line)
            await lent_cases.tell_of_reading(act, referral_id, document_id)
    octets = base64.b64decode(lent["octets"])
    digest = hashlib.sha256(octets).hexdigest()
    return LentContent(document={"mime_type": lent["mime_type"], "sha256": digest}, octets=octets)


async def _is_being_read(act: Act, document_id: UUID) -> bool:
    minutes = dossier_access.number(act.context, "journal.same_reading_minutes")
    since = literal(act.now - timedelta(minutes=minutes))
    has_line = journal.has_line_since(
        literal(journal.NOBODY, Uuid()), literal(document_id, Uuid()), literal(Kind.DOCUMENT.value), since
    )
    return bool(await act.connection.scalar(select(has_line), journal.parameters(act.context)))
