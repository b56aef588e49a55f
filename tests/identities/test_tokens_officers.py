"""Data-protection officers: only the issuers that the installation names make one, for one network."""

from __future__ import annotations

from pathlib import Path

import pytest

from passerelle.identities.bearers import BearerKind
from passerelle.identities.issuers import Issuer
from passerelle.identities.tokens import TokenVerifier
from passerelle.kernel.actors import Actor
from passerelle.kernel.errors import NotAuthenticated
from passerelle.kernel.keys import Keys
from passerelle_ops.asgi import _issuers
from passerelle_ops.settings import Settings
from passerelle_policies.vocabulary import ActorKind
from tests.identities.issuing import WHO, Place

CLAIMS = {
    "sub": "officer:oncopl",
    "passerelle_role": "data_protection_officer",
    "passerelle_network": "oncopl",
    "family_name": "ESSAI",
    "given_name": "Dominique",
}
PERSON = {"ins": {"oid": "1.2.250.1.213.1.4.10", "value": "255069999999934"}}


async def test_no_issuer_makes_an_officer_unless_it_is_said(place: Place, tmp_path: Path) -> None:
    token = place.issuer.mint(CLAIMS)
    assert await place.code(token) == "TOKEN_WRONG_ISSUER"
    own = Issuer(url=place.issuer.url, audience="passerelle", vouches_for=frozenset({BearerKind.OFFICER}))
    verifier = TokenVerifier([own], place.clock)
    proven = await verifier.verify(token)
    assert (proven.kind, proven.officer and proven.officer.network) == (BearerKind.OFFICER, "oncopl")
    keys = Keys.create(tmp_path / "tenant.key")
    assert proven.actor(keys) == Actor(kind=ActorKind.OFFICER, id="officer:oncopl", name="Dominique ESSAI")
    authority = await verifier.verify(place.issuer.mint({**CLAIMS, "passerelle_role": "health_authority"}))
    assert authority.actor(keys).kind is ActorKind.AUTHORITY
    with pytest.raises(NotAuthenticated, match="TOKEN_WRONG_ISSUER"):
        await verifier.verify(place.issuer.mint(WHO))


@pytest.mark.parametrize(
    ("changed", "claim"),
    [
        ({"passerelle_role": "administrator"}, "passerelle_role"),
        ({"passerelle_role": ["data_protection_officer"]}, "passerelle_role"),
        ({"passerelle_role": None}, "passerelle_role"),
        ({"SubjectNameID": "899700000011"}, "passerelle_role"),
        (PERSON, "passerelle_role"),
        ({"LPS_Nom": "DPI"}, "passerelle_role"),
        ({"passerelle_network": ""}, "passerelle_network"),
        ({"passerelle_network": ["oncopl", "oncomip"]}, "passerelle_network"),
    ],
)
async def test_a_token_about_anything_else_makes_no_officer(
    place: Place, changed: dict[str, object], claim: str
) -> None:
    own = Issuer(url=place.issuer.url, audience="passerelle", vouches_for=frozenset(BearerKind))
    with pytest.raises(NotAuthenticated) as refused:
        await TokenVerifier([own], place.clock).verify(place.issuer.mint({**CLAIMS, **changed}))
    assert (refused.value.code, refused.value.fields) == ("TOKEN_CLAIMS_INCOMPLETE", {"claim": claim})


@pytest.mark.parametrize(
    ("persons", "officers", "expected"),
    [
        (None, None, {"https://psc.test": {"professional", "person", "software"}}),
        (None, "https://psc.test", {"https://psc.test": {"professional", "person", "software", "officer"}}),
        (
            "https://people.test",
            "https://network.test",
            {
                "https://psc.test": {"professional", "software"},
                "https://people.test": {"person"},
                "https://network.test": {"officer"},
            },
        ),
    ],
)
def test_the_settings_say_who_makes_whom(
    persons: str | None, officers: str | None, expected: dict[str, set[str]]
) -> None:
    settings = Settings(issuer="https://psc.test", person_issuer=persons, officer_issuer=officers)
    trusted = {each.url: set(each.vouches_for) for each in _issuers(settings, "https://psc.test")}
    assert trusted == expected
