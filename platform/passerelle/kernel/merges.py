"""A network that was merged into another, as a request sees it; `context.Tenant.merge` says it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """`into` is the network that goes on; once it `is_done`, whoever writes is sent there (NETWORK_MERGED)."""

    into: str
    is_done: bool


def not_merged() -> Merge | None:
    """What a network says that stands by itself."""
    return None
