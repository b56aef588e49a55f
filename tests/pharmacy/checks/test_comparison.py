"""The pure core: what a basket meets, whatever the order, and what cannot be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.pharmacy.checks.allergens import Allergen
from passerelle.pharmacy.checks.availability import Shortage
from passerelle.pharmacy.checks.comparison import Compared, Ground, compare
from passerelle.pharmacy.checks.findings import (
    Alternative,
    FindingCode,
    InteractionLevel,
    Source,
    TableName,
    Unchecked,
)
from passerelle.pharmacy.checks.interactions import Interaction, Interactions
from passerelle.pharmacy.checks.items import Dispensed, Item, Substance, still_taken
from passerelle.pharmacy.checks.repeats import Repetition

TODAY = date(2026, 11, 16)
MEDICINES = Source(TableName.MEDICINES, date(2026, 5, 1))
RULE = Repetition(atc_level=4, tolerance_days=7)

_SUBSTANCES = [f"s{number}" for number in range(6)]
_FAMILIES = [f"f{number}" for number in range(3)]
_NAMES = st.sampled_from(_SUBSTANCES + _FAMILIES)


def substance(*names: str) -> Substance:
    return Substance(names[0], frozenset(names))


def item(label: str, *names: str, **more: object) -> Item:
    return Item(label=label, substances=tuple(map(substance, names)), atc="A01AA01")._replace(**more)  # type: ignore[arg-type]


def pair(left: str, right: str, level: int = 4, text: str = "") -> Interaction:
    left, right = sorted((left, right))
    return Interaction(left, right, InteractionLevel(level), text, "", left.upper(), right.upper())


def table(pairs: Sequence[Interaction], families: Sequence[tuple[str, str]] = ()) -> Interactions:
    return Interactions(date(2019, 9, 1), pairs, families)


def ground(**more: object) -> Ground:
    return replace(Ground(today=TODAY, repetition=RULE, medicines=MEDICINES, interactions=table([])), **more)  # type: ignore[arg-type]


def codes(said: Compared) -> list[str]:
    return [each.code for each in said.findings]


def untold(said: Compared) -> list[str]:
    return [each.code for each in said.not_checked]


_PAIRS = st.lists(st.builds(pair, _NAMES, _NAMES, st.integers(1, 4)), max_size=8)
_MEMBERS = st.lists(st.tuples(st.sampled_from(_SUBSTANCES), st.sampled_from(_FAMILIES)), max_size=8)
_PRODUCTS = st.lists(st.lists(st.sampled_from(_SUBSTANCES), max_size=3, unique=True), max_size=5).map(
    lambda made: [item(f"p{number}", *names) for number, names in enumerate(made)]
)


@given(_PAIRS, _MEMBERS, _PRODUCTS, st.integers(0, 5))
def test_an_interaction_is_found_exactly_where_the_table_has_it(
    pairs: list[Interaction], members: list[tuple[str, str]], products: list[Item], in_basket: int
) -> None:
    basket, taken = products[:in_basket], products[in_basket:]
    said = compare(basket, ground(interactions=table(pairs, members), taken=taken))

    def stands_for(one: str) -> set[str]:
        return {one} | {family for member, family in members if member == one}

    expected = {
        (each.level, each.left_label, each.right_label, frozenset((one.label, other.label)))
        for one, other in [*combinations(basket, 2), *((one, other) for one in basket for other in taken)]
        for mine in one.substances
        for its in other.substances
        if mine.name != its.name
        for each in pairs
        for left, right in ((each.left, each.right), (each.right, each.left))
        if left in stands_for(mine.name) and right in stands_for(its.name)
    }
    found = {
        (each.level, *each.between, frozenset(product.label for product in each.products))
        for each in said.findings
        if each.code == FindingCode.INTERACTION
    }
    assert found == expected


@given(_PAIRS, _MEMBERS, _PRODUCTS, st.integers(0, 5), st.randoms(use_true_random=False))
def test_the_order_of_the_basket_and_of_the_history_changes_nothing(
    pairs: list[Interaction], members: list[tuple[str, str]], products: list[Item], in_basket: int, by: object
) -> None:
    basket, taken = products[:in_basket], products[in_basket:]
    told = ground(interactions=table(pairs, members), taken=taken)
    shuffled, moved = list(basket), list(taken)
    by.shuffle(shuffled)  # type: ignore[attr-defined]
    by.shuffle(moved)  # type: ignore[attr-defined]
    once, again = compare(basket, told), compare(shuffled, replace(told, taken=moved))
    assert [each.key for each in once.findings] == [each.key for each in again.findings]
    assert set(once.not_checked) == set(again.not_checked)


@given(_PAIRS, _MEMBERS, _PRODUCTS, st.integers(0, 5))
def test_to_know_more_of_a_history_takes_no_warning_away(
    pairs: list[Interaction], members: list[tuple[str, str]], products: list[Item], in_basket: int
) -> None:
    basket, taken = products[:in_basket], products[in_basket:]
    told = ground(interactions=table(pairs, members))
    fewer = {each.key for each in compare(basket, told).findings}
    assert fewer <= {each.key for each in compare(basket, replace(told, taken=taken)).findings}


@given(_PRODUCTS, st.booleans(), st.booleans())
def test_a_table_that_is_missing_is_always_said(products: list[Item], interactions: bool, medicines: bool) -> None:
    said = compare(
        products,
        ground(interactions=table([]) if interactions else None, medicines=MEDICINES if medicines else None),
    )
    assert (Unchecked.NO_INTERACTIONS in untold(said)) == (not interactions)
    assert (Unchecked.NO_MEDICINES in untold(said)) == (not medicines)


_DAYS = st.none() | st.integers(1, 120)
_LINES = st.lists(
    st.builds(
        lambda label, since, days: Dispensed(TODAY + timedelta(since), label, days=days),
        st.sampled_from("abc"),
        st.integers(-400, 5),
        _DAYS,
    ),
    max_size=12,
)


@settings(max_examples=100)
@given(_LINES, st.integers(1, 120))
def test_what_is_taken_was_dispensed_and_may_last_until_today(history: list[Dispensed], assumed: int) -> None:
    taken = still_taken(history, TODAY, assumed)
    assert len(taken) == len({each.product for each, _ in taken})
    for label in "abc":
        lines = [each for each in history if each.label == label and each.dispensed_on <= TODAY]
        lasts = [timedelta(assumed if each.days is None else each.days) for each in lines]
        found = [ends for each, ends in taken if each.label == label]
        # Whatever else was dispensed, a line that lasts until after today is not used up.
        if any(each.dispensed_on + last > TODAY for each, last in zip(lines, lasts, strict=True)):
            assert found
        # Boxes follow one another: they cannot last longer than all of them, from the last on.
        if not lines or max(each.dispensed_on for each in lines) + sum(lasts, timedelta()) <= TODAY:
            assert not found
        assert all(ends is None or ends > TODAY for ends in found)


def test_every_level_of_a_pair_is_a_warning_the_heaviest_first() -> None:
    levels = table([pair("a", "b", 1, "surveiller"), pair("a", "b", 4, "jamais au-delà"), pair("a", "b", 3)])
    said = compare([item("A", "a"), item("B", "b")], ground(interactions=levels))
    found = [each for each in said.findings if each.code == FindingCode.INTERACTION]
    assert [each.level for each in found] == [4, 3, 1]
    assert found[0].sentence == "Contre-indication : A et B."
    assert found[0].advice == "jamais au-delà"
    assert {each.source for each in found} == {Source(TableName.INTERACTIONS, date(2019, 9, 1))}


def test_a_substance_does_not_meet_itself_through_its_own_family() -> None:
    nsaids = table([pair("ains", "ains", 3)], [("ibuprofene", "ains"), ("ketoprofene", "ains")])
    twice = compare([item("A", "ibuprofene"), item("B", "ibuprofene")], ground(interactions=nsaids))
    assert codes(twice) == [FindingCode.SAME_SUBSTANCE]
    two = compare([item("A", "ibuprofene"), item("B", "ketoprofene")], ground(interactions=nsaids))
    assert codes(two) == [FindingCode.INTERACTION, FindingCode.SAME_CLASS]


def test_a_salt_and_its_base_are_one_substance() -> None:
    salt = item("A")._replace(substances=(substance("sertraline chlorhydrate", "sertraline"),))
    said = compare([salt, item("B", "sertraline")], ground(interactions=table([pair("sertraline", "x")])))
    assert codes(said) == [FindingCode.SAME_SUBSTANCE]
    assert untold(said) == []


def test_what_is_not_used_up_is_renewed_too_early_and_by_a_generic_too() -> None:
    before = item("A 10 mg", "a", dispensed_on=TODAY - timedelta(10), ends_on=TODAY + timedelta(20))
    known = ground(taken=[before], interactions=table([pair("a", "b")]))
    said = compare([item("A 10 mg", "a")], known)
    assert codes(said) == [FindingCode.EARLY_RENEWAL]
    assert "20 jours" in said.findings[0].sentence
    group = frozenset({"12"})
    generic = replace(known, taken=[before._replace(generic_groups=group)])
    assert codes(compare([item("AA 10 mg", "a", generic_groups=group)], generic)) == [FindingCode.EARLY_RENEWAL]
    # Within the tolerance it may be renewed; without days nobody can tell.
    nearly = replace(known, taken=[before._replace(ends_on=TODAY + timedelta(7))])
    assert compare([item("A 10 mg", "a")], nearly).findings == ()
    unsaid = compare([item("A 10 mg", "a")], replace(known, taken=[before._replace(ends_on=None)]))
    assert unsaid.findings == ()
    assert untold(unsaid) == [Unchecked.DURATION_UNKNOWN]


def test_boxes_dispensed_early_add_up() -> None:
    lines = [Dispensed(TODAY - timedelta(since), "A", days=30) for since in (50, 40)]
    assert still_taken(lines, TODAY, 30) == [(lines[1], TODAY + timedelta(10))]


def test_boxes_that_last_for_ages_add_up_to_no_day_that_is_none() -> None:
    lines = [Dispensed(TODAY, "A", days=100_000)] * 60
    assert still_taken(lines, TODAY, 30) == [(lines[0], date.max)]


def test_what_is_unknown_is_said_to_be() -> None:
    known = table([pair("a", "b")])
    unknown = item("Inconnu", is_known=False)
    bare = item("Sans composition")
    odd = item("Étrange", "zzz")
    classless = item("Sans classe", "a", atc=None)
    said = compare([unknown, bare, odd, classless], ground(interactions=known))
    assert {(each.code, each.product.label if each.product else "") for each in said.not_checked} == {
        (Unchecked.PRODUCT_UNKNOWN, "Inconnu"),
        (Unchecked.NO_SUBSTANCE, "Sans composition"),
        (Unchecked.SUBSTANCE_UNRESOLVED, "Étrange"),
        (Unchecked.CLASS_UNKNOWN, "Sans classe"),
    }
    assert all(each.sentence != each.code and "{" not in each.sentence for each in said.not_checked)


def test_an_allergy_is_met_by_substance_by_family_by_class_and_by_code() -> None:
    told = date(2026, 1, 2)
    known = table([pair("ains", "lithium")], [("ibuprofene", "ains")])
    ibuprofen, amoxicillin = item("Ibu", "ibuprofene", atc="M01AE01"), item("Amox", "amoxicilline", atc="J01CA04")
    for label, atc, meets in (
        ("Allergie à l'ibuprofène", None, ["Ibu"]),
        ("AINS", None, ["Ibu"]),
        ("Pénicillines", None, ["Amox"]),
        ("J01C", "J01C", ["Amox"]),
        ("pollen de bouleau", None, []),
    ):
        allergy = Allergen(label=label, told_on=told, atc=atc)
        said = compare([ibuprofen, amoxicillin], ground(interactions=known, allergens=[allergy]))
        found = [each for each in said.findings if each.code == FindingCode.ALLERGY]
        assert [each.products[0].label for each in found] == meets, label
        assert {each.source for each in found} <= {Source(TableName.DOCUMENTS, told)}
        assert (Unchecked.ALLERGY_UNRESOLVED in untold(said)) == (not meets), label


def test_an_allergy_to_a_class_is_not_silent_on_a_product_whose_class_nobody_knows() -> None:
    unclassed, lithium = item("Sans classe", "a", atc=None), item("Lithium", "lithium", atc="N05AN01")
    allergy = Allergen(label="Pénicillines", told_on=TODAY)
    said = compare([unclassed, lithium], ground(allergens=[allergy]))
    told = [each for each in said.not_checked if each.code == Unchecked.ALLERGY_CLASS_UNKNOWN]
    assert [each.product and each.product.label for each in told] == ["Sans classe"]
    assert all("Pénicillines" in each.sentence and "Sans classe" in each.sentence for each in told)
    met = compare([unclassed], ground(allergens=[replace(allergy, substances=(substance("a"),))]))
    assert codes(met) == [FindingCode.ALLERGY]
    assert Unchecked.ALLERGY_CLASS_UNKNOWN not in untold(met)


def test_a_shortage_is_told_with_what_else_there_is() -> None:
    short = item("A", "a")
    told = Shortage(status="out", since=date(2026, 3, 31), alternatives=(Alternative("60000001", "AA"),))
    said = compare([short], ground(shortages=[(short, told)], interactions=table([pair("a", "b")])))
    (found,) = said.findings
    assert found.code == FindingCode.SHORTAGE
    assert found.alternatives == told.alternatives
    assert found.sentence == "En rupture de stock depuis le 31/03/2026."
    assert found.source == MEDICINES


def test_an_overlap_with_a_protocol_says_nothing_of_the_protocol() -> None:
    known = table([pair("capecitabine", "sorivudine", 4, "toxicité de la capecitabine")])
    basket = [item("S", "sorivudine"), item("A", "autre")]
    said = compare(basket, ground(interactions=known, protocols=frozenset({"capecitabine"})))
    (found,) = (each for each in said.findings if each.code == FindingCode.PROTOCOL_OVERLAP)
    assert [each.label for each in found.products] == ["S"]
    assert found.level is InteractionLevel.CONTRAINDICATED
    assert "capecitabine" not in repr(found).casefold()
    same = compare(basket, ground(interactions=known, protocols=frozenset({"autre"})))
    assert FindingCode.PROTOCOL_OVERLAP in codes(same)
