"""The values of a document as JSON and back: what a `jsonb` column keeps. What is empty is left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import cache
from types import NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from passerelle.kernel.errors import InvalidInput

_T = TypeVar("_T")
_Loader = Callable[[Any], Any]


def dumped(value: object) -> dict[str, Any]:
    """A value as a mapping that `json.dumps` takes."""
    return {
        name: _dump(held) for name, default in _defaults(_class(value)) if (held := getattr(value, name)) != default
    }


def _dump(value: Any) -> Any:
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, tuple):
        return [_dump(each) for each in value]
    return dumped(value)


def _class(value: Any) -> Any:
    return type(value)


@cache
def _defaults(kind: Any) -> tuple[tuple[str, object], ...]:
    """The default of each field; words are always written, for a default may change after they are."""
    return tuple((each.name, None if isinstance(each.default, str) else each.default) for each in fields(kind))


def loaded(kind: type[_T], given: object) -> _T:
    """The value of `kind` that `given` holds. Refused: SHEET_MALFORMED for what `dumped` never gave."""
    described: Any = kind
    try:
        value: _T = _loader(described)(given)
    except (TypeError, ValueError, RecursionError) as broken:
        raise InvalidInput("SHEET_MALFORMED") from broken
    return value


@cache
def _loader(kind: Any) -> _Loader:
    if is_dataclass(kind):
        return _dataclass_loader(kind)
    if get_origin(kind) is Literal:
        return _one_of(get_args(kind))
    if get_origin(kind) is tuple:
        inside = get_args(kind)
        return _many(inside[0]) if inside[-1] is Ellipsis else _exactly(inside)
    alternatives = [each for each in get_args(kind) if each is not NoneType]
    if alternatives:
        return _optional(alternatives, optional=NoneType in get_args(kind))
    return _scalar(kind)


def _dataclass_loader(kind: Any) -> _Loader:
    loaders: dict[str, _Loader] = {}

    def load(given: Any) -> Any:
        if not loaders:  # on first use: a statement holds statements
            hints = get_type_hints(kind)
            loaders.update((each.name, _loader(hints[each.name])) for each in fields(kind))
        if not isinstance(given, dict) or not given.keys() <= loaders.keys():
            raise TypeError(kind.__name__)
        return kind(**{name: loaders[name](value) for name, value in given.items()})

    return load


def _many(kind: Any) -> _Loader:
    def load(given: Any) -> Any:
        if not isinstance(given, list):
            raise TypeError("list")
        each = _loader(kind)
        return tuple(each(value) for value in given)

    return load


def _exactly(kinds: tuple[Any, ...]) -> _Loader:
    def load(given: Any) -> Any:
        if not isinstance(given, list):
            raise TypeError("list")
        return tuple(_loader(kind)(value) for kind, value in zip(kinds, given, strict=True))

    return load


def _optional(alternatives: list[Any], *, optional: bool) -> _Loader:
    """None, words, or the one value that these words may stand for."""
    scalar = next((each for each in alternatives if not is_dataclass(each) and get_origin(each) is None), None)
    other = next((each for each in alternatives if each is not scalar), None)

    def load(given: Any) -> Any:
        if given is None and optional:
            return None
        if other is not None and isinstance(given, dict | list):
            return _loader(other)(given)
        if scalar is None:
            raise TypeError("value")
        return _loader(scalar)(given)

    return load


def _scalar(kind: Any) -> _Loader:
    def load(given: Any) -> Any:
        if type(given) is not kind:
            raise TypeError(kind)
        return given

    return load


def _one_of(words: tuple[Any, ...]) -> _Loader:
    def load(given: Any) -> Any:
        if given not in words:
            raise ValueError(words)
        return given

    return load
