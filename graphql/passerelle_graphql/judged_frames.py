"""The frame of a read that is decided first: a body for who is let in, and for whom is not, what his refusal needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import CTE, ColumnElement, case, select

from passerelle.dossier import judging
from passerelle.dossier.judging import Judged
from passerelle.kernel.errors import Conflict
from passerelle_graphql.compiler.roots import Frame
from passerelle_graphql.context import Asked
from passerelle_policies.vocabulary import Action, Kind


def framed(
    it: Judged, also: Iterable[CTE] = (), *, about: Any = None, when: ColumnElement[bool] | None = None
) -> Frame:
    """A body for whoever is let in, or `when` it is said otherwise; `also` are the other parts of the statement.

    `about` is a column of what is read, of one row or none: what is not there has no body either.
    """
    verdict, lets_in = it.verdict, it.verdict.c.allowed
    read_from = verdict if about is None else verdict.outerjoin(about.table, lets_in)
    is_there = lets_in if about is None else about.is_not(None)
    answered = is_there if when is None else when
    told = it.told_of_refusal().label("refused")
    return Frame(
        lambda body: select(case((answered, body)).label("body"), told).select_from(read_from), [it.journal_line, *also]
    )


def refused(kind: Kind, *, unknown: str | None = None, action: Action = Action.READ) -> Callable[[Asked, Any], object]:
    """What is answered where there is no body: the refusal, or for who was let in the conflict `unknown`."""

    def otherwise(asked: Asked, told: Any) -> object:
        if told is None and unknown is not None:
            raise Conflict(unknown)
        raise judging.refusal(asked.context, kind, told, action=action)

    return otherwise
