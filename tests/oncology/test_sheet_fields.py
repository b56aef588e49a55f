"""The fields of a sheet by name: put and asked again, missing by stage, refused when they make no sense."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

import pytest

from passerelle.kernel import messages
from passerelle.oncology import as_json
from passerelle.oncology.coded import Code, plain
from passerelle.oncology.sheet import BoardSheet
from passerelle.oncology.sheet_fields import answer, begun, items, label, missing, put
from passerelle.oncology.sheet_table import Field, table
from passerelle.oncology.value_sets import value_sets
from tests.formats.samples import refusal
from tests.oncology.sheets import CIM_10, COMPULSORY, OPTIONAL, a_header, a_sheet, tumour

SAMPLE: dict[str, Any] = {
    "boolean": True,
    "integer": 3,
    "date": "20260218",
    "words": "Une phrase",
    "comment": "Un commentaire\nsur deux lignes",
    "narrative": "Un texte\n\nen trois lignes",
    "status": "cancelled",
}
SINGLE = [each for each in table().fields.values() if each.section and each.type != "group"]
OF_ITEMS = [each for each in table().fields.values() if each.record and each.type != "group"]


def sample(field: Field) -> Any:
    if field.type == "code":
        known = value_sets().get(field.values or "")
        return next(iter(known.values())) if known else Code(code="C50.2", system=CIM_10, label="Sein")
    return SAMPLE[field.type]


@pytest.mark.parametrize("edition", ["2022.01", "2025.01"])
@pytest.mark.parametrize("field", SINGLE, ids=lambda field: field.name)
def test_each_field_answers_what_was_put_and_nothing_else_changes(field: Field, edition: Any) -> None:
    empty = begun(a_header(), edition)
    sheet = put(empty, **{field.name: sample(field)})
    assert answer(sheet, field.name) == sample(field)
    others = [each.name for each in SINGLE if each is not field]
    assert {name: answer(sheet, name) for name in others} == {name: answer(empty, name) for name in others}
    assert answer(put(sheet, **{field.name: None}), field.name) is None


@pytest.mark.parametrize("field", OF_ITEMS, ids=lambda field: field.name)
def test_each_field_of_a_list(field: Field) -> None:
    record = field.record or ""
    sheet = put(begun(a_header()), **{record: [{field.name: sample(field)}, {}]})
    first, second = items(sheet, record)
    found = first[field.name]
    if field.name == "topography" and isinstance(found, Code):
        assert found.code == "C50.2"
    else:
        assert found == sample(field)
    assert field.name not in second or isinstance(second[field.name], Code | str)
    assert items(put(sheet, **{record: None}), record) == ()


def test_a_full_sheet_lacks_nothing() -> None:
    assert missing(a_sheet()) == []
    assert missing(put(begun(a_header()), **COMPULSORY)) == []


def test_an_empty_sheet_lacks_every_compulsory_answer() -> None:
    lacking = missing(BoardSheet(edition="2025.01", header=begun(a_header(), "2025.01").header))
    assert lacking == [
        "nature", "recourse_board", "paediatric_board", "diagnostic_opinion", "treatment_proposal", "recourse_motive",
        "paediatric_motive", "presented_as", "screening", "phase", "progressing", "case_summary", "complete", "quorum",
        "trial", "document_status", "tumours", "proposal",
    ]  # fmt: skip
    assert all(label(name) for name in lacking)


@pytest.mark.parametrize("name", sorted(set(COMPULSORY) - {"proposals"}))
def test_each_compulsory_answer_is_missed(name: str) -> None:
    sheet = put(a_sheet(presented_as="ORG-128"), **{name: None})
    expected = {"nature": ["nature"], "progressing": ["progressing"]}.get(name, [name])
    assert missing(sheet) == expected


def test_what_is_needed_for_the_session_comes_before_what_is_needed_for_approval() -> None:
    before = put(a_sheet(), complete=None, quorum=None, trial=None, document_status=None)
    assert missing(before, by="session") == []
    assert missing(before) == ["complete", "quorum", "trial", "document_status"]


def test_one_of_several_makes_a_proposal() -> None:
    nothing: dict[str, Any] = dict.fromkeys(("referral", "requests", "surveillance", "proposals", "proposal_comment"))
    assert missing(a_sheet(**nothing)) == ["proposal"]
    for name in nothing:
        assert missing(a_sheet(**(nothing | {name: (COMPULSORY | OPTIONAL)[name]}))) == []


def test_what_is_asked_depends_on_other_answers() -> None:
    least = begun(a_header())
    assert "organ" in missing(put(least, nature="ORG-117"))
    assert "care" not in missing(put(least, nature="ORG-117"))
    assert "care" in missing(put(least, nature="ORG-132"))
    assert "local_progression" in missing(put(least, progressing=True))
    assert "guideline" in missing(put(least, presented_as="ORG-128"))
    assert "guideline" not in missing(put(least, presented_as="ORG-134"))


def test_items_that_lack_something_are_named() -> None:
    sheet = a_sheet(tumours=[tumour(), tumour(tnm_t=None)])
    assert missing(sheet) == ["tumours.2.tnm_t"]
    assert label("tumours.2.tnm_t") == "Tumeurs 2 : TNM clinique T"
    assert missing(a_sheet(tumours=[tumour(tnm_t=Code(null_flavor="NA"))])) == []


def test_an_organ_board_may_become_a_transversal_one() -> None:
    sheet = put(a_sheet(recourse_board=True), nature="ORG-132", care="C3580", organ=None)
    care = answer(sheet, "care")
    assert isinstance(care, Code)
    assert care.label == "métastases osseuses"
    assert answer(sheet, "organ_system") is None
    assert answer(sheet, "recourse_board") is True
    assert answer(sheet, "board_comment") == OPTIONAL["board_comment"]
    assert missing(sheet) == []
    assert put(sheet, organ_system=None) == sheet


def test_times_and_codes_may_be_given_in_their_own_types() -> None:
    sheet = put(begun(a_header()), phase="MED-244", phase_at=date(2026, 2, 18), quorum=Code(code="GEN-010"))
    assert answer(sheet, "phase_at") == "20260218"
    assert answer(sheet, "quorum") == value_sets()["jdv-statut-quorum-cisis"]["GEN-010"]
    at = datetime(2026, 7, 18, 12, 0, tzinfo=UTC)
    assert answer(put(sheet, phase_at=at), "phase_at") == "20260718140000+0200"


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"unknown": 1}, "SHEET_FIELD_UNKNOWN"),
    ({"topography": "C50"}, "SHEET_FIELD_UNKNOWN"),
    ({"motive": True}, "SHEET_FIELD_UNKNOWN"),
    ({"tumours": [{"unknown": 1}]}, "SHEET_FIELD_UNKNOWN"),
    ({"tumours": 3}, "SHEET_VALUE_MALFORMED"),
    ({"tumours": [3]}, "SHEET_VALUE_MALFORMED"),
    ({"quorum": True}, "SHEET_VALUE_MALFORMED"),
    ({"quorum": Code()}, "SHEET_VALUE_MALFORMED"),
    ({"quorum": "ORG-999"}, "SHEET_CODE_NOT_IN_SET"),
    ({"quorum": Code(code="ORG-126", system="1.2.3")}, "SHEET_CODE_NOT_IN_SET"),
    ({"tumours": [{"morphology": "8000/3"}]}, "SHEET_VALUE_MALFORMED"),
    ({"complete": 1}, "SHEET_VALUE_MALFORMED"),
    ({"gravidity": True}, "SHEET_VALUE_MALFORMED"),
    ({"phase_at": "hier"}, "SHEET_VALUE_MALFORMED"),
    ({"phase_at": datetime(2026, 1, 1)}, "SHEET_VALUE_MALFORMED"),  # noqa: DTZ001  that is what is refused
    ({"past_treatments": [{"treated_status": "later"}]}, "SHEET_VALUE_MALFORMED"),
    ({"case_comment": 12}, "SHEET_VALUE_MALFORMED"),
    ({"case_comment": "a" * 20_001}, "VALUE_TOO_LONG"),
    ({"case_comment": "\x00"}, "VALUE_MALFORMED"),
]


@pytest.mark.parametrize(("given", "code"), REFUSED, ids=lambda each: str(each)[:40])
def test_what_makes_no_sense_is_refused(given: dict[str, Any], code: str) -> None:
    assert refusal(lambda: put(begun(a_header()), **given)) == code


def test_unknown_names_are_refused_when_asked() -> None:
    for ask in (lambda: answer(a_sheet(), "tumours"), lambda: items(a_sheet(), "quorum"), lambda: label("unknown")):
        assert refusal(ask) == "SHEET_FIELD_UNKNOWN"


def test_json_holds_all_of_a_sheet_and_nothing_else_is_taken() -> None:
    sheet = a_sheet()
    kept = json.loads(json.dumps(sheet.to_json()))
    assert BoardSheet.from_json(kept) == sheet
    broken: list[object] = [
        None,
        [],
        {},
        kept | {"edition": "2030.01"},
        kept | {"more": 1},
        kept | {"sections": {}},
        kept | {"sections": [{"title": 3}]},
        kept | {"sections": [{"entries": [{"statement": {"kind": "act", "negated": "false"}}]}]},
        kept | {"header": {"id": "x"}},
        kept | {"header": {"id": {}, "patient": {"addresses": [{"lines": [["city"]]}]}}},
        kept | {"header": {"id": {}, "patient": {"addresses": [{"lines": ["city"]}]}}},
        kept | {"header": {"id": {}, "patient": None}},
        kept | {"sections": [{"narrative": [3]}]},
    ]
    for each in broken:
        assert refusal(partial(BoardSheet.from_json, each)) == "SHEET_MALFORMED"
    with pytest.raises(TypeError):
        as_json.dumped(3)


def test_words_are_kept_line_by_line() -> None:
    assert plain("  a \t b\n\n\n\nc  \n ") == "a b\n\nc"
    assert plain(" \n ") is None
    assert plain(None) is None


def test_the_table_holds_together() -> None:
    declared = table()
    for field in declared.fields.values():
        assert (field.section in declared.sections) != (field.record in declared.records), field.name
        assert field.shape in declared.shapes
        assert set(field.under) <= set(declared.fields)
        assert field.values is None or field.values in value_sets(), field.name
        assert field.alternative is None or field.alternative in declared.fields
    for record in declared.records.values():
        assert record.section in declared.sections
        assert record.shape in declared.shapes
    for whole in declared.wholes:
        assert set(whole.any_of) <= set(declared.fields) | set(declared.records)
        assert whole.any_of or hasattr(BoardSheet, whole.name)
    compulsory = {name for name, each in declared.sections.items() if each.compulsory}
    assert len(compulsory) == 9
    covered = {each.section for each in declared.fields.values() if each.needed}
    covered |= {each.section for each in declared.records.values() if each.needed}
    assert compulsory - covered == {"plan"}  # one of its fields, told by the whole


def test_the_sentences_are_there() -> None:
    for code in ("SHEET_MALFORMED", "NOT_A_BOARD_SHEET", "SHEET_HAS_NO_SECTIONS"):
        assert messages.sentence(code, {}) != code
