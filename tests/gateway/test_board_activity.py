"""The activity of boards as their network reads it: compiled, and as Strawberry says it."""

from __future__ import annotations

import json

from passerelle_graphql.committed import committed
from tests.gateway.serving import TENANT, Serving
from tests.gateway.test_compiled import both


async def test_the_network_reads_the_activity_of_a_period_that_is_over(serving: Serving) -> None:
    query = committed()["BoardActivity"]
    network = serving.client(serving.issuer.mint_cancer_network(network=TENANT, name="Réseau d'essai"))
    _, token = await serving.professional()
    answers = [
        (network, "2020-01-01", "BoardActivity", None),
        (network, "2020-02-01", "InvalidInput", "ACTIVITY_PERIOD_INVALID"),
        (network, f"{serving.world.clock.now().year}-10-01", "Conflict", "ACTIVITY_PERIOD_NOT_OVER"),
        (serving.client(token), "2020-01-01", "Refusal", "ACCESS_REFUSED"),
    ]
    for client, since, shown, code in answers:
        said = json.loads(await both(serving, client, query, since=since))["data"]["boardActivity"]
        assert (said["__typename"], said.get("code")) == (shown, code)
    whole = json.loads(await both(serving, network, query, since="2020-01-01"))["data"]["boardActivity"]
    assert (whole["until"], whole["least"], whole["lines"][0]["level"]) == ("2020-04-01", 11, "NETWORK")
    assert whole["lines"][0]["cases"] == 0
