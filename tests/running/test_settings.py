"""Settings and what they make of addresses."""

from __future__ import annotations

from pathlib import Path

import pytest

from passerelle.kernel.errors import Conflict, InvalidInput
from passerelle_ops.settings import Settings
from passerelle_ops.stack.addresses import Addresses
from passerelle_ops.stack.state import StackInfo

EXTERNAL = "postgresql://serving:hush@db.invalid/x"


def test_a_tenant_is_placed_by_two_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSERELLE_DIRECTORY_URL", EXTERNAL)
    monkeypatch.setenv("PASSERELLE_TENANT_PAYS_DE_LOIRE_URL", f"{EXTERNAL}1")
    monkeypatch.setenv("PASSERELLE_TENANT_PAYS_DE_LOIRE_OWNER_URL", f"{EXTERNAL}2")
    addresses = Addresses(Settings(state=tmp_path / "state"))
    assert addresses.directory_url() == addresses.directory_owner_url() == EXTERNAL
    assert addresses.tenant_url("pays-de-loire") == f"{EXTERNAL}1"
    assert addresses.tenant_owner_url("pays-de-loire") == f"{EXTERNAL}2"
    with pytest.raises(Conflict, match="TENANT_URL_MISSING"):
        addresses.tenant_url("elsewhere")
    with pytest.raises(Conflict, match="EXTERNAL_SERVER"):
        addresses.administrator_url()


def test_embedded_addresses_name_one_role_for_each_database(tmp_path: Path) -> None:
    info = StackInfo(supervisor=1, postgres_port=5, valkey_port=6)
    addresses = Addresses(Settings(state=tmp_path / "state"), info)
    assert addresses.tenant_url("pays-de-loire").startswith("postgresql://passerelle_pays_de_loire:")
    assert addresses.tenant_url("a") != addresses.tenant_owner_url("a")
    assert addresses.tenant_url("a") == addresses.tenant_url("a")  # passwords are kept
    assert addresses.broker_url().endswith("@127.0.0.1:6/0")


def test_no_stack_no_address(tmp_path: Path) -> None:
    with pytest.raises(Conflict, match="NOT_RUNNING"):
        Addresses(Settings(state=tmp_path / "state")).directory_url()


def test_settings_never_show_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSERELLE_DIRECTORY_URL", EXTERNAL)
    monkeypatch.setenv("PASSERELLE_TENANT_A_URL", EXTERNAL)
    assert "hush" not in repr(Settings())


@pytest.mark.parametrize(
    "url", ["http://gateway.invalid", "http://10.0.0.8:8000", "ftp://127.0.0.1", "https://", "[", ""]
)
def test_contents_do_not_go_between_networks_in_clear(url: str) -> None:
    with pytest.raises(InvalidInput, match="FEDERATION_URL_INSECURE"):
        Settings(federation_url=url)


@pytest.mark.parametrize(
    "url", [None, "https://gateway.invalid", "http://127.0.0.1:8000", "http://[::1]", "http://localhost"]
)
def test_the_way_is_tls_or_stays_on_the_machine(url: str | None) -> None:
    assert Settings(federation_url=url).federation_url == url
