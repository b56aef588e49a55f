"""A network's TOML: what is read, and what is refused with which code."""

from __future__ import annotations

from pathlib import Path

import pytest

from passerelle.kernel.errors import InvalidInput
from passerelle_tenants.networks import declared_folder, load_networks, read_network

GOOD = """
id = "essai"
name = "Réseau d’essai"
is_test = true
[parameters]
"documents.page_size_default" = 20
[identity.status_when_unsaid]
"1.2.250.1.213.1.4.10" = "qualified"
[ingest]
opens_dossier = true
[[basins]]
id = "centre"
name = "Centre"
establishments = [{ finess = "310783055", name = "Hôpital", category = "SA01" }, { finess = "2A0000014", name = "CH" }]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "essai.toml").write_text(GOOD, "utf-8")
    return tmp_path


def test_the_four_networks_that_come_with_the_code_are_read() -> None:
    networks = load_networks(declared_folder())

    assert set(networks) == {"oncomip", "oncopl", "bourgogne", "picardie"}
    assert all(network.is_test for network in networks.values())
    assert all(len(list(network.establishments())) >= 8 for network in networks.values())


def test_everything_a_file_says_is_kept(folder: Path) -> None:
    network = read_network(folder / "essai.toml")

    assert network.parameters == {"documents.page_size_default": 20}
    assert network.identity.status_when_unsaid == {"1.2.250.1.213.1.4.10": "qualified"}
    assert network.ingest.opens_dossier
    assert [(basin.id, each.finess) for basin, each in network.establishments()] == [
        ("centre", "310783055"),
        ("centre", "2A0000014"),
    ]


@pytest.mark.parametrize(
    ("change", "by", "code", "key"),
    [
        ('name = "Réseau d’essai"', 'name = "R"', "NETWORK_INVALID", "name"),
        ("is_test = true", "", "NETWORK_INVALID", "is_test"),
        ("is_test = true", "is_test = true\nsurprise = 1", "NETWORK_INVALID", "surprise"),
        ('"qualified"', '"sure"', "NETWORK_INVALID", "identity.status_when_unsaid.1.2.250.1.213.1.4.10"),
        ('"1.2.250.1.213.1.4.10" = ', '"1.2..3" = ', "NETWORK_INVALID", "identity.status_when_unsaid.1.2..3.[key]"),
        ("310783055", "31078305", "NETWORK_INVALID", "basins.0.establishments.0.finess"),
        ("2A0000014", "310783055", "NETWORK_INVALID", "*"),
        ('category = "SA01"', 'category = "hôpital"', "NETWORK_INVALID", "basins.0.establishments.0.category"),
        ('id = "essai"', 'id = "Essai"', "NETWORK_INVALID", "id"),
        ('id = "essai"', 'id = "autre"', "NETWORK_FILE_MISNAMED", None),
        ('id = "essai"', 'id = "directory"', "NETWORK_INVALID", "id"),
        ("is_test = true", 'is_test = "peut-être"', "NETWORK_INVALID", "is_test"),
        ('name = "Réseau d’essai"', "name = 3", "NETWORK_INVALID", "name"),
        ("[ingest]", "[[ingest]]", "NETWORK_INVALID", "ingest"),
        ("is_test = true", "is_test =", "NETWORK_NOT_TOML", None),
        ('name = "Centre"', 'name = "Centre', "NETWORK_NOT_TOML", None),
    ],
)
def test_a_wrong_file_is_refused_with_the_key_to_correct(
    folder: Path, change: str, by: str, code: str, key: str | None
) -> None:
    (folder / "essai.toml").write_text(GOOD.replace(change, by, 1), "utf-8")

    with pytest.raises(InvalidInput) as refused:
        load_networks(folder)

    assert refused.value.code == code
    assert refused.value.fields.get("key") == key
    assert "essai.toml" in refused.value.message
    for english in ("should", "Input", "Field", "Extra", "Expected", "Invalid", "twice", " line ", "Value error"):
        assert english not in refused.value.message


def test_a_folder_without_networks_and_a_file_that_is_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="NETWORKS_NONE"):
        load_networks(tmp_path)
    with pytest.raises(InvalidInput, match="NETWORK_FILE_UNREADABLE"):
        read_network(tmp_path / "none.toml")


def test_one_establishment_is_in_one_network(folder: Path) -> None:
    (folder / "autre.toml").write_text(GOOD.replace('"essai"', '"autre"'), "utf-8")

    with pytest.raises(InvalidInput, match="ESTABLISHMENT_IN_TWO_NETWORKS"):
        load_networks(folder)


@pytest.mark.parametrize(
    "override",
    ['"no.such.parameter" = 1', '"documents.page_size_default" = "vingt"', '"dossier.retention_years" = 1'],
)
def test_an_override_that_the_rules_do_not_allow_is_refused_when_the_file_is_read(folder: Path, override: str) -> None:
    file = folder / "essai.toml"
    file.write_text(GOOD.replace('"documents.page_size_default" = 20', override), "utf-8")

    with pytest.raises(InvalidInput) as refused:
        read_network(file)

    assert refused.value.code == "NETWORK_PARAMETER_REFUSED"
    assert str(refused.value.fields["key"]) in override
