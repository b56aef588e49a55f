"""Who comes in: tenant, bearer token, actor, and the three headers that say why and how.

    Authorization: Bearer <jeton>       required (RFC 6750)
    Passerelle-Purpose: care            care | coordination | patient_request | administration
    Passerelle-Mode: normal             normal | break_glass | regulation_centre
    Passerelle-Structure: 310781406     FINESS the professional acts from, when his token names several

An unknown tenant is unknown alike to everyone (404 before any token is read). A token that cannot be used is 401;
one that can, borne by someone this tenant does not know, is 403 and a line in its journal.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Protocol, TypeVar
from uuid import uuid4

from starlette.requests import Request

from passerelle.audit import journal
from passerelle.identities.bearers import Bearer
from passerelle.identities.tokens import bearer_token
from passerelle.kernel.actors import Actor
from passerelle.kernel.clock import Clock, legal_day
from passerelle.kernel.context import Context, Tenant
from passerelle.kernel.directory import Directory
from passerelle.kernel.errors import InvalidInput, NotAuthenticated, Refused
from passerelle_policies.packs import pack_on
from passerelle_policies.vocabulary import Action, Kind, Mode, Purpose

PURPOSE, MODE, STRUCTURE = "Passerelle-Purpose", "Passerelle-Mode", "Passerelle-Structure"
REQUEST_ID = "Passerelle-Request-Id"

_STRUCTURE = re.compile(r"[0-9AB]{9}|[0-9]{14}")
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


async def tenant_of(door: Door, request: Request) -> Tenant:
    """The tenant that the path names. Refused: NETWORK_UNKNOWN, alike for all."""
    try:
        return await door.registry.tenant(request.path_params["tenant"])
    except InvalidInput as unknown:
        raise InvalidInput("NETWORK_UNKNOWN") from unknown


async def enter(door: Door, request: Request, request_id: str) -> Context:
    """The kernel's context of a request.

    Refused: NETWORK_UNKNOWN, the TOKEN_* codes, HEADER_INVALID; ACTOR_UNKNOWN_HERE, STRUCTURE_NOT_IN_TOKEN and
    MODE_NOT_YOURS, which are journalled.
    """
    tenant = await tenant_of(door, request)
    bearer = await door.verifier.verify(_token(request))
    purpose = _word(request, PURPOSE, Purpose, Purpose.CARE)
    mode = _word(request, MODE, Mode, bearer.mode)
    structure = request.headers.get(STRUCTURE)
    if structure is not None and not _STRUCTURE.fullmatch(structure):
        raise InvalidInput("HEADER_INVALID", header=STRUCTURE)
    try:
        actor = await door.directory.actor_for(bearer, tenant, structure)
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
    )


def new_request_id() -> str:
    """A fresh id, that the answer, the journal and the log carry."""
    return uuid4().hex


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


def _token(request: Request) -> str:
    given = request.headers.getlist("authorization")
    if len(given) > 1:
        raise NotAuthenticated("TOKEN_MALFORMED")
    return bearer_token(given[0] if given else None)


def _word(request: Request, header: str, words: type[_Word], default: _Word) -> _Word:
    given = request.headers.get(header)
    if given is None:
        return default
    try:
        return words(given.strip().lower())
    except ValueError as unknown:
        raise InvalidInput("HEADER_INVALID", header=header) from unknown
