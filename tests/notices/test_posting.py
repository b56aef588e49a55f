"""A notice is posted once, with its proof and its event, in the transaction of what it tells of."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest
from sqlalchemy import text

from passerelle.audit.transactions import transaction
from passerelle.kernel import messages
from passerelle.notices.kinds import NoticeKind, code_of, sentence_of, words_of
from passerelle.notices.posting import post
from tests.builders import World, professional

RECIPIENT = "person:essai"


async def _counts(world: World, key: str) -> tuple[int, int, int]:
    """Notices of a key, their deliveries, their events."""
    async with world.tenant.database.transaction() as connection:
        row = await connection.execute(
            text(
                "select (select count(*) from notice where key = :key),"
                " (select count(*) from notice_delivery join notice using (recipient, notice_id) where key = :key),"
                " (select count(*) from outbox o join notice n on o.payload->>'notice_id' = n.notice_id::text"
                "   where n.key = :key and o.name = 'notices.posted')"
            ),
            {"key": key},
        )
        notices, deliveries, events = row.one()
        return notices, deliveries, events


async def _post(world: World, key: str, *, recipient: str = RECIPIENT) -> bool:
    async with transaction(world.context(professional())) as act:
        return await post(
            act, recipient=recipient, key=key, kind=NoticeKind.NEWCOMER, patient_id=uuid4(), about={"name": "Dr Essai"}
        )


async def test_one_key_is_one_notice_with_its_proof_and_event(world: World) -> None:
    assert await _post(world, "une") is True
    assert await _post(world, "une") is False
    assert await _counts(world, "une") == (1, 1, 1)


async def test_the_same_key_is_another_notice_for_another_recipient(world: World) -> None:
    assert await _post(world, "deux")
    assert await _post(world, "deux", recipient="person:autre")
    assert await _counts(world, "deux") == (2, 2, 2)


async def test_many_at_once_post_one(world: World) -> None:
    posted = await asyncio.gather(*(_post(world, "trois") for _ in range(6)))
    assert sorted(posted) == [False] * 5 + [True]
    assert await _counts(world, "trois") == (1, 1, 1)


async def test_what_is_rolled_back_was_not_posted(world: World) -> None:
    async def fall() -> None:
        async with transaction(world.context(professional())) as act:
            await post(act, recipient=RECIPIENT, key="quatre", kind=NoticeKind.MAJORITY, patient_id=uuid4())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fall()
    assert await _counts(world, "quatre") == (0, 0, 0)
    assert await _post(world, "quatre")


async def test_a_missing_word_is_a_fault_of_the_caller(world: World) -> None:
    with pytest.raises(ValueError, match="name"):
        async with transaction(world.context(professional())) as act:
            await post(act, recipient=RECIPIENT, key="cinq", kind=NoticeKind.NEWCOMER, patient_id=uuid4())
    assert await _counts(world, "cinq") == (0, 0, 0)


def test_a_notice_whose_words_were_erased_says_only_that() -> None:
    said = {sentence_of(kind, RECIPIENT, {}) for kind in (NoticeKind.NEWCOMER, NoticeKind.BREAK_GLASS)}
    assert said == {messages.sentence("NOTICE_FORGOTTEN", {})}


@pytest.mark.parametrize("recipient", [RECIPIENT, "professional:99900000001"])
@pytest.mark.parametrize("is_patient", [True, False])
@pytest.mark.parametrize("kind", NoticeKind)
def test_every_kind_has_its_sentence(kind: NoticeKind, recipient: str, is_patient: bool) -> None:
    words = dict.fromkeys(words_of(kind, recipient), "Dr Essai")
    said = sentence_of(kind, recipient, words, is_patient=is_patient)
    assert said != code_of(kind, recipient, is_patient=is_patient)
    assert "{" not in said


def test_a_professional_is_told_in_his_own_words() -> None:
    to_patient, to_doctor = (
        code_of(NoticeKind.BREAK_GLASS, RECIPIENT),
        code_of(NoticeKind.BREAK_GLASS, "professional:1"),
    )
    assert to_patient != to_doctor
