"""An act of the operator's, from the command line, in his own name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from passerelle_ops.cli.options import settings_of

if TYPE_CHECKING:
    from passerelle.audit.transactions import Act

_T = TypeVar("_T")


async def as_operator(tenant_id: str, state: Path | None, done: Callable[[Act], Awaitable[_T]]) -> _T:
    """Do it in one transaction of a network, and give what it gives."""
    import getpass
    from uuid import uuid4

    from passerelle.audit.transactions import transaction
    from passerelle.kernel.actors import Actor
    from passerelle.kernel.context import Context
    from passerelle_ops.installation import Installation
    from passerelle_policies.vocabulary import ActorKind, Purpose

    installation = Installation(settings_of(state))
    try:
        operator = Actor(kind=ActorKind.SYSTEM, id=f"operator.{getpass.getuser()}", name="Exploitant")
        context = Context(
            tenant=await (await installation.registry()).tenant(tenant_id),
            actor=operator,
            clock=installation.clock,
            request_id=f"operator-{uuid4().hex}",
            purpose=Purpose.ADMINISTRATION,
            directory=installation.directory,
        )
        async with transaction(context) as act:
            return await done(act)
    finally:
        await installation.close()
