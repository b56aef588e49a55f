"""Which network is a patient's home, once a request has said something of it; `context.Homes` says it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidHome:
    """`network` decides now; `state` is a word of the directory; `claimed_by`, the network that he moves to, or that
    says that it is his home as well."""

    network: str
    state: str
    claimed_by: str | None
