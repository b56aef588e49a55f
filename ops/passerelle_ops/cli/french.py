"""Typer's own words in French: the help option's line and its usage errors."""

from __future__ import annotations

import re
from typing import Any

from typer.core import TyperCommand, TyperGroup

_USAGE = {
    "REQUIRED_LONG_STRING": "[obligatoire]",
    "DEFAULT_STRING": "[par défaut : {}]",
    "ENVVAR_STRING": "[variable : {}]",
    "COMMANDS_PANEL_TITLE": "Commandes",
}
_VALUES = (
    (r"Input should be a valid integer.*", "il faut un nombre entier"),
    (r"Input should be a valid number.*", "il faut un nombre"),
    (r"Input should be a valid string.*", "il faut un texte"),
    (r"Input should be a valid boolean.*", "il faut oui ou non"),
    (r"Input should be a valid UUID.*", "il faut un identifiant interne (UUID) ; ceux de GraphQL sont scellés"),
    (r"Value error, '(.*)' does not match the formats? '%Y-%m-%d'", r"« \1 » n’est pas un jour (AAAA-MM-JJ)"),
    (r"(?:path|file) '(.*)' is a directory", r"« \1 » est un dossier, pas un fichier"),
    (r"(?:path|file|dir|directory) '(.*)' is not writable", r"« \1 » n’est pas accessible en écriture"),
    (r"Input should be (?:greater|less) than or equal to (.*)", r"il faut rester dans les bornes (\1)"),
    (r"(?:path|file|dir|directory) '(.*)' does not exist", r"le chemin « \1 » n’existe pas"),
    (r"(?:path|dir|directory) '(.*)' is a file", r"« \1 » est un fichier, pas un dossier"),
    (r"(?:path|file|dir|directory) '(.*)' is not readable", r"« \1 » n’est pas lisible"),
)
_HELP_LINE = "Afficher cette aide et quitter."


class _French:
    """What a command and a group of commands have in common: a `--help` that describes itself in French."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        _speak_french()
        super().format_help(ctx, formatter)  # type: ignore[misc]

    def get_help_option(self, ctx: Any) -> Any:
        option = super().get_help_option(ctx)  # type: ignore[misc]
        if option is not None:
            option.help = _HELP_LINE
        return option


class FrenchCommand(_French, TyperCommand):
    """A command."""


class FrenchGroup(_French, TyperGroup):
    """A group of commands."""


def _speak_french() -> None:
    """Typer keeps the words of its help in variables of a module that only `--help` loads."""
    from typer import rich_utils

    for name, words in _USAGE.items():
        setattr(rich_utils, name, words)


def usage_sentence(error: Any) -> str:
    """What was wrong with the command line, in French."""
    named = _named(error)
    match type(error).__name__:
        case "NoSuchOption":
            near = f" Vouliez-vous dire {', '.join(sorted(error.possibilities))} ?" if error.possibilities else ""
            return f"L’option {error.option_name} n’existe pas.{near}"
        case "MissingParameter":
            return f"Il manque {named}."
        case "BadOptionUsage":
            return f"L’option {error.option_name} attend une valeur."
        case "BadParameter":
            return f"La valeur donnée pour {named} ne convient pas : {_value_sentence(error.message)}."
        case _:
            message = str(error.message)
            if message.startswith("No such command"):
                return f"La commande {message.split(chr(39))[1]} n’existe pas."
            if message.startswith("Got unexpected extra argument"):
                return f"Argument en trop : {message.rpartition('(')[2].rstrip(').')}."
            return message


def _value_sentence(message: str) -> str:
    bare = message.rstrip(".")
    for english, french in _VALUES:
        if (match := re.fullmatch(english, bare, re.IGNORECASE)) is not None:
            return match.expand(french)
    return bare


def _named(error: Any) -> str:
    hint = getattr(error, "param_hint", None)
    if hint is None and getattr(error, "param", None) is not None:
        hint = error.param.get_error_hint()
    if isinstance(hint, str):
        hint = hint.replace("(env var:", "(variable :")
    if isinstance(hint, str):
        return hint
    return " / ".join(hint) if hint else "un argument"
