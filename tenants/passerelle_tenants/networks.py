"""A regional network as its TOML file declares it.

One file `tenants/<id>.toml` for each network: name, health basins with their establishments (FINESS), overrides
of the rule pack that its charter allows, what an INS is worth when a document does not say its status, and what
feeding may open. `tenants/README` is this docstring; the four files beside it are the examples.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic_core import ErrorDetails

from passerelle.identities.ins import IdentityStatus
from passerelle.kernel.errors import InvalidInput
from passerelle_policies.packs import check_overrides, packs

# What is wrong with a value, by the validator's type of error; what is not foreseen is `_UNFORESEEN`.
_PROBLEMS: Final[dict[str, str]] = {
    "missing": "cette clé manque",
    "extra_forbidden": "cette clé n’est pas connue",
    "string_type": "il faut un texte entre guillemets",
    "string_pattern_mismatch": "le texte doit suivre le modèle {pattern}",
    "string_too_short": "il faut au moins {min_length} caractères",
    "string_too_long": "il faut au plus {max_length} caractères",
    "bool_type": "il faut true ou false",
    "bool_parsing": "il faut true ou false",
    "int_type": "il faut un nombre entier",
    "int_parsing": "il faut un nombre entier",
    "int_from_float": "il faut un nombre entier",
    "enum": "il faut l’une de ces valeurs : {expected}",
    "too_short": "il en faut au moins {min_length}",
    "tuple_type": "il faut une liste",
    "dict_type": "il faut une table",
    "model_type": "il faut une table",
    "value_error": "{error}",
}
_UNFORESEEN: Final = "cette valeur ne convient pas"


def _not_the_directory(tenant_id: str) -> str:
    """Its backups and its ledger lie beside those of networks, under that name."""
    if tenant_id == "directory":
        raise ValueError("c’est le nom de l’annuaire")
    return tenant_id


TenantId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]{1,30}$"), AfterValidator(_not_the_directory)]
Finess = Annotated[str, StringConstraints(pattern=r"^(\d{2}|2[AB])\d{7}$")]
Name = Annotated[str, StringConstraints(min_length=2, max_length=120, strip_whitespace=True)]
Oid = Annotated[str, StringConstraints(pattern=r"^[0-2](\.(0|[1-9]\d*))+$")]


class _Declared(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DeclaredEstablishment(_Declared):
    """One establishment by its FINESS number; `category` is a facility type of JDV_J02."""

    finess: Finess
    name: Name
    category: Annotated[str, StringConstraints(pattern=r"^SA\d{2}$")] | None = None


class Basin(_Declared):
    """A health basin (bassin de santé) and the establishments it counts."""

    id: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,40}$")]
    name: Name
    establishments: tuple[DeclaredEstablishment, ...] = Field(min_length=1)


class IdentityRules(_Declared):
    """What the presence of an INS is worth, by OID, when the document does not say (docs/decisions/0050)."""

    status_when_unsaid: dict[Oid, IdentityStatus] = Field(default_factory=dict)


class IngestRules(_Declared):
    """What feeding may do here. `opens_dossier`: the feeding structure declares the patient's consent."""

    opens_dossier: bool = False


class Network(_Declared):
    """One network, whole."""

    id: TenantId
    name: Name
    is_test: bool
    basins: tuple[Basin, ...] = Field(min_length=1)
    parameters: dict[str, int | str | bool] = Field(default_factory=dict)
    identity: IdentityRules = IdentityRules()
    ingest: IngestRules = IngestRules()

    @model_validator(mode="after")
    def _each_named_once(self) -> Network:
        for what, names in (
            ("bassin", [basin.id for basin in self.basins]),
            ("FINESS", [establishment.finess for _, establishment in self.establishments()]),
        ):
            twice = {name for name in names if names.count(name) > 1}
            if twice:
                raise ValueError(f"{what} déclaré deux fois ({', '.join(sorted(twice))})")
        return self

    def establishments(self) -> Iterator[tuple[Basin, DeclaredEstablishment]]:
        """Every establishment with its basin, in the order of the file."""
        for basin in self.basins:
            for establishment in basin.establishments:
                yield basin, establishment


def read_network(path: Path) -> Network:
    """One network from its file.

    Refused: NETWORK_FILE_UNREADABLE, NETWORK_NOT_TOML, NETWORK_INVALID (names the first wrong key),
    NETWORK_FILE_MISNAMED when the file's name is not `<id>.toml`.
    """
    try:
        declared: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    except OSError as unreadable:
        raise InvalidInput("NETWORK_FILE_UNREADABLE", file=path.name) from unreadable
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as broken:
        raise InvalidInput("NETWORK_NOT_TOML", file=path.name, problem=_syntax_problem(broken)) from broken
    try:
        network = Network.model_validate(declared)
    except ValidationError as invalid:
        first = invalid.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"]) or "*"
        raise InvalidInput("NETWORK_INVALID", file=path.name, key=where, problem=_value_problem(first)) from invalid
    if network.id != path.stem:
        raise InvalidInput("NETWORK_FILE_MISNAMED", file=path.name, id=network.id)
    for name, value in network.parameters.items():
        if check_overrides(packs()[-1], {name: value}):
            raise InvalidInput("NETWORK_PARAMETER_REFUSED", file=path.name, key=name)
    return network


def _value_problem(error: ErrorDetails) -> str:
    said = _PROBLEMS.get(error["type"], _UNFORESEEN).format_map(error.get("ctx", {}))
    return said.replace("' or '", "' ou '")


def _syntax_problem(error: tomllib.TOMLDecodeError | UnicodeDecodeError) -> str:
    """Where, and not what: the reader's sentences are English."""
    if isinstance(error, UnicodeDecodeError):
        return "il n’est pas en UTF-8"
    place = re.search(r"at line (\d+), column (\d+)", str(error))
    return f"voyez la ligne {place[1]}, colonne {place[2]}" if place else "voyez la fin du fichier"


def load_networks(folder: Path) -> dict[str, Network]:
    """Every network declared in `folder`, by id.

    Refused: as `read_network`; NETWORKS_NONE for a folder without any; ESTABLISHMENT_IN_TWO_NETWORKS.
    """
    networks = {network.id: network for network in map(read_network, sorted(folder.glob("*.toml")))}
    if not networks:
        raise InvalidInput("NETWORKS_NONE", folder=folder.name)
    holder: dict[str, str] = {}
    for network in networks.values():
        for _, establishment in network.establishments():
            other = holder.setdefault(establishment.finess, network.id)
            if other != network.id:
                raise InvalidInput(
                    "ESTABLISHMENT_IN_TWO_NETWORKS", finess=establishment.finess, one=other, other=network.id
                )
    return networks


def declared_folder() -> Path:
    """The folder of the files that come with the code."""
    return Path(__file__).resolve().parents[1]
