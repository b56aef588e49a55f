"""After any acts and any faults, once all is quiet, four networks show what a single database would."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.conftest import Template
from tests.federation.four_networks import four_networks
from tests.federation.oracle import HOME
from tests.federation.story import Story

#: A world lasts a second and more: few of them each time, and as many as the profile says when somebody digs.
_EXAMPLES = 6 if settings().max_examples < 1000 else settings().max_examples


@pytest.fixture(scope="module")
async def new_story(
    tenant_template: Template, directory_template: Template, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Callable[[], Story]]:
    async with four_networks(tenant_template, directory_template, tmp_path_factory.mktemp("networks")) as story:
        yield story


@settings(max_examples=_EXAMPLES, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
async def test_networks_end_with_what_one_database_has(new_story: Callable[[], Story], seed: int) -> None:
    luck, story = random.Random(seed), new_story()
    await story.begin()
    try:
        for _ in range(50):
            await (story.act(luck) if luck.random() < 0.45 else story.fate(luck))
        await story.settle()
        await story.must_agree()
    except BaseException as failed:
        failed.add_note("\n".join(story.told))
        raise
    finally:
        await story.come_back()


async def test_an_older_state_that_comes_last_changes_nothing(new_story: Callable[[], Story]) -> None:
    story = new_story()
    await story.begin()
    for _ in range(2):
        await story.close_or_reopen()
        await story.turn(HOME)
    while story.post.bag:
        await story.deliver(len(story.post.bag) - 1)
    await story.settle()
    await story.must_agree()
