"""What is not done, as types: a client asks for `... on Problem { code message }` and reads a stable code."""

from __future__ import annotations

import strawberry
from strawberry.types import Info
from strawberry.types.field import StrawberryField

from passerelle.audit.journal import Line
from passerelle.kernel import errors, messages


@strawberry.interface(
    description="Ce qui n'a pas été fait, et pourquoi. Le code est stable, la phrase est pour la personne."
)
class Problem:
    code: str
    message: str


@strawberry.type(description="Les règles s'y opposent. Le refus est au journal.")
class Refusal(Problem):
    rule: str | None = strawberry.field(default=None, description="Identifiant de la règle qui a décidé.")
    source: str | None = strawberry.field(default=None, description="Texte dont la règle est tirée.")


@strawberry.type(description="L'état des choses ne le permet pas ; une personne a peut-être à trancher.")
class Conflict(Problem):
    pass


@strawberry.type(description="Ce qui a été donné ne peut pas servir.")
class InvalidInput(Problem):
    pass


@strawberry.type(description="Rien ne répond à ce qui a été demandé.")
class NotFound(Problem):
    @classmethod
    def of(cls, code: str) -> NotFound:
        """The absence that a code names, with its sentence."""
        return cls(code=code, message=messages.sentence(code, {}))


@strawberry.type(description="Trop de demandes, ou un composant absent : réessayer plus tard.")
class TryLater(Problem):
    retry_after: int = strawberry.field(description="En secondes.")


class AsRefusal(strawberry.ExceptionHandler[errors.Refused, Refusal]):
    """A refusal of the rules, with what its journal line says of the rule."""

    def handle(self, exception: errors.Refused, *, field: StrawberryField, info: Info) -> Refusal:  # noqa: ARG002 - Strawberry's signature
        said = exception.line.rule if isinstance(exception.line, Line) else exception.fields.get("rule")
        source = exception.fields.get("source")
        return Refusal(
            code=exception.code,
            message=exception.message,
            rule=str(said) if said else None,
            source=str(source) if source else None,
        )


class AsConflict(strawberry.ExceptionHandler[errors.Conflict, Conflict]):
    def handle(self, exception: errors.Conflict, *, field: StrawberryField, info: Info) -> Conflict:  # noqa: ARG002 - Strawberry's signature
        return Conflict(code=exception.code, message=exception.message)


class AsInvalidInput(strawberry.ExceptionHandler[errors.InvalidInput, InvalidInput]):
    def handle(self, exception: errors.InvalidInput, *, field: StrawberryField, info: Info) -> InvalidInput:  # noqa: ARG002 - Strawberry's signature
        return InvalidInput(code=exception.code, message=exception.message)


class AsTryLater(strawberry.ExceptionHandler[errors.TryLater, TryLater]):
    def handle(self, exception: errors.TryLater, *, field: StrawberryField, info: Info) -> TryLater:  # noqa: ARG002 - Strawberry's signature
        return TryLater(code=exception.code, message=exception.message, retry_after=exception.retry_after)


HANDLERS = (AsRefusal(), AsConflict(), AsInvalidInput(), AsTryLater())
