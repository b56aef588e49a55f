"""The answer that a statement gives to a field of the sheet, read and changed.

An answer is a `Code`, a bool, an int, words, or a time as HL7 writes it; None when there is none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from typing import Final

from passerelle.dossier.formats import values
from passerelle.kernel.clock import PARIS
from passerelle.kernel.errors import InvalidInput
from passerelle.kernel.hl7_time import Hl7Time
from passerelle.oncology.coded import Code, Moment, Qualifier, Statement, Time, Value, Words, plain, unreferenced_code
from passerelle.oncology.sheet_table import Field
from passerelle.oncology.value_sets import value_sets

MAX_WORDS: Final = 20_000
"""Characters of one free text."""
_ONE_LINE: Final = frozenset({"priority", "code.original"})
"""Where words stand by themselves, not in the narrative."""
Answer = Code | bool | int | str


def place(field: Field) -> str:
    """Where in its statement the answer of a field stands."""
    if field.at is not None:
        return field.at
    return {"comment": "text", "date": "time", "words": "value.original"}.get(field.type, "value")


def answered(statement: Statement, field: Field) -> Answer | None:
    """What the statement answers."""
    return _READERS[place(field)](statement, field)


def answering(statement: Statement, field: Field, answer: Answer | None) -> Statement:
    """The statement with this answer, in the type that `accepted` gives."""
    return _WRITERS[place(field)](statement, field, answer)


def accepted(field: Field, given: object) -> Answer | None:
    """`given` in the type of the field: a code may be given by itself, a time as date or datetime.

    Refused: SHEET_VALUE_MALFORMED, SHEET_CODE_NOT_IN_SET, VALUE_TOO_LONG, VALUE_MALFORMED.
    """
    if given is None:
        return None
    if field.type == "code":
        return _code(field, given)
    if field.type == "boolean" and isinstance(given, bool):
        return given
    if field.type == "integer" and isinstance(given, int) and not isinstance(given, bool):
        return given
    if field.type == "date":
        return _time(field, given)
    if field.type == "status" and given in field.words:
        return str(given)
    if field.type in {"words", "comment", "narrative"} and isinstance(given, str):
        line = values.text(given, field.name, limit=MAX_WORDS)
        return line if place(field) in _ONE_LINE else plain(given)
    raise InvalidInput("SHEET_VALUE_MALFORMED", field=field.name)


def _code(field: Field, given: object) -> Code:
    known = value_sets().get(field.values or "", {})
    code = Code(code=given) if isinstance(given, str) else given
    if not isinstance(code, Code) or (code.code is None and code.null_flavor is None and code.original is None):
        raise InvalidInput("SHEET_VALUE_MALFORMED", field=field.name)
    if code.code is None or field.values is None:
        if code.code is not None and code.system is None:
            raise InvalidInput("SHEET_VALUE_MALFORMED", field=field.name)
        return replace(code, label=values.text(code.label, field.name))
    listed = known.get(code.code)
    if listed is None or code.system not in {None, listed.system}:
        raise InvalidInput("SHEET_CODE_NOT_IN_SET", field=field.name, value_set=field.values)
    return listed if code.system is None else replace(code, label=values.text(code.label, field.name))


def _time(field: Field, given: object) -> str:
    if isinstance(given, datetime):
        if given.tzinfo is not None:
            return f"{given.astimezone(PARIS):%Y%m%d%H%M%S%z}"
    elif isinstance(given, date):
        return f"{given:%Y%m%d}"
    elif isinstance(given, str) and not Hl7Time.parse(given).is_broken:
        return given.strip()
    raise InvalidInput("SHEET_VALUE_MALFORMED", field=field.name)


def _spoken(original: Words | None) -> str | None:
    return original.text if original else None


def _with_original(code: Code | None, text: str | None) -> Code:
    return replace(code or Code(), original=Words(text=text) if text else None)


def _meant(code: Code | None) -> Code | None:
    """A code that says something, with its words, not where they stood."""
    code = unreferenced_code(code)
    return code if code and (code.code or code.null_flavor or code.original) else None


def _value(statement: Statement, _field: Field) -> Answer | None:
    value = statement.value
    if value is None:
        return None
    if value.code is not None:
        return _meant(value.code)
    if value.null_flavor:
        return Code(null_flavor=value.null_flavor)
    if value.type == "BL":
        return {"true": True, "false": False}.get(value.value or "")
    if value.type == "INT" and value.value and value.value.lstrip("-").isdecimal():
        return int(value.value)
    return value.value or _spoken(value.text)


def _set_value(statement: Statement, _field: Field, answer: Answer | None) -> Statement:
    if answer is None:
        return replace(statement, values=())
    if isinstance(answer, Code):
        before = statement.value
        if before is not None and before.code is not None:
            answer = replace(answer, qualifiers=answer.qualifiers or before.code.qualifiers)
        value = Value(type="CD", code=answer)
    elif isinstance(answer, bool):
        value = Value(type="BL", value="true" if answer else "false")
    elif isinstance(answer, int):
        value = Value(type="INT", value=str(answer))
    else:
        value = Value(type="ST", text=Words(text=answer))
    return replace(statement, values=(value, *statement.values[1:]))


def _said(statement: Statement, field: Field) -> Answer | None:
    """Words as a coded value holds them; else what the value is."""
    value = statement.value
    if value is None or value.code is None:
        return _value(statement, field)
    return _spoken(value.code.original) or (_meant(value.code) if value.code.code else None)


def _say(statement: Statement, _field: Field, answer: Answer | None) -> Statement:
    if answer is None:
        return replace(statement, values=())
    return replace(statement, values=(Value(type="CD", code=_with_original(None, str(answer))),))


def _site(statement: Statement, _field: Field) -> Answer | None:
    return _meant(statement.sites[0]) if statement.sites else None


def _set_site(statement: Statement, _field: Field, answer: Answer | None) -> Statement:
    code = answer if isinstance(answer, Code) else Code(null_flavor="UNK")
    if statement.sites:
        code = replace(code, qualifiers=code.qualifiers or statement.sites[0].qualifiers)
    return replace(statement, sites=(code, *statement.sites[1:]))


def _qualifier(code: Code | None, field: Field) -> Code | None:
    for each in code.qualifiers if code else ():
        if each.name and each.name.code == field.code:
            return unreferenced_code(each.value)
    return None


def _qualified(code: Code, field: Field, answer: Answer | None) -> Code:
    rest = tuple(each for each in code.qualifiers if not (each.name and each.name.code == field.code))
    if not isinstance(answer, Code):
        return replace(code, qualifiers=rest)
    name = Code(code=field.code, system=field.system, label=field.label)
    return replace(code, qualifiers=(*rest, Qualifier(name=name, value=answer)))


def _set_site_qualifier(statement: Statement, field: Field, answer: Answer | None) -> Statement:
    site = statement.sites[0] if statement.sites else Code(null_flavor="UNK")
    return replace(statement, sites=(_qualified(site, field, answer), *statement.sites[1:]))


def _set_value_qualifier(statement: Statement, field: Field, answer: Answer | None) -> Statement:
    code = statement.value.code if statement.value and statement.value.code else Code()
    if code.null_flavor is not None and answer is not None:
        code = replace(code, null_flavor=None)
    changed = _qualified(code, field, answer)
    if changed == Code():
        changed = Code(null_flavor="NA")
    return replace(statement, values=(Value(type="CD", code=changed), *statement.values[1:]))


def _set_text(statement: Statement, _field: Field, answer: Answer | None) -> Statement:
    return replace(statement, text=None if answer is None else Words(text=str(answer)))


def _set_low(statement: Statement, _field: Field, answer: Answer | None) -> Statement:
    low = Moment(null_flavor="UNK") if answer is None else Moment(value=str(answer))
    return replace(statement, times=(Time(low=low, high=statement.time.high if statement.time else None),))


def _set_high(statement: Statement, _field: Field, answer: Answer | None) -> Statement:
    high = None if answer is None else Moment(value=str(answer))
    start = statement.time.start if statement.time else None
    low = Moment(value=start) if start else Moment(null_flavor="UNK")
    return replace(statement, times=(Time(low=low, high=high),))


def _set_point(statement: Statement, _field: Field, answer: Answer | None) -> Statement:
    return replace(statement, times=(Time(null_flavor="UNK") if answer is None else Time(value=str(answer)),))


def _set_priority(statement: Statement, _field: Field, answer: Answer | None) -> Statement:
    return replace(statement, priority=None if answer is None else _with_original(None, str(answer)))


def _set_code(statement: Statement, _field: Field, answer: Answer | None) -> Statement:
    return replace(statement, code=answer if isinstance(answer, Code) else Code(null_flavor="UNK"))


def _set_code_original(statement: Statement, _field: Field, answer: Answer | None) -> Statement:
    return replace(statement, code=_with_original(statement.code, None if answer is None else str(answer)))


def _set_status(statement: Statement, _field: Field, answer: Answer | None) -> Statement:
    return replace(statement, status=None if answer is None else str(answer))


_READERS: dict[str, Callable[[Statement, Field], Answer | None]] = {
    "value": _value,
    "value.original": _said,
    "value.qualifier": lambda statement, field: _qualifier(statement.value.code if statement.value else None, field),
    "site": _site,
    "site.qualifier": lambda statement, field: _qualifier(statement.sites[0] if statement.sites else None, field),
    "text": lambda statement, _field: _spoken(statement.text),
    "time": lambda statement, _field: statement.time.start if statement.time else None,
    "time.low": lambda statement, _field: statement.time.start if statement.time else None,
    "time.high": lambda statement, _field: statement.time.stop if statement.time else None,
    "priority": lambda statement, _field: _spoken(statement.priority.original) if statement.priority else None,
    "code": lambda statement, _field: _meant(statement.code),
    "code.original": lambda statement, _field: _spoken(statement.code.original) if statement.code else None,
    "status": lambda statement, _field: statement.status,
}
_WRITERS: dict[str, Callable[[Statement, Field, Answer | None], Statement]] = {
    "value": _set_value,
    "value.original": _say,
    "value.qualifier": _set_value_qualifier,
    "site": _set_site,
    "site.qualifier": _set_site_qualifier,
    "text": _set_text,
    "time": _set_point,
    "time.low": _set_low,
    "time.high": _set_high,
    "priority": _set_priority,
    "code": _set_code,
    "code.original": _set_code_original,
    "status": _set_status,
}
