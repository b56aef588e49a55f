"""What a worker of one network is given, and nothing more: its database, its user of the broker, the directory under
its own role.

Its process gets addresses in its environment, as from servers that others run: it draws no secret of the state. On a
host of its own, `state` holds two files, `keys/<network>.key` and `locator.key`, which all share, and the documents are
where PASSERELLE_CONTENTS_URL says.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from passerelle_ops.settings import Settings
from passerelle_ops.stack.addresses import Addresses
from passerelle_ops.stack.state import StackInfo

_OF_A_NETWORK = "PASSERELLE_TENANT_"
_OF_ALL = ("PASSERELLE_DIRECTORY_OWNER_URL", "PASSERELLE_BROKER_URL")


def environment_of_one(settings: Settings, tenant_id: str, info: StackInfo | None = None) -> Mapping[str, str]:
    """The environment of a worker of one network. Refused as `Addresses`: NOT_RUNNING, TENANT_URL_MISSING."""
    addresses, name = Addresses(settings, info), tenant_id.upper().replace("-", "_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(_OF_A_NETWORK) and key not in _OF_ALL}
    return {
        **kept,
        "PASSERELLE_STATE": str(settings.state.absolute()),
        "PASSERELLE_WORKER_TENANT": tenant_id,
        "PASSERELLE_DIRECTORY_URL": addresses.tenant_directory_url(tenant_id),
        f"{_OF_A_NETWORK}{name}_URL": addresses.tenant_url(tenant_id),
        f"{_OF_A_NETWORK}{name}_BROKER_URL": addresses.tenant_broker_url(tenant_id),
        **{key: value for key, value in os.environ.items() if key == f"{_OF_A_NETWORK}{name}_KEY_TEXT"},
    }
