"""From what a command raises to its exit code and its sentence: the command line's own table.

0    done
1    what was asked for failed (a step of the tour, a file not filed, a broken line, a faulty rule, a bench's goal)
2    the request itself is wrong: an option, an argument, a file given         InvalidInput, usage
3    nothing runs over this state                                              NOT_RUNNING
4    the state of things does not allow it                                     Conflict
5    a rule says no, or the token does                                         Refused, NotAuthenticated
6    later                                                                     TryLater
7    what is stored does not agree with its seal, hash or key                  BrokenIntegrity
130  interrupted
"""

from __future__ import annotations

import typer
from typer.exceptions import Exit, TyperException

from passerelle.kernel.errors import (
    BrokenIntegrity,
    Conflict,
    InvalidInput,
    NotAuthenticated,
    PasserelleError,
    Refused,
    TryLater,
)
from passerelle_ops.cli.french import usage_sentence

DONE, FAILED, USAGE, NOT_RUNNING, INTERRUPTED = 0, 1, 2, 3, 130

_BY_CLASS: tuple[tuple[type[PasserelleError], int], ...] = (
    (InvalidInput, USAGE),
    (Conflict, 4),
    (Refused, 5),
    (NotAuthenticated, 5),
    (TryLater, 6),
    (BrokenIntegrity, 7),
)


def exit_code_of(failure: BaseException) -> int:
    """Say what went wrong on the error output and give its exit code; what is not expected is raised again."""
    match failure:
        case Exit():
            return int(failure.exit_code)
        case SystemExit():
            return failure.code if isinstance(failure.code, int) else FAILED
        case KeyboardInterrupt() | typer.Abort():
            return INTERRUPTED
        case TyperException():
            if type(failure).__name__ == "NoArgsIsHelpError":
                return USAGE
            complain(usage_sentence(failure))
            return USAGE
        case PasserelleError():
            complain(failure.message, failure.code)
            if failure.code == "NOT_RUNNING":
                return NOT_RUNNING
            return next((code for kind, code in _BY_CLASS if isinstance(failure, kind)), FAILED)
        case _:
            raise failure


def complain(sentence: str, code: str | None = None) -> None:
    """One line on the error output."""
    suffix = f"  [{code}]" if code else ""
    typer.secho(f"✗ {sentence}{suffix}", err=True, fg=typer.colors.RED)
