"""Whether acts of others widen what an outsider sees, who has no tie with the patient and whom nobody names.

Only these let somebody in, and they are no leak when who does it holds the power: the patient's own physician or a
representative who names him, a member who brings him into a team of the patient's, the operator who records a
representative, and himself when he breaks the glass. Whoever is let in so is an outsider no more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from passerelle.dossier import reading
from passerelle.kernel.errors import Refused
from passerelle_ops.bench._stage import Stage
from passerelle_ops.bench._worlds import (
    CITIZENS,
    ON_DOCUMENTS,
    PROFESSIONALS,
    Draw,
    Plot,
    Step,
    drawn_plot,
    drawn_step,
)
from passerelle_policies.vocabulary import DocumentStatus, DossierState, Mode, Relation

_EVERYTHING: Final = reading.DocumentFilter(statuses=[each.value for each in DocumentStatus], whole_history=True)
_LETTING_IN: Final = frozenset({"authorize", "attend", "consent", "unblock", "represent", "join", "break_glass"})
_POWERS: Final = frozenset({Relation.ATTENDING_PHYSICIAN, Relation.REPRESENTATIVE})
_OTHERS: Final = (*PROFESSIONALS, "hospital", "operator")
#: What others than the patient may try, whatever comes of it.
_SUBJECTS: Final = (
    ("publish",), ("replace",), ON_DOCUMENTS, ON_DOCUMENTS, ("suspend", "resume", "close", "reopen"),
    ("authorize", "attend", "consent", "withdraw_consent", "withdraw_authorization", "block", "unblock"),
    ("represent", "end_representation", "withdraw_objection"), ("found_team", "join", "leave"),
    ("break_glass", "end_emergency"), ("wait", "announce"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class View:
    """What someone finds in a record: whether it opens, and the documents."""

    opens: bool
    documents: frozenset[str]


@dataclass(slots=True)
class Watched:
    """What was looked at in one world: how many views were taken again after an act, and what went wrong."""

    views: int
    leaks: list[str]


async def watched(new_stage: Callable[[str], Stage], draw: Draw, *, length: int = 8, acts: int = 10) -> Watched:
    """Play a world, then `acts` of others than the patient, and look at what every outsider sees after each.

    `new_stage` gives the stage for a patient born on a day.
    """
    plot = drawn_plot(draw, length)
    stage = new_stage(plot.born)
    await stage.begin()
    for each in plot.steps:
        await stage.play(each)
    done = Watched(views=0, leaks=[])
    if stage.oracle.state is not DossierState.OPEN:
        return done
    before = {
        (who, mode): await _view(stage, who, mode)
        for who in (*PROFESSIONALS, "stranger", "parent")
        if not stage.oracle.has_ties(who)
        for mode in ((Mode.NORMAL,) if who in CITIZENS else (Mode.NORMAL, Mode.BREAK_GLASS))
    }
    for _ in range(acts):
        step = _act_of_another(draw, plot)
        has_power = _has_power(stage, step)
        if not await stage.play(step):
            continue
        if step.verb in _LETTING_IN and not has_power:
            done.leaks.append(f"{step} was allowed to somebody who may let nobody in")
        for who, mode in list(before):
            if stage.oracle.has_ties(who) or (step.verb == "unblock" and step.whom == who):
                del before[who, mode]
                continue
            now, known = await _view(stage, who, mode), before[who, mode]
            done.views += 1
            his = {str(stage.documents[each]) for each in _written_by(stage, who)}
            if (now.opens and not (known.opens or his)) or now.documents - known.documents - his:
                done.leaks.append(f"{step} showed {who} in mode {mode} what he did not see")
    return done


def _act_of_another(draw: Draw, plot: Plot) -> Step:
    """Something that somebody tries who is not the patient."""
    step = drawn_step(draw, plot, _SUBJECTS)
    if step.by in CITIZENS:
        plot.steps[-1] = step = Step(step.verb, draw.choose(_OTHERS), step.whom, step.which, step.paper, step.days)
    return step


def _has_power(stage: Stage, step: Step) -> bool:
    """Whether who tries this may let somebody in, as the world stands."""
    match step.verb:
        case "break_glass":
            return True
        case "join":
            return stage.oracle.is_member(step.which, step.by)
        case "represent":
            return step.by == "operator"
    return bool(stage.oracle.facts(step.by).relations & _POWERS)


def _written_by(stage: Stage, who: str) -> list[int]:
    return [each for each in stage.documents if stage.oracle.about(each, who).by_actor]


async def _view(stage: Stage, who: str, mode: Mode) -> View:
    try:
        opened = await reading.open_dossier(stage.context(who, mode), stage.patient_id, _EVERYTHING)
    except Refused:
        return View(opens=False, documents=frozenset())
    return View(opens=True, documents=frozenset(each["document_id"] for each in opened.page.documents))
