"""Invented worlds: people, and what happens between them around one patient's record, as plain data.

A step names who does what to whom or to which document; nobody says that it is allowed. One definition, two drivers:
hypothesis in the tests, a seeded `Random` in `passerelle bench leak`. `_stage` plays the steps through the use cases,
`_oracle` says what should come of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final, Protocol, TypeVar

from passerelle_policies.vocabulary import ActorKind

_T = TypeVar("_T")


class Draw(Protocol):
    """Where choices come from."""

    def choose(self, among: Sequence[_T]) -> _T: ...


class Seeded:
    """Choices of a seed."""

    def __init__(self, seed: str) -> None:
        self._random = Random(seed)  # noqa: S311 - invented data, not a secret

    def choose(self, among: Sequence[_T]) -> _T:
        return self._random.choice(among)


@dataclass(frozen=True, slots=True)
class Character:
    """Someone of the cast; `profession` is a code of TRE_G15."""

    kind: ActorKind
    profession: str | None = None


PHYSICIANS: Final = ("gp", "oncologist", "passer")
PROFESSIONALS: Final = (*PHYSICIANS, "nurse", "pharmacist", "dentist")
CITIZENS: Final = ("patient", "parent", "stranger")
#: Whoever reads records. `passer` and `stranger` are nobody's choice at first.
READERS: Final = (*PROFESSIONALS, *CITIZENS)
CAST: Final = {
    **dict.fromkeys(PHYSICIANS, Character(ActorKind.PROFESSIONAL, "10")),
    "nurse": Character(ActorKind.PROFESSIONAL, "60"),
    "pharmacist": Character(ActorKind.PROFESSIONAL, "21"),
    "dentist": Character(ActorKind.PROFESSIONAL, "40"),
    **dict.fromkeys(CITIZENS, Character(ActorKind.PERSON)),
    "hospital": Character(ActorKind.ESTABLISHMENT),
    "operator": Character(ActorKind.SYSTEM),
}

#: Types that some professions read and others do not.
TYPES: Final = ("11488-4", "11488-4", "60591-5", "34794-8", "83901-9", "75496-0", "51969-4", "ATTEST-RESID")
#: An adult, a child, and someone who comes of age two days after the worlds begin.
BORN: Final = ("19800115", "19800115", "20150101", "20081118")
#: Minutes: around the end of an emergency, of a day, of a coming of age, of an announcement.
WAITS: Final = (1, 1, 30, 30, 59, 60, 61, 1440, 2880, 1440 * 14, 1440 * 29, 1440 * 30, 1440 * 31)


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """A document to file. `author` is of the cast; `days` is how old the act is."""

    author: str
    type_code: str
    masked: bool = False
    hidden_from_patient: bool = False
    hidden_from_representatives: bool = False
    days: int = 3


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that someone tries. `which` counts documents or teams from 0; `days` until it ends, if it does."""

    verb: str
    by: str = "patient"
    whom: str = ""
    which: int = 0
    paper: Paper | None = None
    days: int | None = None
    minutes: int = 0


@dataclass(slots=True)
class Plot:
    """What a world has so far, so that a step may name it."""

    born: str
    steps: list[Step] = field(default_factory=list)
    documents: int = 0
    teams: int = 0

    def add(self, step: Step) -> Step:
        self.steps.append(step)
        self.documents += step.verb in {"publish", "replace"}
        self.teams += step.verb == "found_team"
        return step


BOOLEANS: Final = (False, False, True)
ON_DOCUMENTS: Final = (
    "mask", "unmask", "hide_from_patient", "show_to_patient", "hide_from_representatives",
    "show_to_representatives", "archive", "unarchive", "delete", "withhold", "lift",
)  # fmt: skip
_WHO_LETS_IN: Final = (
    "authorize", "authorize", "withdraw_authorization", "attend", "end_attending", "consent", "consent",
    "withdraw_consent", "represent", "end_representation", "block", "unblock", "object", "withdraw_objection",
)  # fmt: skip
_TEAMS: Final = ("found_team", "join", "join", "leave")
_EMERGENCIES: Final = ("break_glass", "break_glass", "end_emergency")
_LIFE: Final = ("close", "reopen", "reopen", "reopen", "suspend", "resume", "resume", "resume")
_SUBJECTS: Final = (
    *(("publish",),) * 2, ("replace",), *(ON_DOCUMENTS,) * 4, ("withhold",), *(_WHO_LETS_IN,) * 4, _TEAMS,
    *(_EMERGENCIES,) * 2, _LIFE, *(("wait", "wait", "announce"),) * 2,
)  # fmt: skip
#: What a patient or his own physician decides, what professionals do, what the operator does.
_BY: Final = {
    **dict.fromkeys(ON_DOCUMENTS, (*READERS, "patient", "patient", "hospital", "oncologist")),
    **dict.fromkeys(("mask", "unmask", "withhold", "lift"), (*READERS, *("patient",) * 9)),
    **dict.fromkeys(("archive", "unarchive", "delete"), (*READERS, *("hospital",) * 9)),
    **dict.fromkeys(_WHO_LETS_IN, ("patient", "patient", "patient", "gp", "parent", "passer")),
    **dict.fromkeys(_TEAMS, PROFESSIONALS),
    **dict.fromkeys(_EMERGENCIES, PROFESSIONALS),
    **dict.fromkeys(("close", "reopen"), ("patient", "patient", "parent")),
    **dict.fromkeys(("suspend", "resume", "announce"), ("operator",)),
    **dict.fromkeys(("represent", "end_representation"), ("operator", "patient", "parent")),
    "wait": ("operator",),
    "publish": ("hospital", "hospital", *PROFESSIONALS),
    "replace": ("hospital", *PROFESSIONALS),
}


def drawn_plot(draw: Draw, length: int) -> Plot:
    """A world: when the patient was born, and what happened. It begins as most do: documents, a team, a grant."""
    plot = Plot(born=draw.choose(BORN))
    if plot.born != BORN[0]:
        plot.add(Step("represent", by="operator", whom="parent"))
    for _ in range(draw.choose((1, 2, 3))):
        plot.add(Step("publish", by="hospital", paper=drawn_paper(draw)))
    if draw.choose((True, True, False)):
        plot.add(Step("found_team", by="nurse"))
        plot.add(Step("join", by="nurse", whom=draw.choose(PROFESSIONALS)))
        plot.add(Step("consent", by="patient", days=draw.choose((None, None, 1))))
    plot.add(Step("authorize", by="patient", whom=draw.choose(PROFESSIONALS), days=draw.choose((None, None, 1))))
    for _ in range(length):
        drawn_step(draw, plot)
    return plot


def drawn_step(draw: Draw, plot: Plot, subjects: Sequence[Sequence[str]] = _SUBJECTS) -> Step:
    """One more thing that someone tries, added to the plot."""
    verb = draw.choose(draw.choose(subjects))
    by = draw.choose(_BY[verb])
    if verb in {"represent", "end_representation"}:
        return plot.add(Step(verb, by, whom=draw.choose(("parent", "parent", "stranger"))))
    if verb == "attend":
        return plot.add(Step(verb, by, whom=draw.choose(PHYSICIANS)))
    if verb in {"publish", "replace"}:
        paper = drawn_paper(draw, author=by if by in PROFESSIONALS else None)
        return plot.add(Step(verb, by, which=_one_of(draw, plot.documents), paper=paper))
    if verb == "wait":
        return plot.add(Step(verb, by, minutes=draw.choose(WAITS)))
    among = plot.teams if verb in {"join", "leave", "consent", "withdraw_consent"} else plot.documents
    which = _one_of(draw, among)
    days = draw.choose((None, None, 1)) if verb in {"authorize", "consent"} else None
    return plot.add(Step(verb, by, whom=draw.choose(PROFESSIONALS), which=which, days=days))


def drawn_paper(draw: Draw, author: str | None = None) -> Paper:
    """A document, hidden from nobody, from professionals, from the patient or from his representatives."""
    hiding = draw.choose(("", "", "", "masked", "hidden_from_patient", "hidden_from_representatives"))
    return Paper(
        author=author or draw.choose(PROFESSIONALS),
        type_code=draw.choose(TYPES),
        days=draw.choose((1, 3, 3, 400, 900)),
        masked=hiding == "masked",
        hidden_from_patient=hiding == "hidden_from_patient",
        hidden_from_representatives=hiding == "hidden_from_representatives",
    )


def drawn_difference(draw: Draw, plot: Plot) -> list[Step]:
    """One document more, new or the next version of one that is there, and what becomes of it: to be played in one of
    two worlds. Whom it stays out of sight of is for the oracle to say."""
    author = draw.choose(PROFESSIONALS)
    hiding = draw.choose(("masked", "masked", "hidden_from_patient", "hidden_from_representatives", ""))
    paper = Paper(
        author=author,
        type_code=draw.choose((*TYPES, "ATTEST-RESID")),
        days=draw.choose((1, 3, 3, 400, 900)),
        masked=hiding == "masked",
        hidden_from_patient=hiding == "hidden_from_patient",
        hidden_from_representatives=hiding == "hidden_from_representatives",
    )
    verb = draw.choose(("publish", "publish", "replace"))
    steps = [plot.add(Step(verb, "hospital", which=_one_of(draw, plot.documents), paper=paper))]
    which = plot.documents - 1
    for _ in range(draw.choose((0, 1, 2))):
        act = draw.choose(("mask", "unmask", "archive", "delete", "withhold", "withhold", "read", "replace"))
        by = draw.choose((author, "patient", "patient", "hospital"))
        again = paper if act == "replace" else None
        steps.append(plot.add(Step(act, by, whom=draw.choose(PROFESSIONALS), which=which, paper=again)))
    return steps


def _one_of(draw: Draw, count: int) -> int:
    return draw.choose(range(count)) if count else 0
