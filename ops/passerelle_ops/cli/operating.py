"""Acts from the command line: in a network, by whoever operates the platform or answers for its data."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from passerelle_ops.cli.options import settings_of

if TYPE_CHECKING:
    from passerelle.audit.transactions import Act
    from passerelle.kernel.actors import Actor
    from passerelle.kernel.context import Context

_T = TypeVar("_T")


def operator(command: str | None = None) -> Actor:
    """Whoever runs the command, as the platform's operator."""
    from passerelle.kernel.actors import Actor
    from passerelle_policies.vocabulary import ActorKind

    name = f"Exploitant (passerelle {command})" if command else "Exploitant"
    return Actor(kind=ActorKind.SYSTEM, id=_here(), name=name)


def officer(command: str) -> Actor:
    """Whoever runs the command, as the data protection officer (DPO)."""
    from passerelle.kernel.actors import Actor
    from passerelle_policies.vocabulary import ActorKind

    name = "Délégué à la protection des données"
    return Actor(kind=ActorKind.OFFICER, id=_here(), name=name, software=f"passerelle {command}")


def _here() -> str:
    import getpass

    return f"operator-{getpass.getuser()}"


@asynccontextmanager
async def acting(tenant_id: str, state: Path | None, actor: Actor, *, as_owner: bool = False) -> AsyncIterator[Context]:
    """In a network, until the command is done; `as_owner`: its database is opened by the role that owns the tables."""
    from dataclasses import replace
    from uuid import uuid4

    from passerelle.kernel.context import Context
    from passerelle.kernel.database import Database
    from passerelle_ops.installation import Installation
    from passerelle_ops.stack.addresses import Addresses
    from passerelle_policies.vocabulary import Purpose

    settings = settings_of(state)
    async with AsyncExitStack() as open_:
        installation = Installation(settings)
        open_.push_async_callback(installation.close)
        tenant = await (await installation.registry()).tenant(tenant_id)
        if as_owner:
            owner = Database(Addresses(settings).tenant_owner_url(tenant_id), pool_size=1)
            open_.push_async_callback(owner.close)
            tenant = replace(tenant, database=owner)
        yield Context(
            tenant=tenant,
            actor=actor,
            clock=installation.clock,
            request_id=f"operator-{uuid4().hex}",
            purpose=Purpose.ADMINISTRATION,
            directory=installation.directory,
        )


async def as_operator(
    tenant_id: str, state: Path | None, done: Callable[[Act], Awaitable[_T]], *, by: Actor | None = None
) -> _T:
    """Do it in one transaction of a network, and give what it gives; `by` the operator unless said."""
    from passerelle.audit.transactions import transaction

    async with acting(tenant_id, state, by or operator()) as context, transaction(context) as act:
        return await done(act)
