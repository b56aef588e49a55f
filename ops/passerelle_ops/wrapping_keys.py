"""What the operator decides of a network's keys: what wraps its dossier keys changes, and each change is journalled."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from passerelle.audit import journal
from passerelle.audit.transactions import Act
from passerelle.dossier import access
from passerelle.dossier.wrapped_keys import RECORDS
from passerelle.kernel import key_rotation
from passerelle.kernel.key_place import KeyPlace
from passerelle.oncology.wrapped_keys import LENT_CASES
from passerelle_policies.vocabulary import Action, Kind
from passerelle_tenants.federation.wrapped_keys import WORDS_OWED

#: Every place of a network's database where a key lies wrapped.
HELD: Final = (RECORDS, LENT_CASES, WORDS_OWED)


async def prepare(act: Act, place: KeyPlace) -> int:
    """`key_rotation.prepare`. Refused besides: ACCESS_REFUSED but to the operator."""
    await _require(act, "une clé d'enveloppe nouvelle est préparée")
    return await asyncio.to_thread(key_rotation.prepare, place)


async def put_in_use(act: Act, place: KeyPlace) -> int:
    """`key_rotation.put_in_use`. Refused besides: ACCESS_REFUSED but to the operator."""
    await _require(act, "la clé d'enveloppe préparée est mise en service")
    return await asyncio.to_thread(key_rotation.put_in_use, place)


async def retire(act: Act, place: KeyPlace, copy: Path) -> int:
    """`key_rotation.retire`. Refused besides: ACCESS_REFUSED but to the operator."""
    await _require(act, "l'ancienne clé d'enveloppe est retirée")
    return await key_rotation.retire(act.context.tenant, HELD, place, copy)


async def _require(act: Act, reason: str) -> None:
    await access.require(act, journal.NOBODY, Kind.EXCHANGE, Action.REPLACE, reason=reason)
