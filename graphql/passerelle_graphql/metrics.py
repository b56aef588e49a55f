"""What the gateway counts. Labels are words of the schema and of the house: never of a request."""

from __future__ import annotations

from typing import Final

from passerelle.kernel.errors import (
    Conflict,
    InvalidInput,
    LimitExceeded,
    NotAuthenticated,
    PasserelleError,
    Refused,
    TryLater,
)
from passerelle.kernel.tallies import Count, Times

OPERATIONS: Final = Count(
    "passerelle_graphql_operations",
    "Operations answered, by who answered them and why it was not the compiler.",
    "executor",
    "reason",
)
REQUESTS: Final = Count(
    "passerelle_requests",
    "Requests by network, operation (a registered one, a kind of address, or `other`) and outcome.",
    "network",
    "operation",
    "outcome",
)
SECONDS: Final = Times("passerelle_request_seconds", "Seconds until an answer was ready to be sent.", "operation")

PROBLEMS: Final = Count("passerelle_problems", "What was not done, by network and code.", "network", "code")

ANSWERED: Final = "answered"
FAILED: Final = "failed"
OTHER: Final = "other"
_OUTCOMES: Final[tuple[tuple[type[PasserelleError], str], ...]] = (
    (Refused, "refused"),
    (Conflict, "conflict"),
    (LimitExceeded, "invalid"),
    (InvalidInput, "invalid"),
    (NotAuthenticated, "unauthenticated"),
    (TryLater, "later"),
)


def outcome_of(error: BaseException | None) -> str:
    """The word for what went wrong: refused, conflict, invalid, unauthenticated, later; failed is ours to mend."""
    return next((word for class_, word in _OUTCOMES if isinstance(error, class_)), FAILED)


def noted(error: BaseException | None, network: str) -> str:
    """`outcome_of`, its code counted."""
    PROBLEMS.add(network, error.code if isinstance(error, PasserelleError) else "INTERNAL")
    return outcome_of(error)
