"""What narrowed in the directory after a backup of it was made, put back: tokens that are believed no more,
professionals who were struck off or are something else now.

Comes in: rows as the ledger outside the database last had them. Nobody who was struck off in the backup is let in.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.identities.tables import professional, token_revocation

_REVOKED: Final = text(
    "insert into token_revocation (mark, revoked_at, until) select s.mark, s.revoked_at, s.until"
    " from jsonb_populate_recordset(null::token_revocation, cast(:said as jsonb)) s where not exists"
    " (select from token_revocation t where t.mark = s.mark and t.revoked_at >= s.revoked_at) returning 1"
)
_STRUCK_OFF: Final = text(
    "update professional p set profession = s.profession, specialty = s.specialty,"
    " is_active = p.is_active and s.is_active"
    " from jsonb_populate_recordset(null::professional, cast(:said as jsonb)) s where p.rpps = s.rpps"
    " and (p.profession, p.specialty, p.is_active)"
    " is distinct from (s.profession, s.specialty, p.is_active and s.is_active) returning 1"
)
_CHANGES: Final = {token_revocation.name: _REVOKED, professional.name: _STRUCK_OFF}
TABLES: Final = tuple(_CHANGES)


async def put_back(connection: AsyncConnection, what: str, said: Sequence[Any]) -> int:
    """Put back what the ledger says of rows of one table; says how many changed by it."""
    return len((await connection.execute(_CHANGES[what], {"said": json.dumps([*said])})).all())
