"""Where each database and the broker are: what settings say, else the embedded servers of the state.

One code path for both: who asks for a DSN cannot tell which it got. In an embedded PostgreSQL the names are

    database  passerelle_directory       tenant_<id>
    owner     passerelle_owner           (migrations, both kinds)
    serving   passerelle_directory       passerelle_<id>      (members of the group passerelle_serving)

A network's role serves its own database, and in the directory, when a worker works for that network alone, it
publishes that network's keys and no other's. Each role's password is the secret of its name in the state;
`broker_users` says who is who at the broker.
"""

from __future__ import annotations

from passerelle.kernel.errors import Conflict
from passerelle_ops.settings import Settings
from passerelle_ops.stack.broker_users import admit, password_of, user_of
from passerelle_ops.stack.postgres import SUPERUSER
from passerelle_ops.stack.state import StackInfo, StateFolder

OWNER = "passerelle_owner"
DIRECTORY = "passerelle_directory"


def tenant_database(tenant_id: str) -> str:
    """The name of a tenant's database in the embedded server."""
    return f"tenant_{tenant_id.replace('-', '_')}"


def tenant_role(tenant_id: str) -> str:
    """The serving role of a tenant in the embedded server."""
    return f"passerelle_{tenant_id.replace('-', '_')}"


class Addresses:
    """The DSNs of a running stack, or of external servers. Refused with NOT_RUNNING when there is neither."""

    def __init__(self, settings: Settings, info: StackInfo | None = None) -> None:
        self._settings = settings
        self._state = StateFolder(settings.state)
        self._info = info

    @property
    def is_embedded(self) -> bool:
        """Whether the databases live in our own PostgreSQL, where we may create roles and databases."""
        return self._settings.directory_url is None

    def password(self, role: str) -> str:
        """The password of a role of the embedded server, drawn the first time."""
        return self._state.secret(role)

    def administrator_url(self, database: str = "postgres") -> str:
        """The superuser of the embedded server, to create roles and databases. Refused with EXTERNAL_SERVER."""
        if not self.is_embedded:
            raise Conflict("EXTERNAL_SERVER")
        return self._embedded(SUPERUSER, database, kept_as="postgres-superuser")

    def directory_url(self) -> str:
        if self._settings.directory_url is not None:
            return self._settings.directory_url.get_secret_value()
        return self._embedded(DIRECTORY, DIRECTORY)

    def directory_owner_url(self) -> str:
        if self._settings.directory_url is None:
            return self._embedded(OWNER, DIRECTORY)
        return (self._settings.directory_owner_url or self._settings.directory_url).get_secret_value()

    def tenant_directory_url(self, tenant_id: str) -> str:
        """The directory under a network's own role; where others run it and name no such role, as `directory_url`."""
        if given := self._settings.tenant_directory_url(tenant_id):
            return given
        if not self.is_embedded:
            return self.directory_url()
        return self._embedded(tenant_role(tenant_id), DIRECTORY)

    def tenant_url(self, tenant_id: str) -> str:
        """A tenant's database under its serving role. External and not given: TENANT_URL_MISSING."""
        if given := self._settings.tenant_url(tenant_id):
            return given
        self._refuse_unplaced(tenant_id)
        return self._embedded(tenant_role(tenant_id), tenant_database(tenant_id))

    def tenant_owner_url(self, tenant_id: str) -> str:
        if given := self._settings.tenant_owner_url(tenant_id) or self._settings.tenant_url(tenant_id):
            return given
        self._refuse_unplaced(tenant_id)
        return self._embedded(OWNER, tenant_database(tenant_id))

    def broker_url(self) -> str:
        if self._settings.broker_url is not None:
            return self._settings.broker_url.get_secret_value()
        port = self._running().valkey_port
        return f"redis://:{self._state.secret('valkey')}@127.0.0.1:{port}/0"

    def own_broker_url(self) -> str:
        """The broker as this process works there: the user of the one network that it serves, or the installation's."""
        only = self._settings.worker_tenant
        return self.broker_url() if only is None else self.tenant_broker_url(only)

    def tenant_broker_url(self, tenant_id: str) -> str:
        """The broker under a network's own user; where others run it and name no such user, as `broker_url`.

        A worker of one network knows no other's: TENANT_URL_MISSING.
        """
        if given := self._settings.tenant_broker_url(tenant_id):
            return given
        if self._settings.worker_tenant not in (None, tenant_id):
            raise Conflict("TENANT_URL_MISSING", tenant=tenant_id)
        if self._settings.broker_url is not None:
            return self._settings.broker_url.get_secret_value()
        port = self._running().valkey_port
        return f"redis://{user_of(tenant_id)}:{password_of(tenant_id, self._state)}@127.0.0.1:{port}/0"

    def admit_to_broker(self, tenant_id: str) -> None:
        """Have our own broker know a network's user, where it runs; to one that others run, its operator admits it."""
        if self._settings.broker_url is None and (self._info or self._state.running()) is not None:
            admit(self.broker_url(), tenant_id, self._state)

    def _refuse_unplaced(self, tenant_id: str) -> None:
        if not self.is_embedded:
            raise Conflict("TENANT_URL_MISSING", tenant=tenant_id)

    def _embedded(self, role: str, database: str, *, kept_as: str | None = None) -> str:
        port = self._running().postgres_port  # first: where nothing runs, no secret is drawn
        return f"postgresql://{role}:{self._state.secret(kept_as or role)}@127.0.0.1:{port}/{database}"

    def _running(self) -> StackInfo:
        if self._info is None:
            self._info = self._state.what_runs()
        return self._info
