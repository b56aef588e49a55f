"""`passerelle worker`, `passerelle beat`: a worker or its clock in the foreground, of all networks or of one alone."""

from __future__ import annotations

from pathlib import Path
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
    _become("passerelle_ops.worker", tenant, state)


def beat(tenant: Only = None, state: State = None) -> None:
    """Faire tourner l’horloge au premier plan : elle appelle les tâches, et n’en exécute aucune.

    Un travailleur a sa propre horloge, sauf avec PASSERELLE_BEAT=false : plusieurs se partagent alors les tours
    que celle-ci envoie. Avec --tenant, elle n’a que ce qu’aurait le travailleur de ce réseau.
    """
    _become("passerelle_ops.beat", tenant, state)


def _become(module: str, tenant: str | None, state: Path | None) -> None:
    import os
    import sys

    from passerelle_ops.stack.one_tenant import environment_of_one

    settings = settings_of(state)
    if tenant is None:
        environment = {**os.environ, "PASSERELLE_STATE": str(settings.state.absolute())}
    else:
        environment = dict(environment_of_one(settings, tenant))
    # In place of this process, so that signals reach it and nothing that was read here is kept.
    os.execve(sys.executable, [sys.executable, "-P", "-m", module], environment)  # noqa: S606
