"""What a resolver is given: the kernel's context of the request and the operation that runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from strawberry.types import Info

from passerelle.dossier.emergencies import EmergencyAccess
from passerelle.kernel.context import Context
from passerelle_graphql.metrics import ANSWERED, FAILED
from passerelle_graphql.preparation import Prepared


@dataclass(frozen=True, slots=True)
class Asked:
    """One request at the gateway. `context` says who, where and why; `path` is the tenant's own root.

    `emergencies` are the actor's own, under which the operation has opened something; `outcomes` say what was not done
    (`metrics.outcome_of`).
    """

    context: Context
    prepared: Prepared
    path: str = field(default="")
    emergencies: list[EmergencyAccess] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)

    def opened(self, emergency: EmergencyAccess | None) -> None:
        """Keep the emergency under which something was opened, so that the whole answer shows it."""
        if emergency is not None and emergency not in self.emergencies:
            self.emergencies.append(emergency)

    @property
    def outcome(self) -> str:
        """What came of the operation, in one word of `metrics`."""
        return FAILED if FAILED in self.outcomes else next(iter(self.outcomes), ANSWERED)


ResolverInfo: TypeAlias = Info[Asked, None]


def context_of(info: ResolverInfo) -> Context:
    """The kernel's context of the request that a resolver serves."""
    return info.context.context


def asked_of(info: ResolverInfo) -> frozenset[str]:
    """The names of the fields that the document asks for, wherever in it: no field is resolved that is not among."""
    return info.context.prepared.document.field_names
