"""How a medicine is to be taken, in words a person reads.

Source: CI-SIS, FR-Traitement (1.2.250.1.213.1.1.3.42, .83). The words of the narrative stand when there are any: they
are what the prescriber signed, and the coded values of published documents do not always agree with them. Without
narrative, the coded values are put into French.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lxml import etree

from passerelle.dossier.formats import values
from passerelle.dossier.formats.hl7v3 import attribute, find, find_all
from passerelle.dossier.formats.passages import Passages
from passerelle.pharmacy.formats.lines import interval_of, quantity

_HEADING: Final = "Posologie"
_UNITS: Final = {
    "{tablet}": "comprimé(s)", "{capsule}": "gélule(s)", "{application}": "application(s)", "{drop}": "goutte(s)",
    "{puff}": "bouffée(s)", "[drp]": "goutte(s)", "mL": "ml", "[iU]": "UI",
}  # fmt: skip
_PER: Final = {"d": "j", "h": "h", "wk": "sem", "mo": "mois"}
_LASTING: Final = {
    "h": ("heure", "toutes les"),
    "d": ("jour", "tous les"),
    "wk": ("semaine", "toutes les"),
    "mo": ("mois", "tous les"),
}


def dosage(line: etree._Element, administrations: list[etree._Element], passages: Passages) -> str | None:
    """The dosage of a line, its successive administrations joined by « puis »; None when nothing tells it.

    `administrations` are the entries that hold doses and times: the line itself, or those below it in their order.
    """
    phases = [phase for each in administrations if (phase := ", ".join(_phase(each, passages)))]
    if not phases:
        return passages.cell(find(line, "text"), _HEADING)
    route = next((said for each in (line, *administrations) if (said := _route(each, passages))), None)
    return " puis ".join(phases) + (f", {route}" if route else "")


def _phase(administration: etree._Element, passages: Passages) -> Iterator[str]:
    """Dose, rhythm, rate: the order in which they are said."""
    if dose := _range(find(administration, "doseQuantity"), passages):
        yield dose
    yield from _times(administration, passages)
    if rate := _range(find(administration, "rateQuantity"), passages):
        yield rate


def _range(element: etree._Element | None, passages: Passages) -> str | None:
    """`1 cp à 2 cp`, or one of the two when both are the same or one is missing."""
    if element is None:
        return None
    ends = [said for each in (find(element, "low"), find(element, "high")) if (said := _amount(each, passages))]
    return " à ".join(dict.fromkeys(ends or [said for said in (_amount(element, passages),) if said])) or None


def _amount(element: etree._Element | None, passages: Passages) -> str | None:
    if element is None:
        return None
    said = passages.words(find(element, "translation/originalText"), "dose")
    if said is not None:
        return said
    number = quantity(element, "dose")
    return None if number is None else f"{_figure(number)} {_unit(element.get('unit'))}".strip()


def _figure(number: object) -> str:
    return str(number).replace(".", ",")


def _unit(code: str | None) -> str:
    given = values.key(code, "unit") or ""
    if given in _UNITS:
        return _UNITS[given]
    amount, slash, per = given.partition("/")
    return f"{amount}/{_PER.get(per, per)}" if slash else given.strip("{}")


def _times(administration: etree._Element, passages: Passages) -> Iterator[str]:
    for element in find_all(administration, "effectiveTime"):
        parts = [element, *find_all(element, "comp")]
        rhythms = [said for each in parts if (said := _rhythm(each, passages))]
        if not rhythms:
            continue
        spoken = find(element, "comp/period/translation/originalText") is not None
        bounds = next((said for each in parts if (said := _bounds(each))), None)
        # The words of a frequency already say from when and for how long.
        yield " ".join(rhythms) if spoken or bounds is None else f"{' '.join(rhythms)} {bounds}"


def _rhythm(element: etree._Element, passages: Passages) -> str | None:
    period = find(element, "period")
    if period is None:
        return None
    said = passages.words(find(period, "translation/originalText"), "period")
    if said is not None:
        return said
    number, unit = quantity(period, "period"), period.get("unit") or ""
    if number is None or unit not in _LASTING:
        return None
    one, every = _LASTING[unit]
    return f"1 fois par {one}" if number == 1 else f"{every} {_figure(number)} {one}{'' if one == 'mois' else 's'}"


def _bounds(element: etree._Element) -> str | None:
    interval = interval_of(element)
    if interval.days is None:
        return None
    lasting = f"pendant {interval.days} jour{'s' if interval.days > 1 else ''}"
    return lasting if interval.first is None else f"à partir du {interval.first:%d/%m/%Y} {lasting}"


def _route(administration: etree._Element, passages: Passages) -> str | None:
    code = find(administration, "routeCode")
    if code is None:
        return None
    said = passages.words(find(code, "originalText"), "route")
    return said or values.text(attribute(administration, "routeCode", "displayName"), "route")
