"""Operations that take longer than they may: ended each in its own time, by one timer."""

from __future__ import annotations

import asyncio

import pytest

from passerelle_graphql.deadlines import Deadlines


async def _taking(deadlines: Deadlines, seconds: float) -> str:
    deadline = deadlines.begin()
    try:
        async with deadline:
            await asyncio.sleep(seconds)
    finally:
        deadlines.end(deadline)
    return "done"


async def test_what_takes_too_long_is_ended_and_nothing_else() -> None:
    deadlines = Deadlines(0.05)
    asked = [asyncio.create_task(_taking(deadlines, each)) for each in (60, 0, 60)]
    await asyncio.sleep(0.03)
    later = asyncio.create_task(_taking(deadlines, 0))

    ended = await asyncio.gather(*asked, later, return_exceptions=True)

    assert [each if isinstance(each, str) else type(each) for each in ended] == [
        TimeoutError,
        "done",
        TimeoutError,
        "done",
    ]
    await asyncio.sleep(0.02)  # nobody looks any more: the next one is looked after again
    with pytest.raises(TimeoutError):
        await _taking(deadlines, 60)


async def test_a_caller_who_leaves_is_not_told_of_time() -> None:
    deadlines = Deadlines(0.01)
    leaving = asyncio.create_task(_taking(deadlines, 60))
    await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
