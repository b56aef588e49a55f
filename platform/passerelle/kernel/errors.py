"""Everything that may go wrong on purpose.

    PasserelleError            code, French sentence, fields for the machine
    ├── InvalidInput           what was given cannot be used; names the field
    │   └── LimitExceeded      too big, too deep, too many; names the limit
    ├── NotAuthenticated       no usable token
    ├── Refused                the rules say no; carries its journal line
    ├── Conflict               the state of things does not allow it (a person may have to settle it); may carry a line
    ├── TryLater               too many requests, or a component is away; carries seconds
    └── BrokenIntegrity        stored data does not agree with its hash, seal or key

A `code` is stable and in capitals; its sentence is in `messages/fr.toml` and holds no name, INS or health
datum. Each face owns one table from class to its protocol; no protocol status appears here.
"""

from __future__ import annotations

from typing import ClassVar

from passerelle.kernel import messages


class PasserelleError(Exception):
    """An expected failure. `fields` are safe to show and to log (names of inputs, limits, counts, codes)."""

    kind: ClassVar[str] = "error"

    def __init__(self, code: str, **fields: str | int) -> None:
        self.code = code
        self.fields = fields
        super().__init__(code)

    @property
    def message(self) -> str:
        """The French sentence for the person: what was wrong and what to do."""
        return messages.sentence(self.code, self.fields)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class InvalidInput(PasserelleError):
    kind = "invalid_input"


class LimitExceeded(InvalidInput):
    kind = "limit_exceeded"


class NotAuthenticated(PasserelleError):
    kind = "not_authenticated"


class Refused(PasserelleError):
    """A rule said no. `line` is what the journal must say; `audit.transactions` writes it after the rollback."""

    kind = "refused"

    def __init__(self, code: str, *, line: object = None, **fields: str | int) -> None:
        super().__init__(code, **fields)
        self.line = line


class Conflict(PasserelleError):
    """The state of things says no. It carries a `line`, as `Refused` does, when a rule was asked and said no too."""

    kind = "conflict"

    def __init__(self, code: str, *, line: object = None, **fields: str | int) -> None:
        super().__init__(code, **fields)
        self.line = line


class TryLater(PasserelleError):
    kind = "try_later"

    def __init__(self, code: str, *, retry_after: int, **fields: str | int) -> None:
        super().__init__(code, retry_after=retry_after, **fields)
        self.retry_after = retry_after


class BrokenIntegrity(PasserelleError):
    kind = "broken_integrity"
