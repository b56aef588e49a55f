"""An access that is not the normal one shows in every answer, errors and refusals included (EX_0.3-1050).

    Passerelle-Mode: break_glass
    "extensions": {"access": {"mode": "BREAK_GLASS", "opened": [{"patientId": "…", "until": "…"}]}}

`opened` lists the actor's own emergencies under which the answer shows something; a request that opened nothing says
its mode and no more, whatever there is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from passerelle.dossier.emergencies import EmergencyAccess
from passerelle.kernel.context import Context
from passerelle_graphql.authentication import MODE
from passerelle_graphql.ids import Node, node_id
from passerelle_graphql.schema.values import write_instant
from passerelle_policies.vocabulary import Mode


def headers(context: Context | None) -> dict[str, str]:
    """The header of an answer; none for whoever came in the normal way, or did not come in."""
    return {} if context is None or context.mode is Mode.NORMAL else {MODE: context.mode.value}


def extensions(context: Context | None, emergencies: Sequence[EmergencyAccess] = ()) -> dict[str, Any]:
    """The `extensions` of a GraphQL answer, likewise."""
    if context is None or context.mode is Mode.NORMAL:
        return {}
    said: dict[str, Any] = {"mode": context.mode.name}
    if emergencies:
        said["opened"] = [
            {"patientId": node_id(Node.PATIENT, each.patient_id), "until": write_instant(each.valid_until)}
            for each in emergencies
        ]
    return {"extensions": {"access": said}}
