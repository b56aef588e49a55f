"""One network's post office: all that it takes to address, seal, send, take in and acknowledge for it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, TypeAlias

from passerelle.identities.directory import Directory
from passerelle.kernel.actors import Actor
from passerelle.kernel.clock import Clock, legal_day
from passerelle.kernel.context import Context, Tenant
from passerelle_policies.packs import pack_on
from passerelle_policies.vocabulary import ActorKind, Purpose
from passerelle_tenants.federation.keys import Keyring
from passerelle_tenants.federation.pace import Pace
from passerelle_tenants.federation.travellers import BUNDLE, Kinds

#: A kind and an object of it, as 32 hexadecimal digits.
Key: TypeAlias = tuple[str, str]
#: The version that was given, and what became of it.
Answers: TypeAlias = Mapping[Key, tuple[int, str]]


class Carrier(Protocol):
    """Takes envelopes to other networks, as well as it can: it may lose, repeat and disorder them."""

    async def carry(self, to_tenant: str, envelope: bytes) -> None:
        """Hand an envelope over (ASCII). Returning does not say that it arrived; raising, that it did not."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """Made once for each network that a process works for; its keyring is the process's own."""

    tenant: Tenant
    directory: Directory
    keyring: Keyring
    kinds: Kinds
    carrier: Carrier
    clock: Clock
    #: What this process wrote last of the other networks, not to write it again for each envelope.
    known_peers: dict[str, str] = field(default_factory=dict)
    last_heard: dict[str, datetime] = field(default_factory=dict)
    #: Of each, how many bundles are being taken in, what is to be answered, and to whom an answer is being given.
    arriving: Counter[str] = field(default_factory=Counter)
    unsaid: dict[str, dict[Key, tuple[int, str]]] = field(default_factory=dict)
    answering: set[str] = field(default_factory=set)
    paces: dict[str, Pace] = field(default_factory=dict)
    #: More at a time would only wait for each other, on as many connections.
    applying: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(4))

    def pace(self, peer: str) -> Pace:
        """How much that network is given at a time; a quarter of `federation.window` to begin with."""
        return self.paces.setdefault(peer, Pace(max(self.number("federation.window") // 4, BUNDLE)))

    def number(self, name: str) -> int:
        """A number of the rules in force, as this tenant has it."""
        return pack_on(legal_day(self.clock)).number(name, self.tenant.parameters)

    def seconds(self, name: str) -> timedelta:
        return timedelta(seconds=self.number(name))

    def hours(self, name: str) -> timedelta:
        return timedelta(hours=self.number(name))

    def context(self, from_tenant: str, request_id: str) -> Context:
        """In whose name what another network sent is applied."""
        return Context(
            tenant=self.tenant,
            actor=Actor(kind=ActorKind.SYSTEM, id=f"federation:{from_tenant}", name=self.keyring.name(from_tenant)),
            clock=self.clock,
            request_id=request_id,
            purpose=Purpose.ADMINISTRATION,
            directory=self.directory,
        )
