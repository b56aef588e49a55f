"""What changed between networks after a backup of the directory was made, put back into it.

Who decides for a person (his home), under which key he is known now, which keys are believed no more, which role writes
for one network alone, which networks merged. A home has numbers: the higher one holds. Comes in: rows as the ledger
last had them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle_tenants.tables import home, person_key_change, tenant_key, tenant_merge, tenant_role

_AT_HOME: Final = text(
    "insert into home select * from jsonb_populate_recordset(null::home, cast(:said as jsonb))"
    " on conflict (person_key) do update set tenant_id = excluded.tenant_id, version = excluded.version,"
    " state = excluded.state, claimed_by = excluded.claimed_by, changed_at = excluded.changed_at"
    " where home.version < excluded.version returning 1"
)
_REPLACED: Final = text(
    "insert into person_key_change select *"
    " from jsonb_populate_recordset(null::person_key_change, cast(:said as jsonb))"
    " on conflict (person_key) do update set now_key = excluded.now_key, since = excluded.since"
    " where person_key_change.since < excluded.since returning 1"
)
_ENDED: Final = text(
    "update tenant_key k set valid_until = s.valid_until"
    " from jsonb_populate_recordset(null::tenant_key, cast(:said as jsonb)) s"
    " where (k.tenant_id, k.key_id) = (s.tenant_id, s.key_id)"
    " and s.valid_until < coalesce(k.valid_until, 'infinity') returning 1"
)
_BOUND: Final = text(
    "insert into tenant_role select * from jsonb_populate_recordset(null::tenant_role, cast(:said as jsonb))"
    " on conflict (role) do update set tenant_id = excluded.tenant_id"
    " where tenant_role.tenant_id <> excluded.tenant_id returning 1"
)
_MERGED: Final = text(
    "insert into tenant_merge select * from jsonb_populate_recordset(null::tenant_merge, cast(:said as jsonb))"
    " on conflict (tenant_id) do update set done_at = excluded.done_at"
    " where tenant_merge.done_at is null and excluded.done_at is not null returning 1"
)
_CHANGES: Final = {
    home.name: _AT_HOME,
    person_key_change.name: _REPLACED,
    tenant_key.name: _ENDED,
    tenant_role.name: _BOUND,
    tenant_merge.name: _MERGED,
}
TABLES: Final = tuple(_CHANGES)


async def put_back(connection: AsyncConnection, what: str, said: Sequence[Any]) -> int:
    """Put back what the ledger says of rows of one table; says how many changed by it."""
    return len((await connection.execute(_CHANGES[what], {"said": json.dumps([*said])})).all())
