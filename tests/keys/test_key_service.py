"""Key files sealed by a key service over HTTP: nothing opens without it, and nothing of them is told when it fails."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from passerelle.kernel import key_rotation
from passerelle.kernel.errors import BrokenIntegrity, Conflict, InvalidInput, PasserelleError, TryLater
from passerelle.kernel.key_place import KeyPlace
from passerelle.kernel.keys import Keys
from passerelle_ops.cli import main
from passerelle_ops.installation import Installation, key_seal
from passerelle_ops.settings import Settings
from passerelle_ops.stack.state import StackInfo
from passerelle_ops.vault import VaultTransit
from tests.identities.issuing import serving
from tests.keys.transit import Transit


@dataclass(slots=True)
class Ground:
    """The service, a file for its token, and a place for keys that it seals."""

    transit: Transit
    url: str
    folder: Path

    @property
    def token(self) -> Path:
        return self.folder / "token"

    def seal(self, key: str = "passerelle") -> VaultTransit:
        return VaultTransit(self.url, key, self.token)

    def place(self, name: str = "oncomip", *, key: str = "passerelle") -> KeyPlace:
        return KeyPlace(self.folder / f"{name}.key", seal=self.seal(key))


@pytest.fixture(scope="module")
def _served() -> Iterator[tuple[Transit, str]]:
    transit = Transit()
    with serving(transit.app) as url:
        yield transit, url


@pytest.fixture
def ground(_served: tuple[Transit, str], tmp_path: Path) -> Ground:
    transit, url = _served
    transit.status, transit.tokens, transit.asked = None, {"s.first"}, []
    found = Ground(transit, url, tmp_path)
    found.token.write_text("s.first\n")
    return found


def test_a_sealed_file_opens_with_the_service_and_not_without(ground: Ground) -> None:
    place = ground.place()
    keys = Keys.create(place)
    text = place.path.read_text()
    assert sorted(json.loads(text)) == ["format", "sealed"]
    assert "vault:v1:" in text
    assert place.path.stat().st_mode & 0o777 == 0o600
    assert Keys.load(place).public_key == keys.public_key
    with pytest.raises(InvalidInput) as refused:
        Keys.load(place.path)
    assert refused.value.code == "KEY_SEAL_MISSING"
    ground.transit.asked.clear()
    keys.sign(b"message")
    keys.person_key("1.2", "123")
    assert ground.transit.asked == []  # once read, it is not asked


def test_what_is_sealed_for_one_network_does_not_open_as_another_s(ground: Ground) -> None:
    place = ground.place()
    Keys.create(place)
    for other in (ground.place("oncopl"), ground.place(key="other")):
        if other.path != place.path:
            other.path.write_bytes(place.path.read_bytes())
            other.path.chmod(0o600)
        with pytest.raises(BrokenIntegrity) as refused:
            Keys.load(other)
        assert refused.value.code == "KEY_SEAL_BROKEN"


def test_a_change_of_keys_stays_sealed_and_is_followed(ground: Ground) -> None:
    place = ground.place()
    running = Keys.create(place)
    key_rotation.prepare(place)
    ground.transit.rotate()
    assert key_rotation.put_in_use(place) == 2
    assert "vault:v2:" in place.path.read_text()
    assert running.wrapping_version == 2


def test_while_the_service_is_away_what_runs_goes_on(ground: Ground) -> None:
    place = ground.place()
    running = Keys.create(place)
    key_rotation.prepare(place)
    key_rotation.put_in_use(place)
    ground.transit.status = 503
    ground.transit.asked.clear()
    assert running.wrapping_version == running.wrapping_version == 1
    assert len(ground.transit.asked) == 1  # and does not ask at each request
    with pytest.raises(TryLater) as refused:
        Keys.load(place)
    assert (refused.value.code, refused.value.retry_after) == ("KEY_SERVICE_AWAY", 5)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (lambda it: it.token.unlink(), "KEY_SERVICE_TOKEN"),
        (lambda it: it.token.write_text(" \n"), "KEY_SERVICE_TOKEN"),
        (lambda it: it.token.write_text("s.revoked"), "KEY_SERVICE_DENIED"),
        (lambda it: setattr(it.transit, "status", 503), "KEY_SERVICE_AWAY"),
        (lambda it: setattr(it.transit, "status", 429), "KEY_SERVICE_AWAY"),
        (lambda it: setattr(it.transit, "status", 404), "KEY_SERVICE_REFUSED"),
        (lambda it: setattr(it.transit, "status", 200), "KEY_SERVICE_REFUSED"),
        (lambda it: setattr(it, "url", "http://127.0.0.1:1"), "KEY_SERVICE_AWAY"),
    ],
)
def test_each_failure_has_its_code_and_tells_nothing(
    ground: Ground, fault: object, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    Keys.create(ground.place())
    sealed = json.loads(ground.place().path.read_bytes())["sealed"]
    assert callable(fault)
    fault(ground)
    with pytest.raises(PasserelleError) as refused:
        Keys.load(ground.place())
    assert refused.value.code == code
    assert refused.value.__cause__ is None
    told = f"{refused.value!r} {refused.value.fields} {caplog.text}"
    assert not [secret for secret in ("s.first", "s.revoked", sealed) if secret in told]
    with pytest.raises(PasserelleError):
        Keys.create(ground.place("oncopl"))
    assert not ground.place("oncopl").path.exists()


def test_the_token_is_read_anew(ground: Ground) -> None:
    place = ground.place()
    Keys.create(place)
    ground.transit.tokens = {"s.renewed"}
    ground.token.write_text("s.renewed")
    Keys.load(place)


def test_an_open_file_is_sealed_by_the_command_and_opened_again(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, kept = ground.folder / "state", ground.folder / "kept.key"
    file = state / "keys" / "oncomip.key"
    keys = Keys.create(file)
    assert main(["tenant", "seal-key", "oncomip", "--state", str(state)]) != 0  # no service is set
    for name, value in {"VAULT_URL": ground.url, "VAULT_TOKEN_FILE": str(ground.token)}.items():
        monkeypatch.setenv(f"PASSERELLE_{name}", value)
    assert main(["tenant", "seal-key", "oncomip", "--state", str(state)]) == 0
    assert "vault:v" in file.read_text()
    installation = Installation(Settings(state=state), StackInfo(supervisor=1, postgres_port=5, valkey_port=6))
    assert Keys.load(installation.keys_of("oncomip")).public_key == keys.public_key
    assert main(["tenant", "seal-key", "oncomip", "--open", str(kept), "--state", str(state)]) == 0
    assert Keys.load(kept).public_key == keys.public_key


def test_keys_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = Keys.create(tmp_path / "drawn.key")
    text = (tmp_path / "drawn.key").read_text()
    for name in ("TENANT_PAYS_DE_LOIRE_KEY_TEXT", "LOCATOR_KEY_TEXT"):
        monkeypatch.setenv(f"PASSERELLE_{name}", text)
    settings = Settings(state=tmp_path / "state")
    assert json.loads(text)["key"] not in repr(settings)
    installation = Installation(settings, StackInfo(supervisor=1, postgres_port=5, valkey_port=6))
    place = installation.keys_of("pays-de-loire")
    assert place.exists()
    assert Keys.load(place).public_key == Keys.load(installation.locator_key).public_key == keys.public_key
    for change in (key_rotation.prepare, key_rotation.prepare_signing):
        with pytest.raises(Conflict) as refused:
            change(place)
        assert refused.value.code == "KEY_GIVEN"
    assert not installation.keys_of("oncomip").exists()


def test_the_way_to_the_service_is_tls_or_stays_on_the_machine(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="KEY_SERVICE_INSECURE"):
        Settings(state=tmp_path, vault_url="http://vault.invalid:8200")
    with pytest.raises(InvalidInput, match="KEY_SERVICE_TOKEN"):
        key_seal(Settings(state=tmp_path, vault_url="https://vault.invalid"))
    assert key_seal(Settings(state=tmp_path)) is None
