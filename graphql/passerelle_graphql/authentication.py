"""Who comes in: tenant, bearer token, actor, and the three headers that say why and how.

    Authorization: Bearer <jeton>       required (RFC 6750)
    Passerelle-Purpose: care            care | coordination | patient_request | administration
    Passerelle-Mode: normal             normal | break_glass | regulation_centre
    Passerelle-Structure: 310781406     FINESS the professional acts from, when his token names several

An unknown tenant is unknown alike to everyone (404 before any token is read). A token that cannot be used is 401;
one that can, borne by someone this tenant does not know, is 403 and a line in its journal.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from time import monotonic
from typing import Final, Protocol, TypeVar

from starlette.requests import Request

from passerelle.audit import journal
from passerelle.identities.bearers import Bearer
from passerelle.identities.tokens import bearer_token
from passerelle.kernel.actors import Actor
from passerelle.kernel.boards_elsewhere import BoardsElsewhere
from passerelle.kernel.clock import Clock, legal_day
from passerelle.kernel.context import Context, Homes, RecordsElsewhere, Tenant, TreatmentProtocols
from passerelle.kernel.directory import Directory
from passerelle.kernel.errors import InvalidInput, Refused
from passerelle.kernel.experts import ElsewhereExperts
from passerelle.kernel.tracing import REQUEST
from passerelle_graphql.heading import Heading, heading, said
from passerelle_policies.packs import pack_on
from passerelle_policies.vocabulary import Action, Kind, Mode, Purpose

PURPOSE, MODE, STRUCTURE = "Passerelle-Purpose", "Passerelle-Mode", "Passerelle-Structure"
REQUEST_ID = "Passerelle-Request-Id"

_STRUCTURE = re.compile(r"[0-9AB]{9}|[0-9]{14}")
_PURPOSES: Final = {each.value: each for each in Purpose}
_MODES: Final = {each.value: each for each in Mode}
_KEPT_SECONDS: Final = 5.0
_KEPT_ACTORS: Final = 20_000
_Word = TypeVar("_Word", bound=StrEnum)


class Verifier(Protocol):
    """Reads a bearer token; raises `NotAuthenticated` when it cannot be used."""

    async def verify(self, token: str) -> Bearer: ...


class Tenants(Protocol):
    """The networks that are open here; raises `InvalidInput` TENANT_UNKNOWN for any other."""

    async def tenant(self, tenant_id: str) -> Tenant: ...


class Actors(Directory, Protocol):
    """The directory; says who the bearer of a token is in a tenant, and raises `Refused` when it does not know him."""

    async def actor_for(self, bearer: Bearer, tenant: Tenant, structure: str | None = None) -> Actor: ...


class Door(Protocol):
    """What is needed to let someone in."""

    @property
    def registry(self) -> Tenants: ...
    @property
    def verifier(self) -> Verifier: ...
    @property
    def directory(self) -> Actors: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def treatment_protocols(self) -> TreatmentProtocols: ...
    @property
    def elsewhere_experts(self) -> ElsewhereExperts: ...
    @property
    def boards_elsewhere(self) -> BoardsElsewhere: ...
    @property
    def records_elsewhere(self) -> RecordsElsewhere: ...
    @property
    def homes(self) -> Homes: ...
    @property
    def kept_actors(self) -> KeptActors: ...


class KeptActors:
    """Who the bearer of a verified token is in a network, kept for a few seconds over what the directory keeps.

    A bearer whose token is refused never gets here. A refusal is not kept.
    """

    def __init__(self, *, seconds: float = _KEPT_SECONDS, timer: Callable[[], float] = monotonic) -> None:
        self._seconds = seconds
        self._timer = timer
        # The bearer himself is kept beside: as long as he is, no other object has his identity.
        self._kept: dict[tuple[int, str, str | None], tuple[float, Bearer, Actor]] = {}

    def get(self, bearer: Bearer, tenant: Tenant, structure: str | None) -> Actor | None:
        kept = self._kept.get((id(bearer), tenant.id, structure))
        return None if kept is None or kept[0] < self._timer() else kept[2]

    def keep(self, bearer: Bearer, tenant: Tenant, structure: str | None, actor: Actor) -> None:
        if len(self._kept) >= _KEPT_ACTORS:
            self._kept.clear()
        self._kept[id(bearer), tenant.id, structure] = (self._timer() + self._seconds, bearer, actor)


async def enter(door: Door, request: Request, request_id: str) -> Context:
    """The kernel's context of a request of Starlette's; refuses what `admit` refuses."""
    return await admit(door, request.path_params["tenant"], heading(request.scope["headers"]), request_id)


async def admit(door: Door, tenant_id: str, head: Heading, request_id: str) -> Context:
    """The kernel's context of a request, from the network that its path names and its header fields.

    Refused: NETWORK_UNKNOWN, alike for all; the TOKEN_* codes, HEADER_INVALID; ACTOR_UNKNOWN_HERE,
    STRUCTURE_NOT_IN_TOKEN and MODE_NOT_YOURS, which are journalled.
    """
    try:
        tenant = await door.registry.tenant(tenant_id)
    except InvalidInput as unknown:
        raise InvalidInput("NETWORK_UNKNOWN") from unknown
    bearer = await door.verifier.verify(bearer_token(said(head, b"authorization")))
    purpose = _word(head, PURPOSE, _PURPOSES, Purpose.CARE)
    mode = _word(head, MODE, _MODES, bearer.mode)
    structure = said(head, b"passerelle-structure")
    if structure is not None and not _STRUCTURE.fullmatch(structure):
        raise InvalidInput("HEADER_INVALID", header=STRUCTURE)
    try:
        actor = await _actor(door, bearer, tenant, structure)
        if mode is Mode.REGULATION_CENTRE and not _may_regulate(bearer):
            raise Refused("MODE_NOT_YOURS")
    except Refused as refusal:
        stranger = bearer.actor(tenant.keys)
        await _journal_stranger(
            Context(tenant=tenant, actor=stranger, clock=door.clock, request_id=request_id, purpose=purpose, mode=mode),
            refusal,
        )
        raise
    return Context(
        tenant=tenant,
        actor=actor,
        clock=door.clock,
        request_id=request_id,
        purpose=purpose,
        mode=mode,
        directory=door.directory,
        treatment_protocols=door.treatment_protocols,
        elsewhere_experts=door.elsewhere_experts,
        boards_elsewhere=door.boards_elsewhere,
        records_elsewhere=door.records_elsewhere,
        homes=door.homes,
    )


def new_request_id() -> str:
    """A fresh id, that the answer, the journal and the log carry, and what this task does from here on."""
    request_id = os.urandom(16).hex()
    REQUEST.set(request_id)
    return request_id


async def _actor(door: Door, bearer: Bearer, tenant: Tenant, structure: str | None) -> Actor:
    if (kept := door.kept_actors.get(bearer, tenant, structure)) is not None:
        return kept
    actor = await door.directory.actor_for(bearer, tenant, structure)
    door.kept_actors.keep(bearer, tenant, structure, actor)
    return actor


async def _journal_stranger(context: Context, refusal: Refused) -> None:
    line = journal.Line(
        kind=Kind.DOSSIER,
        action=Action.READ,
        outcome=journal.Outcome.REFUSED,
        rule="actor-unknown-here",
        pack=pack_on(legal_day(context.clock)).name,
        code=refusal.code,
    )
    async with context.tenant.database.transaction() as connection:
        await journal.append(connection, context, line)


def _may_regulate(bearer: Bearer) -> bool:
    """Only those whose token says that they regulate (VIHF, Acces_Regulation_Medicale) come in as centre 15."""
    return bearer.professional is not None and bearer.professional.may_regulate


def _word(head: Heading, header: str, words: Mapping[str, _Word], default: _Word) -> _Word:
    given = said(head, header.lower().encode("ascii"))
    if given is None:
        return default
    try:
        return words[given.strip().lower()]
    except KeyError as unknown:
        raise InvalidInput("HEADER_INVALID", header=header) from unknown
