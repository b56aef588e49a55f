"""`passerelle worker`: a worker in the foreground, of all networks or of one alone."""

from __future__ import annotations

from typing import Annotated

import typer

from passerelle_ops.cli.options import State, settings_of

Only = Annotated[
    str | None,
    typer.Option("--tenant", "-t", metavar="RÉSEAU", help="Ce réseau seul ; sans cette option, tous."),
]


def worker(tenant: Only = None, state: State = None) -> None:
    """Faire tourner un travailleur au premier plan : tâches d’heure en heure, et échanges entre réseaux.

    Avec --tenant, il ne reçoit que la base, la clé et le compte de courtier de ce réseau, et rien des autres.
    « passerelle serve » en démarre déjà un pour tous.
    """
    import os
    import sys

    from passerelle_ops.stack.one_tenant import environment_of_one

    settings = settings_of(state)
    if tenant is None:
        environment = {**os.environ, "PASSERELLE_STATE": str(settings.state.absolute())}
    else:
        environment = dict(environment_of_one(settings, tenant))
    # In place of this process, so that signals reach it and nothing that was read here is kept.
    os.execve(sys.executable, [sys.executable, "-P", "-m", "passerelle_ops.worker"], environment)  # noqa: S606
