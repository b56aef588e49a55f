"""What a resolver is given: the kernel's context of the request and the operation that runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from strawberry.types import Info

from passerelle.kernel.context import Context
from passerelle_graphql.preparation import Prepared


@dataclass(frozen=True, slots=True)
class Asked:
    """One request at the gateway. `context` says who, where and why; `path` is the tenant's own root."""

    context: Context
    prepared: Prepared
    path: str = field(default="")


ResolverInfo: TypeAlias = Info[Asked, None]


def context_of(info: ResolverInfo) -> Context:
    """The kernel's context of the request that a resolver serves."""
    return info.context.context


def asked_of(info: ResolverInfo) -> frozenset[str]:
    """The names of the fields that the document asks for, wherever in it: no field is resolved that is not among."""
    return info.context.prepared.document.field_names
