"""`medicine` and `medicines` by one statement: as Strawberry says them, and without a line in anybody's journal."""

from __future__ import annotations

import json
from typing import Any

import httpx2

from passerelle.pharmacy.reference import medicines
from passerelle.pharmacy.reference.loading import load_starter
from tests.gateway.alike import WHY, alike
from tests.gateway.records import Record
from tests.gateway.serving import Serving

MEDICINE = """fragment Whole on Medicine {
  __typename cis name form routes holder isMarketed atc productClass genericGroup isMajorInterest isShort conditions
  listDate listOrigin
  substances { __typename code name nature strength reference }
  presentations { cip13 cip7 label isMarketed }
  shortages { cip13 status since expectedBack }
  alternatives { cis name holder isShort }
}
"""
ONE = (
    MEDICINE
    + """query ($cip13: String, $cip7: String, $cis: String) {
  found: medicine(cip13: $cip13, cip7: $cip7, cis: $cis) { ...Whole ...Why }
}
"""
    + WHY
)
SOME = (
    MEDICINE
    + """query ($search: String!, $first: Int, $after: String) {
  found: medicines(search: $search, first: $first, after: $after) {
    __typename
    ... on MedicineConnection {
      edges { cursor node { ...Whole } }
      nodes { n: name atc }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
    ...Why
  }
}
"""
    + WHY
)


async def _told(serving: Serving, client: httpx2.AsyncClient, query: str, **given: Any) -> dict[str, Any]:
    found = json.loads(await alike(serving, client, query, lines=0, **given))["data"]["found"]
    assert isinstance(found, dict)
    return found


async def test_the_list_is_told_alike_or_said_to_be_missing(serving: Serving, record: Record) -> None:
    doctor = record.doctor
    for query, given in ((ONE, {"cis": "60234100"}), (SOME, {"search": "doliprane"})):
        assert (await _told(serving, doctor, query, **given))["code"] == "MEDICINES_NOT_LOADED"
    database = serving.world.tenant.database
    await load_starter(database, serving.world.clock)

    for name in ("terali", "kardegic", "glucophage", "levothyrox 75", "lantus", "infanrix", "plavix"):
        for listed in (await medicines.search(database, name, least=3, first=5)).medicines:
            found = await _told(serving, doctor, ONE, cis=listed.cis)
            assert (found["name"], found["isShort"]) == (listed.name, listed.is_short)
            assert len(found["substances"]) == len(listed.substances) > 0
            box = listed.presentations[0]
            assert await _told(serving, record.patient, ONE, cip13=box.cip13) == found
            assert await _told(serving, doctor, ONE, cip7=box.cip7) == found
    assert found["alternatives"][0]["name"].startswith("CLOPIDOGREL")
    for given, code in (
        ({"cis": "99999999"}, "MEDICINE_UNKNOWN"),
        ({"cip13": "3400930000007"}, "MEDICINE_UNKNOWN"),
        ({"cip13": "3400930000008"}, "CIP_INVALID"),
        ({"cip7": "é"}, "CIP_INVALID"),
        ({"cis": "1"}, "CIS_INVALID"),
        ({}, "MEDICINE_ONE_CODE"),
    ):
        assert (await _told(serving, doctor, ONE, **given))["code"] == code


async def test_pages_of_a_search_are_alike(serving: Serving, record: Record) -> None:
    await load_starter(serving.world.tenant.database, serving.world.clock)
    read, after = [], None
    while True:
        page = await _told(serving, record.doctor, SOME, search="comprimé mg", first=9, after=after)
        read += [each["cursor"] for each in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert len(read) == len(set(read)) > 27
    nothing = await _told(serving, record.doctor, SOME, search="rien de tel")
    assert nothing["edges"] == nothing["nodes"] == []
    for given, code in (
        ({"search": "a b"}, "MEDICINE_SEARCH_SHORT"),
        ({"search": "doliprane", "after": "x"}, "CURSOR_INVALID"),
        ({"search": "doliprane", "first": 0}, "PAGE_SIZE_INVALID"),
    ):
        assert (await _told(serving, record.doctor, SOME, **given))["code"] == code
