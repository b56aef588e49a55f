"""What the measure of federation reads at the broker: a word that should not be there is found wherever it stands."""

from __future__ import annotations

import base64
import json

import redis

from passerelle_ops.bench._federation_faults import Seen, look
from passerelle_ops.bench._federation_ground import NAME, TITLE, ins_of
from passerelle_ops.stack.valkey import Valkey


def test_what_is_said_in_clear_at_the_broker_is_found_in_every_type(valkey: Valkey) -> None:
    ins = ins_of(7).value
    with redis.Redis.from_url(valkey.url(5)) as client:
        client.flushdb()
        client.lpush("queue", json.dumps({"headers": {"task": "federation.take"}, "body": "eyJh.bGci.OiJF"}))
        seen = Seen()
        look(client, seen)
        assert (seen.values, seen.envelopes, seen.leaks) == (2, 1, set())
        client.set("one", f"{NAME}12")
        client.hset("two", "unacked", json.dumps({"body": base64.b64encode(f"<{TITLE} n° 3>".encode()).decode()}))
        client.zadd("three", {f"patient {ins}": 1.0})
        client.sadd("Camille", "four")
        look(client, seen)
        assert seen.leaks == {NAME, TITLE, ins, "Camille"}
        client.flushdb()
