"""What people see on the terminal: sentences of `sentences.toml`, tables, and the progress of anything long."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from passerelle.kernel import messages


@cache
def _sentences() -> Mapping[str, str]:
    return {
        code: str(sentence)
        for code, sentence in tomllib.loads(files(__package__).joinpath("sentences.toml").read_text("utf-8")).items()
    }


def sentence(code: str, **fields: str | int) -> str:
    """The sentence of a code, its fields put in as plain text, its words in the number that each field asks for."""
    template = messages.agreed(_sentences()[code], fields)
    return template.format_map({name: escape(str(value)) for name, value in fields.items()})


@cache
def output() -> Console:
    """The standard output: what was asked for."""
    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())


@cache
def notices() -> Console:
    """The error output: progress and remarks, which a pipe must not swallow as data."""
    return Console(stderr=True, highlight=False)


def say(code: str, **fields: str | int) -> None:
    """One sentence on the standard output."""
    output().print(sentence(code, **fields))


def remark(code: str, **fields: str | int) -> None:
    """One sentence on the error output."""
    notices().print(sentence(code, **fields))


def print_json(document: object) -> None:
    """One JSON document on the standard output, and nothing else there."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2, default=str) + "\n")
    sys.stdout.flush()


def table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    caption: str | None = None,
    whole: Collection[str] = (),
) -> Table:
    """A table for people; cells are markup, so escape what comes from outside.

    `whole` names the columns that people copy from: the others fold first.
    """
    shown = Table(title=title, title_justify="left", title_style="bold", caption=caption, caption_justify="left")
    for column in columns:
        shown.add_column(column, overflow="fold", no_wrap=column in whole)
    for row in rows:
        shown.add_row(*row)
    return shown


def progress() -> Progress:
    """A progress bar with the time that remains, on the error output; silent when that is not a terminal."""
    return Progress(
        SpinnerColumn(finished_text="✓"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        console=notices(),
        disable=not notices().is_terminal,
        transient=False,
    )
