"""The demo's issuer: what it makes is believed, what it keeps is its own, and it stays out of production."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import httpx2
import pytest
from starlette.routing import Route

from passerelle.identities.bearers import BearerKind
from passerelle.identities.ins import NIR_DEMO
from passerelle.kernel.errors import InvalidInput
from passerelle_ops.demo.issuer import DemoIssuer, Practice, create_app
from passerelle_ops.demo.signing_keys import SigningKeys
from passerelle_policies.vocabulary import Mode
from tests.identities.issuing import Place


async def test_each_kind_of_token_is_believed(place: Place) -> None:
    professional = await place.verify(
        place.issuer.mint_professional(
            rpps="99700000011",
            family_name="ESSAI",
            given_name="Camille",
            profession="60",
            practices=[Practice(finess="310000001", name="HOPITAL DU CANAL")],
            may_regulate=True,
        )
    )
    person = await place.verify(
        place.issuer.mint_person(oid=NIR_DEMO, value="255069999999934", family_name="ESSAI", given_name="Dominique")
    )
    software = await place.verify(
        place.issuer.mint_software(
            client_id="dpi-canal",
            software="DPI DU CANAL",
            version="7.1",
            structure="310000001",
            rpps="99700000011",
            family_name="ESSAI",
            given_name="Camille",
            profession="10",
            specialty="SM54",
            mode=Mode.BREAK_GLASS,
        )
    )
    assert [each.kind for each in (professional, person, software)] == list(BearerKind)[:3]
    assert professional.professional is not None
    assert professional.professional.may_regulate
    assert software.mode is Mode.BREAK_GLASS
    assert software.acting_for is not None
    assert software.acting_for.name == "Camille ESSAI"


async def test_what_it_publishes_over_http_is_public(demo_issuer: tuple[Path, str]) -> None:
    folder, url = demo_issuer
    async with httpx2.AsyncClient() as client:
        configuration = (await client.get(f"{url}/.well-known/openid-configuration")).json()
        answer = await client.get(configuration["jwks_uri"])
        posted = await client.post(configuration["jwks_uri"])
    assert configuration["issuer"] == url
    assert {"d"} & {name for key in answer.json()["keys"] for name in key} == set()
    assert answer.json()["keys"][0]["kid"] == json.loads((folder / "keys.json").read_bytes())["keys"][0]["kid"]
    assert posted.status_code == 405


def test_its_keys_are_its_owners_alone_and_stay_from_one_start_to_the_next(tmp_path: Path) -> None:
    first = SigningKeys(tmp_path / "issuer")
    assert (tmp_path / "issuer").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "issuer" / "keys.json").stat().st_mode & 0o777 == 0o600
    assert SigningKeys(tmp_path / "issuer").newest().kid == first.newest().kid


def test_a_rotation_keeps_the_key_before_and_forgets_the_rest(tmp_path: Path) -> None:
    keys = SigningKeys(tmp_path)
    before = str(keys.newest().kid)
    fresh = keys.rotate()
    assert [each["kid"] for each in keys.published()["keys"]] == [fresh, before]
    assert keys.rotate() not in (fresh, before)
    assert before not in [each["kid"] for each in keys.published()["keys"]]


def test_many_starts_at_once_draw_one_key(tmp_path: Path) -> None:
    names: list[str] = []
    starts = [threading.Thread(target=lambda: names.append(str(SigningKeys(tmp_path).newest().kid))) for _ in range(8)]
    for start in starts:
        start.start()
    for start in starts:
        start.join()
    assert len(names) == 8
    assert len(set(names)) == 1


@pytest.mark.parametrize("content", [b"", b"{}", b'{"keys": []}', b'{"keys": [{"kty": "EC", "d": "S3CRET"}]}'])
def test_broken_keys_are_refused_without_quoting_them(tmp_path: Path, content: bytes) -> None:
    keys = SigningKeys(tmp_path)
    (tmp_path / "keys.json").write_bytes(content)
    with pytest.raises(InvalidInput) as refused:
        keys.newest()
    assert refused.value.code == "DEMO_ISSUER_KEYS_BROKEN"
    assert refused.value.__cause__ is None
    assert "S3CRET" not in refused.value.message


def test_exposed_keys_are_refused(tmp_path: Path) -> None:
    keys = SigningKeys(tmp_path)
    (tmp_path / "keys.json").chmod(0o644)
    with pytest.raises(InvalidInput) as refused:
        keys.rotate()
    assert refused.value.code == "DEMO_ISSUER_KEYS_BROKEN"


def test_it_does_not_start_in_production(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSERELLE_ENVIRONMENT", "production")
    for start in (lambda: create_app(folder=tmp_path / "issuer"), lambda: DemoIssuer(tmp_path / "issuer", "x")):
        with pytest.raises(InvalidInput) as refused:
            start()
        assert refused.value.code == "DEMO_ISSUER_IN_PRODUCTION"
    assert not (tmp_path / "issuer").exists()


def test_the_settings_say_where_its_keys_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSERELLE_STATE", str(tmp_path))
    app = create_app()
    assert (tmp_path / "issuer" / "keys.json").is_file()
    assert [each.path for each in app.routes if isinstance(each, Route)] == [
        "/.well-known/openid-configuration",
        "/jwks",
    ]
