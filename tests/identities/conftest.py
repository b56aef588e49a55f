"""Issuers that run for a whole module: starting a server costs more than most of these tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from passerelle_ops.demo.issuer import create_app
from tests.identities.issuing import Answers, Place, serving


@pytest.fixture(scope="module")
def demo_issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """The demo's issuer over HTTP: its folder and its address."""
    folder = tmp_path_factory.mktemp("issuer")
    with serving(create_app(folder=folder)) as url:
        yield folder, url


@pytest.fixture
def place(demo_issuer: tuple[Path, str]) -> Place:
    """That issuer with a clock and a verifier of the test's own."""
    return Place(*demo_issuer)


@pytest.fixture(scope="module")
def _told() -> Iterator[tuple[Answers, str]]:
    answers = Answers()
    with serving(Starlette(routes=[Route("/jwks", answers.jwks)])) as url:
        yield answers, url


@pytest.fixture
def answers(_told: tuple[Answers, str]) -> tuple[Answers, str]:
    """A JWKS endpoint that answers what the test tells it to."""
    _told[0].forget()
    return _told
