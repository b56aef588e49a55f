"""Lines of the journal with their proofs, for someone who trusts nothing but the network's public key.

Sources: CSP L.1111-19 (the patient's traces), PGSSI-S imputability. What is exported is what the caller chose: a
line that its reader may not see yet is simply not given, and nothing in the proofs of the others tells of it but
that there are more lines. `verifier` reads the result and needs nothing else.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from datetime import datetime
from importlib.resources import files
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Uuid, and_, column, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit.heads import head_at, newest_head
from passerelle.audit.leaves import columns_of_line, document_of
from passerelle.audit.proofs import consistency_proof, inclusion_proofs
from passerelle.audit.pruning_statements import prunings
from passerelle.audit.successions import signers
from passerelle.audit.tables import journal, journal_leaf
from passerelle.audit.verifier import EXPORT_FORM, EXPORT_NAME, canonical
from passerelle.kernel.context import Tenant
from passerelle.kernel.errors import InvalidInput

LineKey = tuple[UUID, int]
"""(patient_id, line_id)"""
#: Lines of one export: it stands whole in memory while it is made, some six kilobytes for each.
AT_MOST: Final = 100_000
_READ_ME = "LISEZMOI.txt"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # an archive of the same lines is the same octets


async def lines_of_patient(connection: AsyncConnection, patient_id: UUID) -> list[LineKey]:
    """Every line of one patient's journal."""
    found = select(journal.c.line_id).where(journal.c.patient_id == patient_id).order_by(journal.c.line_id)
    return [(patient_id, line_id) for line_id in (await connection.execute(found)).scalars()]


async def lines_between(
    connection: AsyncConnection, since: datetime | None = None, until: datetime | None = None
) -> list[LineKey]:
    """Every line of the network from `since` on and before `until`."""
    found = select(journal.c.patient_id, journal.c.line_id).order_by(journal.c.line_id)
    if since is not None:
        found = found.where(journal.c.at >= since)
    if until is not None:
        found = found.where(journal.c.at < until)
    return [(row.patient_id, row.line_id) for row in await connection.execute(found)]


async def export_lines(
    connection: AsyncConnection, tenant: Tenant, chosen: Iterable[LineKey], *, earlier: int | None = None
) -> dict[str, Any]:
    """The chosen lines, each with the proof that it is in the journal of the newest head, which comes signed.

    A line too young to be sealed stands under `unsealed`, without proof. `earlier` is the size of a head given out
    before: it is joined with the proof that this journal begins with that one. So is, under `pruned`, the newest
    statement of a pruning: nothing is left below its place. `successions` lead from the network's first key to the one
    that signs now.
    Refused: JOURNAL_HEAD_UNKNOWN (no head of that size), JOURNAL_TREE_ALTERED (a hash that a proof needs is gone).
    """
    head = await newest_head(connection, tenant.id)
    size = 0 if head is None else head.tree_size
    sealed, unsealed = await _found(connection, list(dict.fromkeys(chosen)), size)
    proofs = await inclusion_proofs(connection, [index for index, _ in sealed], size)
    heads = [] if head is None else [head.document()]
    pruned = (await prunings(connection, tenant)).statements[-1:]
    by = await signers(connection, tenant)
    joined = {int(each["below"]) for each in pruned}
    joined |= {int(each["tree_size"]) for each in by.successions if each["tree_size"]}
    if earlier is not None:
        before = await head_at(connection, tenant.id, earlier)
        if before is None:
            raise InvalidInput("JOURNAL_HEAD_UNKNOWN")
        heads.insert(0, before.document())
        joined.add(earlier)
    proven = {first: await consistency_proof(connection, first, size) for first in sorted(joined)}
    return {
        "form": EXPORT_FORM,
        "tenant": tenant.id,
        "public_key": by.public_key.hex(),
        "key_id": by.key_id,
        "successions": list(by.successions),
        "heads": heads,
        "consistency": [{"first": first, "proof": [each.hex() for each in proof]} for first, proof in proven.items()],
        "pruned": list(pruned),
        "lines": [
            {"index": index, "line": line, "proof": [each.hex() for each in proof]}
            for (index, line), proof in zip(sealed, proofs, strict=True)
        ],
        "unsealed": unsealed,
    }


def written(export: dict[str, Any]) -> bytes:
    """An export as JSON: the same lines under the same head give the same octets, one line to a line."""
    parts = [b"{"]
    for number, name in enumerate(sorted(export)):
        value = export[name]
        parts.append((b",\n" if number else b"\n") + canonical(name) + b":")
        if isinstance(value, list) and value:
            parts.append(b"[\n" + b",\n".join(map(canonical, value)) + b"\n]")
        else:
            parts.append(canonical(value))
    return b"".join([*parts, b"\n}\n"])


def zipped(export: dict[str, Any]) -> bytes:
    """An export as an archive that holds what verifies it: journal.json, verifier.py and how to run it."""
    package = files(__package__)
    content = {
        EXPORT_NAME: written(export),
        "verifier.py": package.joinpath("verifier.py").read_bytes(),
        _READ_ME: package.joinpath("export.txt").read_bytes(),
    }
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as folder:
        for name, octets in content.items():
            entry = zipfile.ZipInfo(name, _LONG_AGO)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            folder.writestr(entry, octets)
    return archive.getvalue()


async def _found(
    connection: AsyncConnection, chosen: list[LineKey], size: int
) -> tuple[list[tuple[int, dict[str, Any]]], list[dict[str, Any]]]:
    pairs = (
        func.unnest(
            literal([patient_id for patient_id, _ in chosen], ARRAY(Uuid())),
            literal([line_id for _, line_id in chosen], ARRAY(BigInteger)),
        )
        .table_valued(column("patient_id", Uuid()), column("line_id", BigInteger))
        .render_derived("chosen")
    )
    rows = await connection.execute(
        select(*[*columns_of_line(), journal_leaf.c.leaf_index]).select_from(
            pairs.join(
                journal, and_(journal.c.patient_id == pairs.c.patient_id, journal.c.line_id == pairs.c.line_id)
            ).outerjoin(
                journal_leaf,
                and_(journal_leaf.c.patient_id == journal.c.patient_id, journal_leaf.c.line_id == journal.c.line_id),
            )
        )
    )
    sealed, unsealed = [], []
    for row in rows:
        document = document_of(row)
        if row.leaf_index is not None and row.leaf_index < size:
            sealed.append((row.leaf_index, document))
        else:
            unsealed.append(document)
    sealed.sort(key=lambda each: each[0])
    return sealed, sorted(unsealed, key=lambda each: (each["line_id"], each["patient_id"]))
