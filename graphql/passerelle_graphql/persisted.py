"""Operations that need not be sent whole: registered ones, and those that a client had us keep (docs/decisions/0101).

    {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "…"}}}    automatic, as Apollo's clients do
    {"documentId": "sha256:…"}, {"documentId": "OpenDossier"}                GraphQL over HTTP, appendix A
    {"operationName": "OpenDossier"}                                         a registered one, by its name alone

A document is kept for all only when it designates nobody, for whoever finds one there learns that it was asked.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeAlias, TypeVar

from graphql import GraphQLSyntaxError, OperationDefinitionNode, parse

from passerelle.kernel.errors import InvalidInput
from passerelle_graphql.committed import committed

Owner: TypeAlias = tuple[str, str]
"""A network and an actor within it."""

_Kept = TypeVar("_Kept")
_Key: TypeAlias = tuple[Owner | None, str]


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


class Registered:
    """The documents that an installation knows in advance: the committed ones, and those of a folder of its own."""

    def __init__(self, by_name: Mapping[str, str] | None = None) -> None:
        self.by_name: Mapping[str, str] = committed() if by_name is None else by_name
        self.texts = frozenset(self.by_name.values())
        self.by_hash: Mapping[str, str] = {sha256(text): text for text in self.texts}

    @classmethod
    def with_folder(cls, folder: Path | None) -> Registered:
        """The committed ones and the `*.graphql` of `folder`.

        Refused: OPERATIONS_UNREADABLE for a file that is no document in UTF-8, or one of whose operations has no
        name, or that of another.
        """
        by_name = dict(committed())
        for file in sorted(folder.glob("*.graphql")) if folder is not None else ():
            try:
                text = file.read_text("utf-8")
                operations = [each for each in parse(text).definitions if isinstance(each, OperationDefinitionNode)]
                names = [each.name.value for each in operations if each.name]
            except (OSError, UnicodeDecodeError, GraphQLSyntaxError) as unreadable:
                raise InvalidInput("OPERATIONS_UNREADABLE", file=file.name) from unreadable
            if len(set(names)) < len(operations) or any(by_name.get(each, text) != text for each in names):
                raise InvalidInput("OPERATIONS_UNREADABLE", file=file.name)
            by_name |= dict.fromkeys(names, text)
        return cls(by_name)


@dataclass(slots=True)
class _Shelf:
    """What one actor had us keep, the least recently asked for first: the size of each."""

    sizes: OrderedDict[_Key, int] = field(default_factory=OrderedDict)
    size: int = 0


class Kept(Generic[_Kept]):
    """What was made of documents, by their text: at most `count` of them and `chars` in sum.

    Each actor has a shelf of `share` of both, and what is too much leaves the fullest: nobody takes another's place
    by asking for many. What is not `for_all` is found again by its owner alone.
    """

    def __init__(self, *, count: int, chars: int, share: float) -> None:
        self._count, self._chars = count, chars
        self._most, self._most_chars = max(1, int(count * share)), int(chars * share)
        self._kept: dict[_Key, tuple[_Kept, _Shelf]] = {}
        self._shelves: dict[Owner, _Shelf] = {}
        self._texts: dict[str, str] = {}  # by hash, of those that are for all
        self._size = 0

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def chars(self) -> int:
        return self._size

    def by_text(self, text: str, owner: Owner) -> _Kept | None:
        key: _Key = (None, text)
        found = self._kept.get(key)
        if found is None:
            key = (owner, text)
            found = self._kept.get(key)
            if found is None:
                return None
        found[1].sizes.move_to_end(key)
        return found[0]

    def by_hash(self, digest: str) -> str | None:
        """The text, for all, of that SHA-256, if a client gave both."""
        return self._texts.get(digest)

    def keep(self, text: str, made: _Kept, owner: Owner, *, for_all: bool) -> None:
        if len(text) > self._most_chars:
            return
        key: _Key = (None if for_all else owner, text)
        if key in self._kept:
            return
        shelf = self._shelves.setdefault(owner, _Shelf())
        shelf.sizes[key] = len(text)
        shelf.size += len(text)
        self._size += len(text)
        self._kept[key] = made, shelf
        while len(shelf.sizes) > self._most or shelf.size > self._most_chars:
            self._drop(owner)
        while len(self._kept) > self._count or self._size > self._chars:
            self._drop(max(self._shelves, key=lambda each: self._shelves[each].size))

    def keep_hash(self, digest: str, text: str) -> None:
        """Have `text` found by its hash as long as it is kept for all."""
        if (None, text) in self._kept:
            self._texts[digest] = text

    def _drop(self, owner: Owner) -> None:
        shelf = self._shelves[owner]
        key, size = shelf.sizes.popitem(last=False)
        shelf.size -= size
        self._size -= size
        del self._kept[key]
        if not shelf.sizes:
            del self._shelves[owner]
        if key[0] is None and self._texts:
            self._texts.pop(sha256(key[1]), None)
