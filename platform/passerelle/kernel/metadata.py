"""The two schemas: one small directory shared by the network, one database for each tenant."""

from __future__ import annotations

from sqlalchemy import MetaData

_NAMES = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}

directory = MetaData(naming_convention=_NAMES)
tenant = MetaData(naming_convention=_NAMES)
