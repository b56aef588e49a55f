"""What the gateway counts. Labels are words of the schema and of the house: never of a request."""

from __future__ import annotations

from prometheus_client import Counter

OPERATIONS = Counter(
    "passerelle_graphql_operations",
    "Operations answered, by who answered them and why it was not the compiler.",
    ("executor", "reason"),
)
