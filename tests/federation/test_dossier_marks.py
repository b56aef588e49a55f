"""Whatever is done on either side, and in whatever order the two hear of it: what both know of a document is the rule,
and they end alike."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from types import ModuleType
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from passerelle.audit.transactions import transaction
from passerelle.dossier import announcements, federated_documents, federated_marks, visibility
from passerelle.dossier.marks import MARKS
from passerelle.dossier.tables import document_mark
from passerelle.kernel.actors import Actor
from passerelle.kernel.errors import Conflict, Refused
from tests.builders import World, document, operator, professional
from tests.federation.dossier_travels import Networks, entry, sent, taken

ACTS: dict[str, tuple[str, Callable[..., Awaitable[Any]]]] = {
    "mask": ("himself", visibility.mask),
    "unmask": ("himself", visibility.unmask),
    "hide from him": ("author", visibility.hide_from_patient),
    "show him": ("author", partial(visibility.show_to_patient, confirmed=True)),
    "hide from his parents": ("author", visibility.hide_from_representatives),
    "archive": ("author", visibility.archive),
    "unarchive": ("author", visibility.unarchive),
    "delete": ("author", visibility.delete),
}
TRAVELS = ("home is told", "home hears", "its origin is told", "its origin hears")
TOLD = ("home", "its origin")
AT_HOME, AWAY = "at home", "away"
STEPS = st.one_of(
    st.tuples(st.sampled_from((AT_HOME, AWAY)), st.sampled_from(tuple(ACTS))),
    st.tuples(st.sampled_from(TRAVELS), st.integers(0, 3)),
    st.tuples(st.sampled_from(TOLD), st.just("at once")),
    st.just(("the month goes by", 0)),
)


@dataclass(slots=True)
class Post:
    """What one side sent of a document: arrives late, out of order, or never; the newest counts."""

    kind: ModuleType
    by: World
    to: World
    document_id: UUID
    letters: list[tuple[int, str]] = field(default_factory=list)
    written: int = 0
    newest: int = 0

    async def write(self) -> None:
        self.written += 1
        self.letters.append((self.written, await sent(self.kind, self.by, [self.document_id], self.written)))

    async def hand_over(self, which: int) -> None:
        if not self.letters:
            return
        version, letter = self.letters.pop(which % len(self.letters))
        if version > self.newest:
            self.newest = version
            answers = await taken(self.kind, self.to, self.by, letter)
            assert answers == {self.document_id: "applied"}


def ruled(origin: Mapping[str, Any], home: Mapping[str, Any] | None) -> dict[str, Any]:
    """The rule, said once more."""
    marks = {name: origin[name] for name in MARKS}
    if home is None:
        return marks
    is_decided = home["seen"] >= origin["version"]
    for flag in ("masked", "hidden_from_representatives"):
        if home[flag] is not None:
            marks[flag] = home[flag] if is_decided else origin[flag] or home[flag]
    if home["status"] is not None:
        marks["status"] = home["status"] if is_decided else max(origin["status"], home["status"], key=_ORDER.index)
    if "deleted" in (origin["status"], home["status"]):
        marks["status"] = "deleted"
    hidden = ("hidden_from_patient", "hidden_since", "hidden_until")
    if home["hidden_from_patient"] is not None:
        if is_decided or (home["hidden_from_patient"] and not origin["hidden_from_patient"]):
            marks |= {name: home[name] for name in hidden}
        elif home["hidden_from_patient"]:
            marks["hidden_since"] = min(origin["hidden_since"], home["hidden_since"])
            marks["hidden_until"] = max(origin["hidden_until"], home["hidden_until"])
        elif not origin["hidden_from_patient"]:
            marks["hidden_until"] = max(filter(None, (origin["hidden_until"], home["hidden_until"])), default=None)
    return marks


_ORDER = ["current", "archived", "deleted"]


async def _registers(world: World, document_id: UUID) -> tuple[dict[str, Any], dict[str, Any] | None]:
    async with world.tenant.database.transaction() as connection:
        found = await connection.execute(select(document_mark).where(document_mark.c.document_id == document_id))
        held = {each["side"]: dict(each) for each in found.mappings()}
    row = await entry(world, document_id)
    return held.get("origin", row | {"version": row["metadata_version"]}), held.get("home")


async def _follows_the_rule(world: World, document_id: UUID) -> dict[str, Any]:
    row, (origin, home) = await entry(world, document_id), await _registers(world, document_id)
    marks = {name: row[name] for name in MARKS}
    assert marks == ruled(origin, home)
    return marks


@settings(
    max_examples=8,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=st.lists(STEPS, max_size=16))
@example(steps=[(AT_HOME, "mask"), (AWAY, "hide from him"), ("home", "at once"), ("its origin", "at once")])
@example(steps=[(AWAY, "mask"), ("home", "at once"), (AT_HOME, "unmask"), ("its origin", "at once")])
@example(steps=[(AT_HOME, "mask"), ("its origin", "at once"), (AWAY, "hide from his parents"), (AWAY, "unmask")])
@example(
    steps=[
        (AWAY, "hide from him"),
        ("home", "at once"),
        (AT_HOME, "archive"),
        ("its origin", "at once"),
        (AWAY, "show him"),
        ("the month goes by", 0),
    ]
)
@example(
    steps=[(AT_HOME, "archive"), ("its origin", "at once"), (AWAY, "delete"), ("home is told", 0), (AT_HOME, "mask")]
)
async def test_both_follow_the_rule_and_end_alike(both: Networks, steps: list[tuple[str, Any]]) -> None:
    _, _, away, himself, himself_away = await both.patient(born="20150302")
    author = professional()
    document_id = await both.away.publish(away, document(author=author), author)
    to_home = Post(federated_documents, both.away, both.home, document_id)
    to_origin = Post(federated_marks, both.home, both.away, document_id)
    await to_home.write()
    await to_home.hand_over(0)
    people: dict[tuple[str, str], Actor] = {
        (AT_HOME, "himself"): himself,
        (AWAY, "himself"): himself_away,
        (AT_HOME, "author"): author,
        (AWAY, "author"): author,
    }
    for what, which in steps:
        if what in (AT_HOME, AWAY):
            who, change = ACTS[which]
            world = both.home if what == AT_HOME else both.away
            with suppress(Refused, Conflict):
                async with transaction(world.context(people[what, who])) as act:
                    await change(act, document_id)
        elif what == "the month goes by":
            both.home.clock.advance(timedelta(days=32))
            for world in (both.home, both.away):
                await announcements.show_over(world.context(operator()))
        else:
            post = to_home if what.startswith("home") else to_origin
            if which == "at once":
                await post.write()
                await post.hand_over(-1)
            else:
                await (post.write() if what.endswith("told") else post.hand_over(which))
        for world in (both.home, both.away):
            await _follows_the_rule(world, document_id)
    for post in (to_home, to_origin):
        await post.write()
        await post.hand_over(-1)
    assert await _registers_alike(both, document_id)
    assert await _follows_the_rule(both.home, document_id) == await _follows_the_rule(both.away, document_id)


async def _registers_alike(both: Networks, document_id: UUID) -> bool:
    said = []
    for world in (both.home, both.away):
        origin, home = await _registers(world, document_id)
        said.append(
            (
                {name: origin[name] for name in (*MARKS, "version")},
                home and {name: home[name] for name in (*MARKS, "seen")},
            )
        )
    return said[0] == said[1]
