"""Lines of prescriptions and dispensations, invented for hypothesis."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from hypothesis import strategies as st

from passerelle.dossier.formats.allergies import Allergy
from passerelle.pharmacy.formats.dispensation import DispensedLine
from passerelle.pharmacy.formats.lines import Period, Prescriber
from passerelle.pharmacy.formats.prescription import PrescribedLine
from passerelle.pharmacy.formats.products import ATC, CIS, Product

WORDS = (
    st.text(alphabet="abcéœ'’\"<>&;/(),123 mg-µ", min_size=1, max_size=40)
    .map(lambda given: " ".join(given.split()))
    .filter(lambda given: given not in {"", "-"})
)
SAID = st.none() | WORDS
NAMES = st.text(alphabet="abcdé", min_size=1, max_size=8)
QUANTITIES = st.none() | st.decimals(min_value=0, max_value=999, places=1).map(lambda given: Decimal(f"{given:f}"))
IDENTIFIERS = st.from_regex(r"1\.2\.[1-9][0-9]{0,5}(\^[A-Z0-9]{1,8})?", fullmatch=True)
DAYS = st.dates(date(2015, 1, 1), date(2026, 12, 31))


def numbers(first: str, digits: int) -> st.SearchStrategy[str]:
    return st.integers(0, 10**digits - 1).map(lambda given: f"{first}{given:0{digits}d}")


@st.composite
def periods(draw: st.DrawFn) -> Period:
    first = draw(st.none() | DAYS)
    if first is None:
        return Period()
    days = draw(st.none() | st.integers(1, 400))
    return Period(first, None if days is None else first + timedelta(days=days - 1), days)


MEDICINES = st.builds(
    Product,
    label=WORDS,
    cis=st.none() | numbers("6", 7),
    cip13=st.none() | numbers("34009", 8),
    cip7=st.none() | numbers("3", 6),
    ucd=st.none() | numbers("9", 6) | numbers("34008", 8),
    atc=st.none() | st.sampled_from(["N02BE01", "J07BB02", "L04AB", "C"]),
    substances=st.lists(WORDS, max_size=3).map(tuple),
    batch=st.none() | NAMES,
    expires_on=st.none() | DAYS,
)
DEVICES = st.builds(Product, label=WORDS, emdn=st.none() | st.just("V0806"), lpp=st.none() | numbers("1", 6))

PRESCRIBED_MEDICINES = st.builds(
    PrescribedLine,
    item_id=st.none() | IDENTIFIERS,
    kind=st.just("medicine"),
    product=MEDICINES,
    quantity=QUANTITIES,
    dosage=SAID,
    instruction=SAID,
    to_dispenser=SAID,
    renewals=st.none() | st.integers(0, 12),
    period=periods(),
    substitution=st.sampled_from(["N", "G"]),
    substitution_words=SAID,
)
PRESCRIBED_DEVICES = st.builds(
    PrescribedLine,
    item_id=st.none() | IDENTIFIERS,
    kind=st.just("device"),
    product=DEVICES,
    quantity=QUANTITIES,
    dosage=st.none(),
    instruction=SAID,
    to_dispenser=SAID,
    renewals=st.none() | st.integers(0, 12),
    period=periods(),
    substitution=st.none(),
    substitution_words=st.none(),
)
PRESCRIBED = st.tuples(
    st.lists(PRESCRIBED_MEDICINES, min_size=1, max_size=3), st.lists(PRESCRIBED_DEVICES, max_size=2)
).map(lambda both: (*both[0], *both[1]))

PRESCRIBERS = st.builds(Prescriber, rpps=numbers("8998", 7), name=st.none() | st.builds("{} {}".format, NAMES, NAMES))


@st.composite
def dispensed(draw: st.DrawFn) -> DispensedLine:
    is_prescribed = draw(st.booleans())
    code = draw(st.none() | st.just("G"))
    return DispensedLine(
        item_id=draw(st.none() | IDENTIFIERS),
        product=draw(MEDICINES),
        quantity=draw(QUANTITIES),
        dosage=draw(SAID),
        instruction=draw(SAID),
        note=draw(SAID),
        period=draw(periods()),
        prescriber=draw(st.none() | PRESCRIBERS) if is_prescribed else None,
        prescribed_on=draw(st.none() | DAYS) if is_prescribed else None,
        prescription_id=draw(st.none() | IDENTIFIERS) if is_prescribed else None,
        prescription_item_id=draw(IDENTIFIERS) if is_prescribed else None,
        substitution=code,
        substitution_words=draw(SAID) if code else None,
    )


DISPENSED = st.lists(dispensed(), min_size=1, max_size=4).map(tuple)

ALLERGIES = st.lists(
    st.builds(
        lambda coded, label, status: Allergy(code=coded[0], system=coded[1], label=label, status=status),
        st.sampled_from([("N02BE01", ATC), ("60234100", CIS), (None, None)]),
        WORDS,
        st.sampled_from(["active", "inactive", "unknown"]),
    ),
    max_size=4,
    unique=True,
)
