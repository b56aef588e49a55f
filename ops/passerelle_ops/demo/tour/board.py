"""The tumour board: its session as its members open it, what the network learns of it, and experts elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from passerelle_ops.demo import board
from passerelle_ops.demo.casting import STORY_TENANT
from passerelle_ops.demo.people import Part
from passerelle_ops.demo.tour.step import BEAT_SECONDS, REFUSED, Step, name_of
from passerelle_ops.demo.visit import Answer, Visit

_PAST_PERIOD = "2024-01-01"


def tumour_board(visit: Visit) -> list[Step]:
    """What each may see of Jeanne's case before the session."""
    jeanne, session = visit.cast.patient, f"la session de la {board.NAME}"
    attached = f"1 cas, {len(board.ATTACHED)} pièces"

    def opens(who: Part, shown: Callable[[list[dict[str, Any]]], str]) -> Callable[[Visit], str]:
        def open_(v: Visit) -> str:
            answer = v.do(v.token(who), "OpenBoardSession", id=_session(v))
            return answer.said(shown(answer.first.get("cases") or []))

        return open_

    def pieces(cases: list[dict[str, Any]]) -> str:
        return f"{len(cases)} cas, {sum(len(each['attachments'] or ()) for each in cases)} pièces"

    def questions(cases: list[dict[str, Any]]) -> str:
        return f"{len(cases)} cas, {sum(each['question'] is not None for each in cases)} question"

    def forecast(v: Visit) -> str:
        answer = v.do(v.token(Part.ONCOLOGIST), "SessionForecast", sessionId=_session(v))
        return answer.said(" ".join(str(each["specialty"]) for each in answer.first.get("gaps") or ()))

    def own(v: Visit) -> str:
        answer = v.do(v.token(jeanne), "BoardCases", patientId=v.patient_id(jeanne))
        return answer.said(" ".join(each["boardName"] for each in answer.first.get("nodes") or ()))

    def activity(token: Callable[[Visit], str]) -> Callable[[Visit], str]:
        return lambda v: v.do(token(v), "BoardActivity", since=_PAST_PERIOD).said("lue, sans personne")

    surgeon, oncologist = name_of(visit, Part.SURGEON), name_of(visit, Part.ONCOLOGIST)
    return [
        Step("Un membre de la RCP ouvre sa session", surgeon, session, attached, opens(Part.SURGEON, pieces)),
        Step(
            "… le secrétariat sait qui y est inscrit, et rien de plus",
            name_of(visit, Part.SECRETARY),
            session,
            "1 cas, 0 question",
            opens(Part.SECRETARY, questions),
        ),
        Step("… qui n’en est pas n’y voit personne", name_of(visit, Part.OUTSIDER), session, "0 cas, 0 pièces",
             opens(Part.OUTSIDER, pieces)),
        Step("Qui manque au quorum", oncologist, "sessionForecast", board.MISSING, forecast),
        Step("La patiente sait que son cas est inscrit", jeanne.name, "boardCases", board.NAME, own),
        Step(
            "Le réseau suit l’activité des RCP",
            "Réseau de cancérologie",
            f"boardActivity, {_PAST_PERIOD}",
            "lue, sans personne",
            activity(lambda v: v.cancer_network()),
        ),
        Step("… un médecin, non", surgeon, "boardActivity", REFUSED, activity(lambda v: v.token(Part.SURGEON))),
    ]  # fmt: skip


def recourse(visit: Visit) -> list[Step]:
    """Jeanne's case is lent to experts of another network, and taken back: nothing of it stays there."""
    jeanne = visit.cast.patient
    expert = visit.desk.cast(board.EXPERTS_TENANT).professionals[Part.SURGEON]

    def case_id(v: Visit) -> str:
        return str(v.do(v.token(jeanne), "BoardCases", patientId=v.patient_id(jeanne)).first["nodes"][0]["id"])

    def refers(v: Visit) -> str:
        found = v.do(v.token(Part.ONCOLOGIST), "BoardsElsewhere", kind="RECOURSE").first["nodes"][0]
        asked = {"toNetwork": found["network"], "toBoardId": found["id"]}
        answer = v.do(v.token(Part.ONCOLOGIST), "ReferBoardCase", caseId=case_id(v), **asked)
        return answer.said(str(answer.first.get("state")))

    lent_at: list[str] = []

    def lent(expected: int) -> Callable[[Visit], str]:
        def open_(v: Visit) -> str:
            session = _session(v, board.EXPERTS, board.EXPERTS_TENANT, v.token(expert))
            end = time.monotonic() + BEAT_SECONDS
            while True:
                answer = v.do(v.token(expert), "LentCases", at=board.EXPERTS_TENANT, sessionId=session)
                cases = answer.first.get("nodes") or []
                if len(cases) == expected or answer.code is not None or time.monotonic() > end:
                    lent_at.extend(each["contentUrl"] for one in cases for each in one["documents"])
                    return answer.said(f"{len(cases)} cas, {sum(len(each['documents']) for each in cases)} pièces")
                time.sleep(0.5)

        return open_

    def piece(v: Visit) -> str:
        return v.get(lent_at[0], v.token(expert)).said("lue")

    def takes_back(v: Visit) -> str:
        answer = v.do(v.token(Part.ONCOLOGIST), "TakeBackReferral", caseId=case_id(v))
        return answer.said(str(answer.first.get("state")))

    def told(v: Visit) -> str:
        name = expert.name.removeprefix("Dr ")
        end = time.monotonic() + BEAT_SECONDS
        while all(each["actor"]["name"] != name for each in v.journal(jeanne)):
            if time.monotonic() > end:
                return "absent du journal"
            time.sleep(0.5)
        return "au journal"

    oncologist, there = name_of(visit, Part.ONCOLOGIST), f"{expert.name} ({board.EXPERTS_TENANT})"
    return [
        Step("Le cas est adressé à un autre réseau", oncologist, "referBoardCase", "SENT", refers),
        Step("… ses experts ouvrent ce cas", there, "lentCases", f"1 cas, {len(board.ATTACHED)} pièces", lent(1)),
        Step("… et une pièce qui y est jointe", there, "contentUrl", "lue", piece),
        Step("… la patiente lit qui l’a ouvert", jeanne.name, f"journal : {expert.name}", "au journal", told),
        Step("Le cas est repris", oncologist, "takeBackReferral", "WITHDRAWN", takes_back),
        Step("… il n’en reste rien chez eux", there, "lentCases", "0 cas, 0 pièces", lent(0)),
        Step("… ni de la pièce", there, "contentUrl", "404 DOCUMENT_UNKNOWN", piece),
    ]


def _session(visit: Visit, name: str = board.NAME, at: str = STORY_TENANT, token: str | None = None) -> str:
    """The session of a board, as the calendar shows it."""
    since = datetime.now(UTC)
    period = {"since": since.isoformat(), "until": (since + timedelta(days=60)).isoformat()}
    answer: Answer = visit.do(token or visit.token(Part.ONCOLOGIST), "BoardSessions", at=at, **period)
    for each in answer.first.get("nodes") or ():
        if each["boardName"] == name:
            return str(each["session"]["id"])
    raise LookupError(answer.said("aucune session"))
