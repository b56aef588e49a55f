"""Every rule of the server audits of the npm package graphql-http (1.22 and 1.23), as a request and what must come.

The ids are the package's own. `MAY` rules are held too: the suite passes whole or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

RESPONSE, JSON = "application/graphql-response+json", "application/json"
TYPENAME = "{ __typename }"
WITH_VARIABLE = "query Type($name: String!) { __type(name: $name) { name } }"
EMOJI = '{ __type(name: "Run🏃Swim🏊") { name } }'
UNKNOWN_FIELD = "{ f31403dfe404bccbb0e835f2629c6a7 }"
COERCION = {"query": "query CoerceFailure($id: ID!){ __typename }", "variables": {"id": None}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One audit: what to send, and what the answer must be."""

    id: str
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    params: Mapping[str, str] | None = None
    statuses: tuple[range, ...] = (range(200, 201),)
    content_type: str | None = None
    without: tuple[str, ...] = ()


def _post(body: Any, *, accept: str | None = None, content_type: str = JSON) -> dict[str, Any]:
    headers = {"content-type": content_type} | ({"accept": accept} if accept else {})
    return {"headers": headers, "body": json.dumps(body, ensure_ascii=False).encode("utf-8")}


_OK = {"query": TYPENAME}
_400 = (range(400, 401),)
_4XX = (range(400, 500),)
_INVALID = ({"obj": "ect"}, 0, False, ["array"])
_INVALID_MAP = ("string", 0, False, ["array"])


def _rules() -> list[Rule]:
    rules = [
        Rule(id="22EB", **_post(_OK, accept=RESPONSE), content_type=RESPONSE),
        Rule(id="4655", **_post(_OK, accept=JSON), content_type=JSON),
        Rule(id="47DE", **_post(_OK, accept="*/*"), content_type=JSON),
        Rule(id="80D8", **_post(_OK), content_type=JSON),
        Rule(id="82A3", **_post(_OK)),
        Rule(
            id="BF61",
            **_post({"query": '{ __type(name: "Run🏃Swim🏊") { name } }'}, content_type=f"{JSON}; charset=utf-8"),
        ),
        Rule(id="78D5", **_post(_OK)),
        Rule(id="2C94", **_post(_OK)),
        Rule(id="5A70", method="GET", params={"query": TYPENAME}),
        Rule(
            id="9C48",
            method="GET",
            params={"query": "mutation { __typename }"},
            headers={"accept": RESPONSE},
            statuses=_4XX,
        ),
        Rule(id="9ABE", statuses=_4XX),
        Rule(id="03D4", **_post(_OK)),
        Rule(id="A5BF", headers={"content-type": JSON}, statuses=_400),
        Rule(id="423L", **_post({"notquery": TYPENAME}, accept=RESPONSE), statuses=_400),
        Rule(id="34A2", **_post(_OK, accept=RESPONSE)),
        Rule(id="13EE", **_post(_OK, accept=JSON), without=("errors",)),
        Rule(id="8161", **_post({"operationName": "Query", "query": "query Query { __typename }"}, accept=RESPONSE)),
        Rule(
            id="B8B3",
            **_post({"operationName": "Query", "query": "query Query { __typename }"}, accept=JSON),
            without=("errors",),
        ),
        Rule(id="2EA1", **_post({"query": WITH_VARIABLE, "variables": {"name": "sometype"}}, accept=RESPONSE)),
        Rule(
            id="28B9",
            **_post({"query": WITH_VARIABLE, "variables": {"name": "sometype"}}, accept=JSON),
            without=("errors",),
        ),
        Rule(id="428F", **_post(_OK | {"extensions": {"some": "value"}}, accept=RESPONSE)),
        Rule(id="1B7A", **_post(_OK | {"extensions": {"some": "value"}}, accept=JSON), without=("errors",)),
        Rule(id="B6DC", headers={"content-type": JSON, "accept": JSON}, body=b'{ "not a JSON', statuses=_4XX),
        Rule(id="BCF8", headers={"content-type": JSON, "accept": JSON}, body=b'{ "not a JSON', statuses=_400),
        Rule(id="B7N8", headers={"content-type": JSON, "accept": RESPONSE}, body=b'{ "not a JSON', statuses=_400),
        Rule(id="8764", **_post({"qeury": TYPENAME}), statuses=(range(400, 600),)),
        Rule(id="3E3A", **_post({"qeury": TYPENAME}), statuses=_400),
        Rule(id="572B", **_post({"query": "{"}, accept=JSON)),
        Rule(id="FDE2", **_post({"query": UNKNOWN_FIELD}, accept=JSON)),
        Rule(id="7B9B", **_post(COERCION, accept=JSON)),
        Rule(id="865D", **_post({"query": "{"}, accept=RESPONSE), statuses=(range(400, 600),)),
        Rule(id="556A", **_post({"query": "{"}, accept=RESPONSE), statuses=_400),
        Rule(id="D586", **_post({"query": "{"}, accept=RESPONSE), statuses=_400, without=("data",)),
        Rule(id="51FE", **_post({"query": UNKNOWN_FIELD}, accept=RESPONSE), statuses=(range(400, 600),)),
        Rule(id="74FF", **_post({"query": UNKNOWN_FIELD}, accept=RESPONSE), statuses=_400),
        Rule(id="5E5B", **_post({"query": UNKNOWN_FIELD}, accept=RESPONSE), statuses=_400, without=("data",)),
        Rule(id="86EE", **_post(COERCION, accept=RESPONSE), statuses=_400),
    ]
    for id_, accept in (("D6D5", RESPONSE), ("6A70", JSON)):
        params = {"query": WITH_VARIABLE, "variables": json.dumps({"name": "sometype"})}
        rules.append(Rule(id=id_, method="GET", params=params, headers={"accept": accept}, without=("errors",)))
    for index in range(4):
        rules += [
            Rule(id=f"LKJ{index}", **_post({"query": _INVALID[index]}), statuses=_400),
            Rule(id=f"6C0{index}", **_post(_OK | {"operationName": _INVALID[index]}), statuses=_400),
            Rule(id=f"476{index}", **_post(_OK | {"variables": _INVALID_MAP[index]}), statuses=_400),
            Rule(id=f"58B{index}", **_post(_OK | {"extensions": _INVALID_MAP[index]}), statuses=_400),
        ]
    for index, parameter in enumerate(("variables", "operationName", "extensions")):
        rules += [
            Rule(id=f"94B{index}", **_post(_OK | {parameter: None}, accept=RESPONSE), without=("errors",)),
            Rule(id=f"022{index}", **_post(_OK | {parameter: None}, accept=JSON), without=("errors",)),
        ]
    return rules


RULES = _rules()
