"""Casbin against what is compiled and kept: every question of the matrix, and drawn ones.

Casbin evaluates the whole matrix of the pack in force, uncompiled, and is the judge. Types of documents that no line
tells apart are asked about under one of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date
from itertools import islice, product
from multiprocessing import get_context
from random import Random
from typing import Final

from passerelle_policies.compilation import alike_types
from passerelle_policies.decision import ask_casbin, decide
from passerelle_policies.facts import DocumentFacts, Facts
from passerelle_policies.matrix import NO_TYPE, Concealment
from passerelle_policies.packs import Pack, pack_on
from passerelle_policies.roles import relations_of
from passerelle_policies.vocabulary import Action, DocumentStatus, DossierState, Kind, Mode, Purpose, Relation, Role
from passerelle_policies.words import ACT_WORDS

_AT_ONCE: Final = 500
_UNKNOWN_TYPE: Final = "00000-0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One cell of the matrix."""

    role: Role
    relation: Relation
    kind: Kind
    action: Action
    mode: Mode
    type_code: str
    concealment: Concealment
    is_open: bool


def grid(pack: Pack) -> Iterator[Question]:
    """Every question that the matrix can be asked; relations that a role never has are left out."""
    types = [*alike_types(pack, pack.lines), _UNKNOWN_TYPE]
    for role, (kind, action), mode, is_open in product(Role, ACT_WORDS, Mode, (True, False)):
        about = product(types, Concealment) if kind is Kind.DOCUMENT else [(NO_TYPE, Concealment.PLAIN)]
        for (type_code, concealment), relation in product(about, sorted(relations_of(role))):
            yield Question(
                role=role,
                relation=relation,
                kind=kind,
                action=action,
                mode=mode,
                type_code=type_code,
                concealment=concealment,
                is_open=is_open,
            )


def drawn(pack: Pack, count: int, seed: str) -> Iterator[Question]:
    """`count` questions drawn at random; every other one under a line of the matrix, or few would be answered."""
    draw = Random(seed)  # noqa: S311 - a sample, not a secret
    types = [*sorted(pack.dmp_types), _UNKNOWN_TYPE]
    acts = list(ACT_WORDS)
    for number in range(count):
        role, mode = draw.choice(list(Role)), draw.choice(list(Mode))
        kind, action = draw.choice(acts)
        if number % 2:
            line = draw.choice(pack.lines)
            role, mode = draw.choice(sorted(line.roles)), draw.choice(sorted(line.modes))
            kind, action = line.kind, draw.choice(sorted(line.actions))
        is_document = kind is Kind.DOCUMENT
        yield Question(
            role=role,
            relation=draw.choice(sorted(relations_of(role))),
            kind=kind,
            action=action,
            mode=mode,
            type_code=draw.choice(types) if is_document else NO_TYPE,
            concealment=draw.choice(list(Concealment)) if is_document else Concealment.PLAIN,
            is_open=draw.random() < 0.8,
        )


def held(question: Question) -> frozenset[Relation]:
    """The relations of whoever asks. A citizen's authorship counts only while he is the patient, here or nowhere."""
    if question.role is Role.PERSON and question.relation is Relation.AUTHOR:
        return frozenset({Relation.AUTHOR, Relation.PATIENT})
    return frozenset({question.relation})


def casbin_allows(question: Question, pack: Pack) -> bool:
    """Casbin's answer to someone who holds these relations, and the one that everyone holds."""
    return any(one_call(question, pack, relation) for relation in held(question) | {Relation.NONE})


def one_call(question: Question, pack: Pack, relation: Relation) -> bool:
    """Casbin asked once."""
    allowed, _ = ask_casbin(
        pack,
        question.role,
        relation,
        question.kind,
        question.type_code,
        question.action,
        question.mode,
        question.concealment,
        is_open=question.is_open,
    )
    return allowed


def asked_of_decide(question: Question, day: date) -> tuple[Facts, Kind, Action, DocumentFacts | None]:
    """The same question as `decide` takes it."""
    facts = Facts(
        role=question.role,
        relations=held(question),
        blocked=False,
        dossier_state=DossierState.OPEN if question.is_open else DossierState.CLOSED,
        mode=question.mode,
        purpose=Purpose.CARE,
        day=day,
    )
    if question.kind is not Kind.DOCUMENT:
        return facts, question.kind, question.action, None
    document = DocumentFacts(
        type_code=question.type_code,
        status=DocumentStatus.CURRENT,
        masked=question.concealment is Concealment.MASKED,
        hidden_from_patient=question.concealment is Concealment.HIDDEN_FROM_PATIENT,
        hidden_from_representatives=question.concealment is Concealment.HIDDEN_FROM_REPRESENTATIVES,
        by_actor=question.relation is Relation.AUTHOR,
    )
    return facts, question.kind, question.action, document


def disagreements(questions: Iterator[Question], day: date, on_asked: Callable[[int], None]) -> list[Question]:
    """The questions that Casbin and `decide` answer differently, asked on every core; `on_asked` counts."""
    found: list[Question] = []
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("forkserver")) as pool:
        batches = iter(lambda: list(islice(questions, _AT_ONCE)), [])
        waiting = {pool.submit(_differ, batch, day): len(batch) for batch in islice(batches, 2 * (os.cpu_count() or 1))}
        while waiting:
            done = next(iter(waiting))
            found += done.result()
            on_asked(waiting.pop(done))
            if following := next(batches, None):
                waiting[pool.submit(_differ, following, day)] = len(following)
    return found


def _differ(questions: Sequence[Question], day: date) -> list[Question]:
    pack = pack_on(day)
    return [each for each in questions if casbin_allows(each, pack) is not decide(*asked_of_decide(each, day)).allowed]
