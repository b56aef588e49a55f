"""What the operator decides of the key that signs for a network: another is drawn, and takes its place."""

from __future__ import annotations

import asyncio

from passerelle.audit import journal, sealing, successions
from passerelle.audit.heads import newest_head
from passerelle.audit.pruning_statements import prunings
from passerelle.audit.transactions import Act, transaction
from passerelle.audit.verifier import key_id_of
from passerelle.dossier import access
from passerelle.kernel import key_rotation
from passerelle.kernel.context import Context
from passerelle.kernel.errors import BrokenIntegrity
from passerelle.kernel.key_place import KeyPlace
from passerelle_policies.vocabulary import Action, Kind


async def prepare(act: Act, place: KeyPlace) -> str:
    """Put a key that may sign next into the file; its fingerprint. Refused: ACCESS_REFUSED but to the operator, and as
    `key_rotation.prepare_signing`."""
    await _require(act, "une clé de scellement nouvelle est préparée")
    return key_id_of(await asyncio.to_thread(key_rotation.prepare_signing, place))


async def put_in_use(context: Context, place: KeyPlace) -> str:
    """Have the prepared key sign from now on, everywhere at once; its fingerprint. Cut off, it goes on where it was.

    Refused, nothing changed: ACCESS_REFUSED but to the operator, SEALING_KEY_NOT_PREPARED, JOURNAL_HEAD_BROKEN when the
    newest head is not one that the key of now signed, and what `pruning_statements.prunings` finds.
    """
    newer = await asyncio.to_thread(key_rotation.prepared_signing, place)
    async with transaction(context) as act:
        await sealing.take_turn(act.connection)
        by = await successions.signers(act.connection, context.tenant)
        if by.public_key != newer:
            await _require(act, f"la clé de scellement {key_id_of(newer)} succède à {by.key_id}")
            left = await _left(act, by)
            await successions.succeed(act.connection, context.tenant, newer, act.now, left)
    await asyncio.to_thread(key_rotation.forget_former_signing, place, newer)
    return key_id_of(newer)


async def _left(act: Act, by: successions.Signers) -> successions.LastSigned:
    tenant = act.context.tenant
    head = await newest_head(act.connection, tenant.id)
    pruned = await prunings(act.connection, tenant)
    for finding in pruned.findings:
        raise BrokenIntegrity(finding.code)
    if head is None:
        return successions.LastSigned()
    if not head.is_signed_by(by):
        raise BrokenIntegrity("JOURNAL_HEAD_BROKEN")
    return successions.LastSigned(
        tree_size=head.tree_size, root=head.root.hex(), head=head.hash().hex(), pruned=pruned.below
    )


async def _require(act: Act, reason: str) -> None:
    await access.require(act, journal.NOBODY, Kind.EXCHANGE, Action.REPLACE, reason=reason)
