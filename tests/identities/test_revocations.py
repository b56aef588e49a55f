"""Tokens that are believed no more: at once where they were revoked, within seconds everywhere else."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import pytest
from joserfc.util import urlsafe_b64decode, urlsafe_b64encode

from passerelle.identities import revocations as module
from passerelle.identities.revocations import Revocations, id_mark, subject_mark
from passerelle.identities.tokens import TokenVerifier, denial_of
from passerelle.kernel.database import Database
from passerelle.kernel.errors import InvalidInput, NotAuthenticated, TryLater
from tests.conftest import Cloned
from tests.identities.issuing import Place

_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256


class _Timer:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


class _Process:
    """A verifier of its own, as another process has one, and its time."""

    def __init__(self, place: Place, database: Database) -> None:
        self.timer = _Timer()
        self.revocations = Revocations(database, place.clock, timer=self.timer)
        self._verifier = TokenVerifier([place.trusted], place.clock, self.revocations)

    async def believes(self, token: str) -> bool:
        try:
            await self._verifier.verify(token)
        except NotAuthenticated as refused:
            if refused.code != "TOKEN_REVOKED":
                raise
            return False
        return True


def _token(place: Place, rpps: str = "99700000011") -> str:
    return place.issuer.mint_professional(rpps=rpps, family_name="ESSAI", given_name="Camille", profession="10")


def _claim(token: str, name: str) -> str:
    return str(json.loads(urlsafe_b64decode(token.split(".")[1].encode()))[name])


@pytest.fixture
def here(place: Place, directory_database: Cloned) -> _Process:
    return _Process(place, directory_database.database)


@pytest.fixture
def elsewhere(place: Place, directory_database: Cloned) -> _Process:
    return _Process(place, directory_database.database)


async def test_a_token_is_refused_at_once_here_and_within_a_second_elsewhere(
    place: Place, here: _Process, elsewhere: _Process
) -> None:
    token, other = _token(place), _token(place)
    assert await here.believes(token)
    assert await elsewhere.believes(token)

    mark, until = denial_of(token)
    await here.revocations.revoke(mark, until=until)

    assert not await here.believes(token)
    assert await elsewhere.believes(token), "not asked yet"
    elsewhere.timer.now += module.HEARD_SECONDS
    assert not await elsewhere.believes(token)
    assert await here.believes(other)
    assert await elsewhere.believes(other)


async def test_a_token_is_revoked_by_the_number_that_its_issuer_gave(place: Place, here: _Process) -> None:
    token, other = _token(place), _token(place)

    await here.revocations.revoke(id_mark(place.trusted.url, _claim(token, "jti")))

    assert not await here.believes(token)
    assert await here.believes(other)


async def test_a_number_of_another_issuer_is_another(place: Place, here: _Process) -> None:
    token = _token(place)

    await here.revocations.revoke(id_mark("https://elsewhere.test", _claim(token, "jti")))

    assert await here.believes(token)


async def test_a_subject_loses_what_he_had_and_not_what_he_is_given_later(
    place: Place, here: _Process, elsewhere: _Process
) -> None:
    rpps = "99700000029"
    before = _token(place, rpps)
    assert await elsewhere.believes(before)

    await here.revocations.revoke(subject_mark(place.trusted.url, _claim(before, "sub")))
    elsewhere.timer.now += module.HEARD_SECONDS
    place.clock.advance(timedelta(seconds=1))
    after = _token(place, rpps)

    for process in (here, elsewhere):
        assert not await process.believes(before)
        assert await process.believes(after)


async def test_the_other_way_to_write_a_signature_is_no_other_token(place: Place, here: _Process) -> None:
    token = _token(place)
    signed, _, signature = token.rpartition(".")
    raw = urlsafe_b64decode(signature.encode())
    mirrored = raw[:32] + (_ORDER - int.from_bytes(raw[32:])).to_bytes(32)
    twin = f"{signed}.{urlsafe_b64encode(mirrored).decode()}"
    assert twin != token
    assert await here.believes(twin)

    await here.revocations.revoke(denial_of(token)[0])

    assert not await here.believes(twin)


async def test_a_process_that_starts_knows_what_stands_and_not_what_expired(
    place: Place, here: _Process, directory_database: Cloned
) -> None:
    token = _token(place)
    mark, until = denial_of(token)
    await here.revocations.revoke(mark, until=until)
    await here.revocations.revoke("past", until=place.clock.now() - timedelta(seconds=1))

    new = _Process(place, directory_database.database)

    assert not await new.believes(token)
    assert "past" not in new.revocations._denied


async def test_without_the_directory_tokens_are_believed_for_a_minute(place: Place) -> None:
    away = Database("postgresql://nobody:nothing@127.0.0.1:1/none", timeout=0.2)
    process = _Process(place, away)
    token = _token(place)
    with pytest.raises(TryLater):
        await process.believes(token)

    process.revocations._heard_at = process.timer.now
    process.timer.now += module.DEAF_SECONDS
    assert await process.believes(token)
    process.timer.now += 1
    with pytest.raises(TryLater):
        await process.believes(token)
    await away.close()


@pytest.mark.parametrize("text", ["", "abc", "a.b.c", base64.b64encode(b"x").decode()])
def test_what_is_no_token_cannot_be_revoked(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        denial_of(text)
    assert refused.value.code == "TOKEN_NOT_READ"
