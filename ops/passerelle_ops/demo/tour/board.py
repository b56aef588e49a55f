"""The tumour board: its session as each of its members opens it, and what the network learns of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from passerelle_ops.demo import board
from passerelle_ops.demo.people import Part
from passerelle_ops.demo.tour.step import REFUSED, Step, name_of
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


def _session(visit: Visit) -> str:
    """The session of the story, as the calendar shows it."""
    since = datetime.now(UTC)
    period = {"since": since.isoformat(), "until": (since + timedelta(days=60)).isoformat()}
    answer: Answer = visit.do(visit.token(Part.ONCOLOGIST), "BoardSessions", **period)
    for each in answer.first.get("nodes") or ():
        if each["boardName"] == board.NAME:
            return str(each["session"]["id"])
    raise LookupError(answer.said("aucune session"))
