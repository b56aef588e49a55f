"""`careTeam` of a patient who consents to it, by one statement; a member's own reading is Strawberry's."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from passerelle.audit.transactions import transaction
from passerelle.dossier import care_teams, team_consents
from passerelle.dossier.team_consents import InformedHow
from passerelle_graphql.ids import Node, node_id
from tests import builders
from tests.gateway.alike import WHY, alike, left_to_strawberry
from tests.gateway.records import Record
from tests.gateway.serving import Serving

QUERY = (
    """query ($team: ID!, $id: ID, $yes: Boolean! = true) {
  team: careTeam(teamId: $team, patientId: $id) {
    __typename
    ... on CareTeamRoll {
      id name establishment members { __typename rpps name profession n: name since @include(if: $yes) }
    }
    ...Why
  }
}
"""
    + WHY
)


async def test_a_team_is_shown_alike(serving: Serving, record: Record) -> None:
    world, founder = serving.world, record.doctor_actor
    async with transaction(world.context(founder)) as act:
        team = await care_teams.create_care_team(act, 'L’équipe « \\ » "\t" 😀')
        await care_teams.add_care_team_member(act, team, builders.professional().id)
    asked: dict[str, Any] = {"team": node_id(Node.TEAM, team), "id": record.id}
    # Not consented to, it is as if it were not there, and the reading leaves no line.
    assert b"TEAM_UNKNOWN" in await alike(serving, record.patient, QUERY, lines=0, **asked)
    async with transaction(world.context(record.person)) as act:
        await team_consents.consent_to_team(
            act, record.patient_id, team, informed_how=InformedHow.INTERVIEW, proof="signé"
        )
    for yes in (True, False):
        shown = await alike(serving, record.patient, QUERY, **asked, yes=yes)
        assert shown.count(b'"TeamMember"') == 2
        assert (b'"since":' in shown) is yes
    assert b"ACCESS_REFUSED" in await alike(serving, record.doctor, QUERY, **asked)
    bare = "query ($team: ID!, $id: ID) { careTeam(teamId: $team, patientId: $id) { ... on CareTeamRoll { id } } }"
    assert asked["team"].encode() in await alike(serving, record.patient, bare, **asked)
    unknown = {**asked, "team": node_id(Node.TEAM, uuid4())}
    assert b"TEAM_UNKNOWN" in await alike(serving, record.patient, QUERY, lines=0, **unknown)
    for client, told in ((record.doctor, "TeamMember"), (record.patient, "TEAM_UNKNOWN")):
        because = "a member reads by another rule, with another line"
        assert told in await left_to_strawberry(serving, client, QUERY, because=because, team=asked["team"])
    for malformed in ({"team": "é"}, {"id": "é"}, {"team": record.id}):
        assert b"ID_INVALID" in await alike(serving, record.patient, QUERY, lines=0, **{**asked, **malformed})
