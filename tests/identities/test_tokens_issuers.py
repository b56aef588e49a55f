"""The keys of an issuer: asked for when they must be, believed while they may be."""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey

from passerelle.identities.issuers import Issuer
from passerelle.identities.tokens import TokenVerifier
from passerelle.kernel.clock import SetClock
from passerelle.kernel.errors import InvalidInput, NotAuthenticated, TryLater
from passerelle_ops.demo.issuer import create_app
from tests.identities.issuing import START, WHO, Answers, Place, claims_of, serving


async def test_keys_are_asked_for_once_and_a_verified_token_is_not_verified_again(
    answers: tuple[Answers, str],
) -> None:
    told, url = answers
    key = ECKey.generate_key("P-256", auto_kid=True)
    told.publish(key)
    clock = SetClock(START)
    verifier = TokenVerifier([Issuer(url=url, audience="passerelle", jwks_url=f"{url}/jwks")], clock)
    tokens = [jwt.encode({"alg": "ES256", "kid": str(key.kid)}, claims_of(url, jti=each), key) for each in range(10)]
    bearers = await asyncio.gather(*(verifier.verify(each) for each in tokens))
    assert told.asked == 1
    assert await verifier.verify(tokens[0]) is bearers[0]
    clock.advance(timedelta(minutes=5))
    assert await verifier.verify(tokens[0]) is not bearers[0]
    clock.advance(timedelta(minutes=5, seconds=30))
    with pytest.raises(NotAuthenticated) as refused:
        await verifier.verify(tokens[0])
    assert refused.value.code == "TOKEN_EXPIRED"


async def test_keys_can_be_had_before_the_first_token_comes_and_one_that_could_not_is_asked_for_again(
    answers: tuple[Answers, str],
) -> None:
    told, url = answers
    key = ECKey.generate_key("P-256", auto_kid=True)
    token = jwt.encode({"alg": "ES256", "kid": str(key.kid)}, claims_of(url), key)
    for is_there in (False, True):
        told.forget()
        if is_there:
            told.publish(key)
        verifier = TokenVerifier([Issuer(url=url, audience="passerelle", jwks_url=f"{url}/jwks")], SetClock(START))
        await verifier.look()
        told.publish(key)
        assert (await verifier.verify(token)).issuer == url
        assert told.asked == (1 if is_there else 2)


async def test_a_new_key_is_believed_at_once_and_the_one_before_stays_good(place: Place) -> None:
    before = place.issuer.mint(WHO)
    await place.verify(before)
    place.issuer.rotate()
    after = place.issuer.mint({**WHO, "jti": "after"})
    assert after.partition(".")[0] != before.partition(".")[0]
    place.clock.advance(timedelta(seconds=11))
    await place.verify(after)
    await place.verify(before)


async def test_a_withdrawn_key_is_soon_not_believed(place: Place) -> None:
    old = place.issuer.mint(WHO)
    await place.verify(old)
    place.issuer.rotate()
    place.issuer.rotate()
    place.clock.advance(timedelta(minutes=10, seconds=1))
    assert await place.code(old) == "TOKEN_BAD_SIGNATURE"
    await place.verify(place.issuer.mint(WHO))


async def test_a_withdrawn_key_reaches_tokens_already_believed_with_the_next_answer(
    answers: tuple[Answers, str],
) -> None:
    told, url = answers
    old, new = (ECKey.generate_key("P-256", auto_kid=True) for _ in range(2))
    clock = SetClock(START)
    verifier = TokenVerifier([Issuer(url=url, audience="passerelle", jwks_url=f"{url}/jwks")], clock)
    kept, other = (jwt.encode({"alg": "ES256", "kid": str(key.kid)}, claims_of(url), key) for key in (old, new))
    told.publish(old)
    bearer = await verifier.verify(kept)
    told.publish(new)
    clock.advance(timedelta(seconds=11))
    assert await verifier.verify(kept) is bearer  # nobody has heard of it yet
    await verifier.verify(other)
    with pytest.raises(NotAuthenticated) as refused:
        await verifier.verify(kept)
    assert refused.value.code == "TOKEN_BAD_SIGNATURE"
    assert told.asked == 2


async def test_unknown_keys_do_not_make_us_ask_the_issuer_without_end(answers: tuple[Answers, str]) -> None:
    told, url = answers
    key = ECKey.generate_key("P-256", auto_kid=True)
    told.publish(key)
    clock = SetClock(START)
    verifier = TokenVerifier([Issuer(url=url, audience="passerelle", jwks_url=f"{url}/jwks")], clock)
    for round_ in range(3):
        for each in range(20):
            with pytest.raises(NotAuthenticated) as refused:
                await verifier.verify(jwt.encode({"alg": "ES256", "kid": f"{round_}.{each}"}, claims_of(url), key))
            assert refused.value.code == "TOKEN_BAD_SIGNATURE"
        assert told.asked == round_ + 1
        clock.advance(timedelta(seconds=10))


async def test_an_issuer_that_is_away_stops_only_those_whose_key_we_lack(tmp_path: Path) -> None:
    with serving(create_app(folder=tmp_path)) as url:
        place = Place(tmp_path, url)
        known = place.issuer.mint(WHO)
        await place.verify(known)
    stranger = TokenVerifier([place.trusted], place.clock)
    with pytest.raises(TryLater) as refused:
        await stranger.verify(known)
    assert (refused.value.code, refused.value.retry_after) == ("IDENTITY_ISSUER_UNAVAILABLE", 10)
    place.clock.advance(timedelta(hours=11))
    await place.verify(known)
    place.issuer.rotate()
    with pytest.raises(TryLater):
        await place.verify(place.issuer.mint(WHO))
    place.clock.advance(timedelta(hours=14))
    with pytest.raises(TryLater):
        await place.verify(place.issuer.mint(WHO, valid_for=timedelta(days=2)))


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 200),
        (b"not json", 200),
        (b"[]", 200),
        (b'{"keys": []}', 200),
        (b'{"keys": 5}', 200),
        (b'{"keys": [{"kty": "oct", "k": "AAAA", "kid": "a"}]}', 200),
        (b'{"keys": [{"kty": "EC", "kid": "a"}, 5]}', 200),
        (b"[" * 100_000, 200),
        (b'{"keys": [], "filler": "' + b"x" * 300_000 + b'"}', 200),
        (b"{}", 500),
        (b"{}", 302),
    ],
)
async def test_an_answer_without_keys_is_an_issuer_away(
    answers: tuple[Answers, str], content: bytes, status: int
) -> None:
    told, url = answers
    told.content, told.status = content, status
    key = ECKey.generate_key("P-256", {"kid": "a"})
    verifier = TokenVerifier([Issuer(url=url, audience="passerelle", jwks_url=f"{url}/jwks")], SetClock(START))
    with pytest.raises(TryLater) as refused:
        await verifier.verify(jwt.encode({"alg": "ES256", "kid": "a"}, claims_of(url), key))
    assert refused.value.code == "IDENTITY_ISSUER_UNAVAILABLE"


async def test_a_slow_issuer_is_waited_for_three_seconds(answers: tuple[Answers, str]) -> None:
    told, url = answers
    told.seconds = 4
    key = ECKey.generate_key("P-256", {"kid": "a"})
    told.publish(key)
    verifier = TokenVerifier([Issuer(url=url, audience="passerelle", jwks_url=f"{url}/jwks")], SetClock(START))
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(TryLater):
        await verifier.verify(jwt.encode({"alg": "ES256", "kid": "a"}, claims_of(url), key))
    assert loop.time() - began < 3.9


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "PS256", "EdDSA", "Ed25519"])
async def test_the_asymmetric_algorithms_are_believed(answers: tuple[Answers, str], algorithm: str) -> None:
    told, url = answers
    key = _key_for(algorithm)
    told.publish(key)
    verifier = TokenVerifier([Issuer(url=url, audience="passerelle", jwks_url=f"{url}/jwks")], SetClock(START))
    assert (await verifier.verify(_signed_with(algorithm, key, url))).subject == WHO["sub"]


@pytest.mark.parametrize(
    ("algorithm", "changes"),
    [
        ("ES384", {}),
        ("RS512", {}),
        ("Ed448", {}),
        ("ES256", {"use": "enc"}),
        ("ES256", {"alg": "ES384"}),
        ("RS256", {"alg": "PS256"}),
        ("weak RS256", {}),
    ],
)
async def test_the_others_are_not(answers: tuple[Answers, str], algorithm: str, changes: Mapping[str, str]) -> None:
    told, url = answers
    key, sound = _key_for(algorithm), ECKey.generate_key("P-256", auto_kid=True)
    told.publish(key, **changes)
    given_keys = json.loads(told.content)["keys"]
    told.content = json.dumps({"keys": [*given_keys, sound.as_dict(private=False)]}).encode()
    verifier = TokenVerifier([Issuer(url=url, audience="passerelle", jwks_url=f"{url}/jwks")], SetClock(START))
    with pytest.raises(NotAuthenticated) as refused:
        await verifier.verify(_signed_with(algorithm.removeprefix("weak "), key, url))
    assert refused.value.code == "TOKEN_BAD_SIGNATURE"


async def test_a_discovery_document_of_another_issuer_is_not_followed(tmp_path: Path) -> None:
    with serving(create_app("https://elsewhere.example", tmp_path)) as url:
        place = Place(tmp_path, url)
        with pytest.raises(TryLater):
            await place.verify(place.issuer.mint(WHO))


@pytest.mark.parametrize(
    "url", ["http://issuer.example", "ftp://127.0.0.1", "issuer", "https://", "https://u:p@issuer.example", "http://[x"]
)
def test_only_a_safe_address_is_trusted(url: str) -> None:
    for address, jwks_url in ((url, None), ("https://issuer.example", url)):
        with pytest.raises(InvalidInput) as refused:
            Issuer(url=address, audience="passerelle", jwks_url=jwks_url)
        assert refused.value.code == "ISSUER_ADDRESS"


def _key_for(algorithm: str) -> ECKey | RSAKey | OKPKey:
    match algorithm:
        case "ES256":
            return ECKey.generate_key("P-256", auto_kid=True)
        case "ES384":
            return ECKey.generate_key("P-384", auto_kid=True)
        case "Ed448":
            return OKPKey.generate_key("Ed448", auto_kid=True)
        case "EdDSA" | "Ed25519":
            return OKPKey.generate_key("Ed25519", auto_kid=True)
        case "weak RS256":
            with warnings.catch_warnings(category=SecurityWarning, action="ignore"):
                return RSAKey.generate_key(1024, auto_kid=True)
        case _:
            return RSAKey.generate_key(2048, auto_kid=True)


def _signed_with(algorithm: str, key: ECKey | RSAKey | OKPKey, url: str) -> str:
    with warnings.catch_warnings(category=SecurityWarning, action="ignore"):
        return jwt.encode({"alg": algorithm, "kid": str(key.kid)}, claims_of(url), key, algorithms=[algorithm])
