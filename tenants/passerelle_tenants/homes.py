"""A person's home: declared by himself, claimed by a network, disputed, decided, handed on. One home at any moment.

    (none) ──▶ presumed ──▶ declared ◀── keep ──┐
                   │            │ ╲              │
                   │            │  ╲──claim──▶ disputed ──▶ (an officer decides)
                   └────────────┴──declare──▶ moving ──▶ handed ──▶ declared, at the new home

The patient's own word moves his home. A network's claim does where the home was only presumed; against a declared one
it is a dispute, in which home stays where it is until an officer decides. From `handed` on there is no way back: the
network he leaves has given up deciding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from passerelle.kernel.errors import Conflict, TryLater
from passerelle_tenants.locator import Home, HomeState, Locator

_TRIES = 5
Change = Callable[[Home | None], Home]


def declared(at: str) -> Change:
    """The patient says that his home is there. Refused: HOME_HANDED while it is being handed elsewhere."""

    def change(before: Home | None) -> Home:
        if before is None:
            return Home(tenant_id=at, version=1, state=HomeState.DECLARED)
        if before.state is HomeState.HANDED:
            if before.claimed_by == at:
                return before
            raise Conflict("HOME_HANDED")
        if before.tenant_id == at:
            return _next(before, HomeState.DECLARED)
        return _next(before, HomeState.MOVING, claimed_by=at)

    return change


def claimed(by: str) -> Change:
    """A network says that it is his home. Refused: HOME_HANDED; HOME_DISPUTED when another claims it already."""

    def change(before: Home | None) -> Home:
        if before is None or before.state is HomeState.PRESUMED:
            return declared(by)(before)
        if before.state is HomeState.HANDED:
            return declared(by)(before)
        if by in {before.tenant_id, before.claimed_by}:
            return before
        if before.state is not HomeState.DECLARED:
            raise Conflict("HOME_DISPUTED")
        return _next(before, HomeState.DISPUTED, claimed_by=by)

    return change


def decided(for_: str) -> Change:
    """An officer ends a dispute. Refused: HOME_NOT_DISPUTED, HOME_NOT_CLAIMED by that network."""

    def change(before: Home | None) -> Home:
        if before is None or before.state is not HomeState.DISPUTED:
            raise Conflict("HOME_NOT_DISPUTED")
        if for_ == before.tenant_id:
            return _next(before, HomeState.DECLARED)
        if for_ == before.claimed_by:
            return _next(before, HomeState.MOVING, claimed_by=for_)
        raise Conflict("HOME_NOT_CLAIMED")

    return change


def handed(before: Home | None) -> Home:
    """The network he leaves begins to hand over. Refused: HOME_NOT_MOVING when the move was withdrawn meanwhile."""
    if before is not None and before.state is HomeState.HANDED:
        return before
    if before is None or before.state is not HomeState.MOVING:
        raise Conflict("HOME_NOT_MOVING")
    return _next(before, HomeState.HANDED, claimed_by=before.claimed_by)


def taken(by: str) -> Change:
    """The new home has everything. Refused: HOME_NOT_MOVING when it was not handed to it."""

    def change(before: Home | None) -> Home:
        if before is not None and before.tenant_id == by:
            return before
        if before is None or before.state is not HomeState.HANDED or before.claimed_by != by:
            raise Conflict("HOME_NOT_MOVING")
        return replace(_next(before, HomeState.DECLARED), tenant_id=by)

    return change


def merged(from_: str, into: str) -> Change:
    """The network that is his home, or that is to be or says so, is merged into another, which takes its place.

    A dispute with a third one stays: an officer decides it as before.
    """

    def change(before: Home | None) -> Home:
        if before is None:
            return Home(tenant_id=from_, version=1, state=HomeState.MOVING, claimed_by=into)
        if before.state is HomeState.HANDED:
            return before
        if before.claimed_by == from_:
            if before.tenant_id == into:
                return _next(before, HomeState.DECLARED)
            return _next(before, before.state, claimed_by=into)
        settled = before.state in {HomeState.PRESUMED, HomeState.DECLARED} or before.claimed_by == into
        if before.tenant_id == from_ and settled:
            return _next(before, HomeState.MOVING, claimed_by=into)
        return before

    return change


def _next(before: Home, state: HomeState, *, claimed_by: str | None = None) -> Home:
    if (before.state, before.claimed_by) == (state, claimed_by):
        return before
    return replace(before, version=before.version + 1, state=state, claimed_by=claimed_by)


async def change(locator: Locator, person_key: str, how: Change, now: datetime) -> tuple[Home | None, Home]:
    """Change a person's home in the directory; what it was and what it is. Raises what `how` refuses.

    Refused: HOME_BUSY (`TryLater`) when others change it at the same time, again and again.
    """
    for _ in range(_TRIES):
        found = (await locator.find([person_key])).get(person_key)
        before = found.home if found is not None else None
        after = how(before)
        if after == before or await locator.write(person_key, before, after, now):
            return before, after
    raise TryLater("HOME_BUSY", retry_after=1)
