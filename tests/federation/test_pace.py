"""How much a network is given before it answers."""

from __future__ import annotations

from passerelle_tenants.federation.pace import Pace
from passerelle_tenants.federation.travellers import BUNDLE

RETRY, WINDOW = 5.0, 2000


def _answered(pace: Pace, after: float, times: int = 50) -> Pace:
    for _ in range(times):
        pace.on_way += BUNDLE
        pace.answered(BUNDLE, after, retry=RETRY, window=WINDOW)
    return pace


def test_who_answers_soon_is_given_more_up_to_the_window() -> None:
    pace = _answered(Pace(500), after=0.3)
    assert (pace.most, pace.room) == (WINDOW, WINDOW)


def test_who_takes_long_is_given_less_and_never_less_than_a_bundle() -> None:
    assert _answered(Pace(500), after=1.5).most == 500
    assert _answered(Pace(500), after=2.5, times=2).most == 400
    assert _answered(Pace(500), after=30).most == BUNDLE


def test_answers_that_come_twice_make_no_room() -> None:
    pace = Pace(500, on_way=100)
    for _ in range(2):
        pace.answered(BUNDLE, 1.5, retry=RETRY, window=WINDOW)
    assert (pace.on_way, pace.room) == (0, 500)
