"""What is kept of documents: bounded, shared fairly, and never a way to learn what somebody else asked."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from passerelle_graphql.limits import Limits
from passerelle_graphql.persisted import Kept, sha256
from passerelle_graphql.preparation import Preparation
from passerelle_graphql.requests import Parameters
from passerelle_graphql.schema import schema

A, B = ("oncomip", "a"), ("oncomip", "b")
_OWNERS = [("n1", "a"), ("n1", "b"), ("n2", "a"), ("n2", "c")]


def test_one_who_asks_for_many_leaves_the_others_theirs() -> None:
    kept: Kept[str] = Kept(count=40, chars=10_000, share=0.25)
    kept.keep("of b", "made", B, for_all=True)
    for number in range(1_000):
        kept.keep(f"{number:10}", "made", A, for_all=True)

    assert kept.by_text("of b", A) == "made"
    assert len(kept) == 11


def test_what_is_asked_again_stays() -> None:
    kept: Kept[str] = Kept(count=40, chars=10_000, share=0.1)
    kept.keep("often", "made", A, for_all=True)
    for number in range(100):
        kept.keep(f"once {number}", "made", A, for_all=True)
        assert kept.by_text("often", B) == "made"


def test_what_is_not_for_all_is_its_owner_s() -> None:
    kept: Kept[str] = Kept(count=40, chars=10_000, share=0.5)
    kept.keep("secret", "made", A, for_all=False)
    kept.keep_hash(sha256("secret"), "secret")

    assert (kept.by_text("secret", A), kept.by_text("secret", B)) == ("made", None)
    assert kept.by_hash(sha256("secret")) is None


@given(st.lists(st.tuples(st.sampled_from(_OWNERS), st.integers(1, 60), st.booleans(), st.booleans()), max_size=80))
def test_it_never_grows_past_its_bounds(asked: list[tuple[tuple[str, str], int, bool, bool]]) -> None:
    kept: Kept[int] = Kept(count=10, chars=300, share=0.5)
    for owner, size, for_all, is_hashed in asked:
        text = f"{size:{size}}"
        if kept.by_text(text, owner) is None:
            kept.keep(text, size, owner, for_all=for_all)
        if is_hashed:
            kept.keep_hash(sha256(text), text)

        assert len(kept) <= 10
        assert 0 <= kept.chars <= 300
        assert kept.chars == sum(size for shelf in kept._shelves.values() for size in shelf.sizes.values())
        assert all(shelf.sizes for shelf in kept._shelves.values())
        assert all(kept._kept.get((None, text)) for text in kept._texts.values())
    for owner in _OWNERS:
        mine = [key for key, (_, shelf) in kept._kept.items() if shelf is kept._shelves.get(owner)]
        assert len(mine) <= 5


def test_a_document_that_may_designate_someone_is_kept_for_who_asked_alone() -> None:
    preparation = Preparation(schema, Limits(), introspection=False)
    for text, is_for_all in (
        ("query ($p: ID!) { dossier(patientId: $p) { __typename } }", True),
        ("query ($p: ID!) { dossier(patientId: $p) { ... on Dossier { documents(first: 50) { __typename } } } }", True),
        ('{ dossier(patientId: "abc") { __typename } }', False),
        ("{ dossier(patientId: 123456) { __typename } }", False),
        ('query ($p: ID! = "abc") { dossier(patientId: $p) { __typename } }', False),
        ("{ me { of_269054958815780: name } }", False),
        ("{ me { name } } # 2 69 05 49 588 157 80", False),
    ):
        document = preparation.prepare(Parameters(query=text, variables={"p": "x"}), A).document
        assert document.for_all is is_for_all, text
        assert preparation.kept.by_text(text, A) is document
        assert (preparation.kept.by_text(text, B) is document) is is_for_all
