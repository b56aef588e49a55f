"""Who may do what at the broker: a user for each network, at home under its own key prefix and nowhere else.

    passerelle:<network>:federation    what other networks sent it: they push, it alone takes
    passerelle:<network>:…             everything else of its worker, that nobody else touches

Valkey's rules name the commands that kombu's Redis transport sends, one by one: no KEYS, no FLUSHALL, no CONFIG, no
publish and no subscribe. The default user is the installation's own. See docs/decisions/0134.
"""

from __future__ import annotations

import hashlib
from typing import Final

import redis

from passerelle_ops.stack.state import StateFolder

KEY_PREFIX: Final = "passerelle:"
FEDERATION: Final = "federation"
TURNS: Final = "turns"
_SECRET: Final = "broker-"  # noqa: S105 - the beginning of the names of secrets
_SESSION = "+auth +hello +ping +select +client|setinfo +client|setname"
_TRANSACTIONS = "+multi +exec +discard +watch +unwatch +evalsha +script|load"
_QUEUES = "+lpush +rpush +rpop +brpop +llen +del +pexpire"
_BINDINGS = "+sadd +srem +smembers"
_UNACKNOWLEDGED = "+hset +hget +hdel +hlen +zadd +zrem +zrange +set +get"
# A selector holds its commands and its keys together: no other command of the user reaches those keys.
_SENDS = f"(+lpush +llen %W~{KEY_PREFIX}*:{FEDERATION})"


def user_of(tenant_id: str) -> str:
    """The name of a network's user."""
    return f"passerelle_{tenant_id}"


def key_prefix(tenant_id: str) -> str:
    """What all keys of a network begin with."""
    return f"{KEY_PREFIX}{tenant_id}:"


def rules(tenant_id: str, password: str) -> list[str]:
    """The rules of a network's user, as ACL SETUSER takes them; of the password, its hash."""
    commands = f"-@all {_SESSION} {_TRANSACTIONS} {_QUEUES} {_BINDINGS} {_UNACKNOWLEDGED}"
    return [
        *("reset", "on", _hashed(password), f"~{key_prefix(tenant_id)}*", "resetchannels", *commands.split()),
        _SENDS,
    ]


def acl_file(state: StateFolder, own_password: str) -> str:
    """The text of the server's `aclfile`: the installation's own user, and one for each network that has a secret."""
    lines = [f"user default reset on {_hashed(own_password)} ~* &* +@all"]
    for name in state.secrets(_SECRET):
        tenant_id = name.removeprefix(_SECRET)
        lines.append(" ".join(["user", user_of(tenant_id), *rules(tenant_id, state.secret(name))]))
    return "\n".join(lines) + "\n"


def password_of(tenant_id: str, state: StateFolder) -> str:
    """The password of a network's user, drawn the first time; from then on the server starts with that user."""
    return state.secret(f"{_SECRET}{tenant_id}")


def admit(own_url: str, tenant_id: str, state: StateFolder) -> None:
    """Have the running server know the user of a network from now on, whether or not it did."""
    client = redis.Redis.from_url(own_url, socket_connect_timeout=5, socket_timeout=5)
    try:
        given = rules(tenant_id, password_of(tenant_id, state))
        client.execute_command("ACL", "SETUSER", user_of(tenant_id), *given)  # type: ignore[no-untyped-call]
        client.acl_save()  # who falls and is started again reads its file as it lies there
    finally:
        client.close()


def _hashed(password: str) -> str:
    return f"#{hashlib.sha256(password.encode('ascii')).hexdigest()}"
