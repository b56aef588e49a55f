"""What each network had a part in of an answer."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import strawberry

from passerelle_graphql.compiler.building import Shape, listed, needing, row_of
from passerelle_graphql.compiler.shapes import Sql
from passerelle_graphql.declared import fields_of
from passerelle_graphql.read_model import shown
from passerelle_graphql.schema.enums import SourceState
from passerelle_tenants.federation import manifest

#: The part of a frame that holds the rows: a CTE `source` of `manifest.sources`.
PART: Final = "source"


@strawberry.type(description="La part d'un réseau dans la réponse ; tous y sont, quoi que tienne le dossier.")
class Source:
    network: str = shown(description="Identifiant du réseau.")
    name: str = shown()
    state: SourceState = shown(by=SourceState)
    as_of: datetime | None = shown(
        description="Ce que ce réseau a changé jusqu'à cet instant est dans la réponse ; null s'il n'y a pas de part."
    )


def sources_in_sql() -> Shape:
    """The list, over the CTE that `PART` names."""
    order = Sql(f"{PART}.state <> '{manifest.SourceState.ANSWERED}', {PART}.network")
    return needing(PART, listed("Source", fields_of(Source, row_of(PART, manifest.SHOWN)), Sql(PART), order))


def source(of: manifest.Source) -> Source:
    return Source(network=of.network, name=of.name, state=SourceState(of.state.value), as_of=of.as_of)
