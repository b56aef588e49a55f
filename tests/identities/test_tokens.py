"""Tokens of an issuer that runs: who is let in, and every way of being turned away."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from passerelle.identities.bearers import BearerKind
from passerelle.identities.issuers import Issuer
from passerelle.identities.tokens import TOKEN_LIMIT, TokenVerifier, bearer_token
from passerelle.kernel.errors import NotAuthenticated, TryLater
from passerelle_ops.demo.issuer import Practice
from tests.identities.issuing import START, WHO, Answers, Place, claims_of


def _part(value: object) -> str:
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


async def test_a_professional_is_let_in(place: Place) -> None:
    token = place.issuer.mint_professional(
        rpps="99700000011",
        family_name="ESSAI",
        given_name="Camille",
        profession="10",
        specialty="SM54",
        practices=[
            Practice(finess="310000001", name="CHU DU CANAL", sector="SA01", mode="S"),
            Practice(name="CABINET"),
        ],
    )
    bearer = await place.verify(token)
    assert bearer.kind is BearerKind.PROFESSIONAL
    assert bearer.professional is not None
    assert bearer.professional.rpps == bearer.professional.id == "99700000011"
    assert [each.structure for each in bearer.professional.activities] == ["310000001", None]
    assert bearer.expires_at == START + timedelta(hours=12)
    assert "ESSAI" not in repr(bearer)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"exp": int(START.timestamp()) - 30}, "TOKEN_EXPIRED"),
        ({"exp": 0}, "TOKEN_EXPIRED"),
        ({"exp": None}, "TOKEN_CLAIMS_INCOMPLETE"),
        ({"exp": "tomorrow"}, "TOKEN_CLAIMS_INCOMPLETE"),
        ({"exp": True}, "TOKEN_CLAIMS_INCOMPLETE"),
        ({"exp": 1e300}, "TOKEN_CLAIMS_INCOMPLETE"),
        ({"nbf": int(START.timestamp()) + 31}, "TOKEN_NOT_YET_VALID"),
        ({"iat": int(START.timestamp()) + 31}, "TOKEN_NOT_YET_VALID"),
        ({"nbf": [1]}, "TOKEN_CLAIMS_INCOMPLETE"),
        ({"aud": "another-service"}, "TOKEN_WRONG_AUDIENCE"),
        ({"aud": ["another-service", "a third"]}, "TOKEN_WRONG_AUDIENCE"),
        ({"aud": None}, "TOKEN_WRONG_AUDIENCE"),
        ({"aud": {"passerelle": 1}}, "TOKEN_WRONG_AUDIENCE"),
        ({"iss": "https://elsewhere.example"}, "TOKEN_WRONG_ISSUER"),
        ({"iss": None}, "TOKEN_WRONG_ISSUER"),
        ({"iss": ["x"]}, "TOKEN_WRONG_ISSUER"),
        ({"sub": ""}, "TOKEN_CLAIMS_INCOMPLETE"),
        ({"SubjectNameID": ""}, "TOKEN_CLAIMS_INCOMPLETE"),
    ],
)
async def test_claims_that_are_not_ours_or_not_of_now(place: Place, changes: Mapping[str, object], code: str) -> None:
    assert await place.code(place.issuer.mint({**WHO, **changes})) == code


async def test_clocks_may_differ_by_half_a_minute(place: Place) -> None:
    now = int(START.timestamp())
    for changes in ({"exp": now - 29}, {"nbf": now + 30}, {"iat": now + 30}, {"aud": ["other", "passerelle"]}):
        await place.verify(place.issuer.mint({**WHO, **changes}))


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE"])
async def test_an_unsigned_token_is_refused(place: Place, algorithm: str) -> None:
    signed = place.issuer.mint(WHO)
    kid = json.loads(base64.urlsafe_b64decode(signed.split(".")[0] + "=="))["kid"]
    header = _part({"alg": algorithm, "kid": kid})
    claims = _part(claims_of(place.issuer.url))
    assert await place.code(f"{header}.{claims}.") == "TOKEN_UNSIGNED"
    assert await place.code(f"{header}.{claims}.{signed.split('.')[2]}") == "TOKEN_UNSIGNED"
    assert await place.code(signed.rpartition(".")[0] + ".") == "TOKEN_UNSIGNED"


async def test_a_secret_made_of_the_public_key_signs_nothing(place: Place, demo_issuer: tuple[Path, str]) -> None:
    """RFC 8725 §2.1: with HS256 the issuer's public key would be the secret."""
    published = json.loads((demo_issuer[0] / "keys.json").read_bytes())["keys"][0]
    public = ECKey.import_key(published)
    for form in (public.as_pem(private=False), json.dumps(public.as_dict(private=False)).encode()):
        for algorithm in ("HS256", "HS384", "HS512"):
            header = {"alg": algorithm, "kid": published["kid"]}
            token = jwt.encode(
                header, claims_of(place.issuer.url), OctKey.import_key(form.hex()), algorithms=[algorithm]
            )
            assert await place.code(token) == "TOKEN_BAD_SIGNATURE"


async def test_the_key_of_a_stranger_is_refused(place: Place) -> None:
    stranger = ECKey.generate_key("P-256", auto_kid=True)
    kid = str(place.issuer._keys.newest().kid)
    embedded = stranger.as_dict(private=False)
    for header in (
        {"alg": "ES256", "kid": kid},
        {"alg": "ES256", "kid": "unknown"},
        {"alg": "ES256"},
        {"alg": "ES256", "kid": kid, "jwk": embedded},
        {"alg": "ES256", "kid": kid, "jku": "http://127.0.0.1:9/jwks"},
    ):
        token = jwt.encode(header, claims_of(place.issuer.url), stranger)
        assert await place.code(token) == "TOKEN_BAD_SIGNATURE"


async def test_another_issuer_that_we_know_cannot_sign_for_this_one(place: Place, answers: tuple[Answers, str]) -> None:
    told, url = answers
    key = ECKey.generate_key("P-256", auto_kid=True)
    told.publish(key)
    other = Issuer(
        url=url, audience="passerelle", jwks_url=f"{url}/jwks", vouches_for=frozenset({BearerKind.PROFESSIONAL})
    )
    verifier = TokenVerifier([place.trusted, other], place.clock)
    header = {"alg": "ES256", "kid": str(key.kid)}
    person = {"ins": {"oid": "1.2.250.1.213.1.4.10", "value": "255069999999934"}, "SubjectNameID": None}
    del (of_a_person := claims_of(url, **person))["SubjectNameID"]
    for claims, code in ((claims_of(place.issuer.url), "TOKEN_BAD_SIGNATURE"), (of_a_person, "TOKEN_WRONG_ISSUER")):
        with pytest.raises(NotAuthenticated) as refused:
            await verifier.verify(jwt.encode(header, claims, key))
        assert refused.value.code == code
    assert (await verifier.verify(jwt.encode(header, claims_of(url), key))).issuer == url
    assert (await verifier.verify(place.issuer.mint(WHO))).issuer == place.issuer.url


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_no_change_of_a_token_is_let_in(place: Place, data: st.DataObject) -> None:
    token = place.issuer.mint(WHO)
    parts = token.split(".")
    which = data.draw(st.integers(0, 2))
    raw = bytearray(base64.urlsafe_b64decode(parts[which] + "=="))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    parts[which] = _part(bytes(raw))
    with pytest.raises((NotAuthenticated, TryLater)):
        await place.verify(".".join(parts))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=60) | st.lists(st.binary(max_size=20).map(_part), max_size=4).map(".".join))
async def test_garbage_is_malformed(place: Place, text: str) -> None:
    assert await place.code(text) in {"TOKEN_MALFORMED", "TOKEN_MISSING"}


@pytest.mark.parametrize(
    "header",
    [
        {"kid": "x"},
        {"alg": 5, "kid": "x"},
        {"alg": "ES256", "kid": 5},
        {"alg": "ES256", "kid": "x", "crit": ["b64"], "b64": False},
        {"alg": "ES256", "kid": "x", "typ": "logout+jwt"},
        [],
        b"[" * 9000,
        b"\xff\xfe",
    ],
)
async def test_a_header_that_makes_no_sense_is_malformed(place: Place, header: object) -> None:
    assert await place.code(f"{_part(header)}.{_part(claims_of(place.issuer.url))}.AAAA") == "TOKEN_MALFORMED"


async def test_a_giant_is_not_even_read(place: Place) -> None:
    assert await place.code(place.issuer.mint({**WHO, "filler": "x" * TOKEN_LIMIT})) == "TOKEN_MALFORMED"
    assert await place.code("A" * 10_000_000) == "TOKEN_MALFORMED"


@pytest.mark.parametrize("field", ["Bearer abc", "bearer abc", "BEARER   abc "])
def test_the_token_in_its_field(field: str) -> None:
    assert bearer_token(field) == "abc"


@pytest.mark.parametrize(
    ("field", "code"),
    [
        (None, "TOKEN_MISSING"),
        (" ", "TOKEN_MISSING"),
        ("Bearer", "TOKEN_MALFORMED"),
        ("Basic abc", "TOKEN_MALFORMED"),
        ("Bearer a b", "TOKEN_MALFORMED"),
        ("abc", "TOKEN_MALFORMED"),
    ],
)
def test_no_token_in_its_field(field: str | None, code: str) -> None:
    with pytest.raises(NotAuthenticated) as refused:
        bearer_token(field)
    assert refused.value.code == code
