"""The arithmetic: what so many patients do in a year, what that fills, and what it keeps busy in its busiest hours.

Every figure is a plain expression over the inputs, so that it can be checked by hand. Sizes are octets, not powers of
two; times are processor time unless a name says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from passerelle_ops.sizing.inputs import Inputs, Population

_SEGMENT: Final = 65_536
_SECONDS_A_YEAR: Final = 365 * 86_400
_BACKUP_NIGHT: Final = 8 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One result; `is_network`: of one of the networks, all others being as large."""

    name: str
    unit: str
    value: float
    is_network: bool = False


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The number of patients at which one network outgrows one server for one reason."""

    name: str
    patients: float


def sized(inputs: Inputs, population: Population) -> Sequence[Figure]:
    """Everything that a population needs, in the order in which it is shown."""
    patients, networks = population.patients, population.networks
    return (*_done(inputs, patients), *_kept(inputs, patients, networks), *_busy(inputs, patients, networks))


def ceilings(inputs: Inputs) -> Sequence[Ceiling]:
    """How large a network may grow on one server of `server_*` before each limit; the lowest comes first.

    Each need grows with the patients and nothing else, but for the signed heads, of which a network makes as many
    whatever its size.
    """
    one = kept(inputs, 1.0, 0.0)
    fixed = _heads(inputs, 1.0)
    disk, database = inputs["server_disk"] * inputs["disk_share"], one["database"]
    limits: Mapping[str, float] = {
        "sealing": inputs["used_share"] / (peak(inputs, journal_lines(inputs, 1.0)) * inputs["sealing_line"] / 1e6),
        "database_cores_limit": inputs["server_cores"] * inputs["used_share"] / database_cores(inputs, 1.0),
        "database_memory": (inputs["server_memory"] / inputs["hot_share"] - fixed) / database,
        "database_disk": (disk - fixed) / database,
        "backup_in_a_night": (inputs["backup_rate"] * _BACKUP_NIGHT - fixed) / database,
    }
    return sorted((Ceiling(name, max(0.0, value)) for name, value in limits.items()), key=lambda each: each.patients)


def documents(inputs: Inputs, patients: float) -> float:
    """Filed in a year."""
    return patients * inputs["documents_patient"]


def openings(inputs: Inputs, patients: float) -> float:
    """Records opened in a year, by whomever."""
    return patients * inputs["openings_patient"]


def dispensations(inputs: Inputs, patients: float) -> float:
    """Recorded in a year."""
    return patients * inputs["dispensations_patient"]


def journal_lines(inputs: Inputs, patients: float) -> float:
    """Written in a year: each reading and each act is at least one."""
    read = openings(inputs, patients) * (1 + inputs["contents_opening"])
    filed = documents(inputs, patients) * inputs["lines_document"]
    return read + filed + dispensations(inputs, patients) * inputs["lines_dispensation"]


def peak(inputs: Inputs, year: float) -> float:
    """A second of the busiest hour, of something that happens `year` times in a year."""
    return year / (inputs["working_hours"] * 3600) * inputs["peak_factor"]


def kept(inputs: Inputs, patients: float, networks: float) -> Mapping[str, float]:
    """Octets of one copy after `years_kept`: the parts of the databases, then `database` and `contents`."""
    years, journal_years = inputs["years_kept"], min(inputs["years_kept"], inputs["journal_years"])
    lines = journal_lines(inputs, patients)
    filed, dispensed = documents(inputs, patients) * years, dispensations(inputs, patients) * years
    dispensation = inputs["dispensation_row"] + inputs["products_dispensation"] * inputs["product_row"]
    events = filed * inputs["events_document"] + dispensed * inputs["events_dispensation"]
    parts = {
        "patients": patients * inputs["patient_rows"],
        "documents": filed * inputs["document_rows"],
        "dispensations": dispensed * dispensation,
        "journal": lines * journal_years * inputs["journal_row"],
        "leaves": lines * years * inputs["leaf_row"] + _heads(inputs, networks),
        "outbox": events * inputs["outbox_row"],
    }
    return {**parts, "database": sum(parts.values()), "contents": filed * _sealed(inputs["document_octets"], inputs)}


def gateway_cores(inputs: Inputs, patients: float) -> float:
    """Cores that the gateway keeps busy: openings, contents, filings."""
    opened = openings(inputs, patients)
    spent = opened * inputs["opening_gateway"] + opened * inputs["contents_opening"] * inputs["content_gateway"]
    return peak(inputs, spent + documents(inputs, patients) * inputs["filing_gateway"]) / 1e3


def database_cores(inputs: Inputs, patients: float) -> float:
    """Cores that PostgreSQL keeps busy for the same, and for dispensations."""
    opened = openings(inputs, patients)
    read = opened * (1 + inputs["contents_opening"]) * inputs["opening_database"]
    acts = documents(inputs, patients) + dispensations(inputs, patients)
    return peak(inputs, read + acts * inputs["act_database"]) / 1e3


def worker_cores(inputs: Inputs, patients: float) -> float:
    """Cores that sealing and what travels between networks keep busy."""
    sealing = journal_lines(inputs, patients) * inputs["sealing_line"] / 1e3
    travelling = documents(inputs, patients) * inputs["travelling_share"] * inputs["travelling_document"]
    return peak(inputs, sealing + travelling) / 1e3


def _done(inputs: Inputs, patients: float) -> Iterator[Figure]:
    counted: Mapping[str, Callable[[Inputs, float], float]] = {
        "documents": documents,
        "openings": openings,
        "dispensations": dispensations,
        "journal_lines": journal_lines,
    }
    for name, count in counted.items():
        yield Figure(name=f"{name}_year", unit="1/year", value=count(inputs, patients))
    for name, count in counted.items():
        yield Figure(name=f"{name}_peak", unit="1/s", value=peak(inputs, count(inputs, patients)))


def _kept(inputs: Inputs, patients: float, networks: int) -> Iterator[Figure]:
    parts = dict(kept(inputs, patients, networks))
    for name, octets in parts.items():
        yield Figure(name=f"{name}_octets", unit="octets", value=octets)
    yield Figure(name="database_octets_network", unit="octets", value=parts["database"] / networks, is_network=True)
    memory = parts["database"] / networks * inputs["hot_share"]
    yield Figure(name="database_memory_network", unit="octets", value=memory, is_network=True)
    yield Figure(name="database_octets_copies", unit="octets", value=parts["database"] * inputs["database_copies"])
    yield Figure(name="contents_octets_copies", unit="octets", value=parts["contents"] * inputs["contents_copies"])
    yield Figure(name="contents_objects", unit="objects", value=documents(inputs, patients) * inputs["years_kept"])
    written = peak(inputs, documents(inputs, patients)) * inputs["document_octets"]
    read = peak(inputs, openings(inputs, patients)) * inputs["contents_opening"] * inputs["document_octets"]
    yield Figure(name="contents_written_peak", unit="octets/s", value=written)
    yield Figure(name="contents_read_peak", unit="octets/s", value=read)


def _busy(inputs: Inputs, patients: float, networks: int) -> Iterator[Figure]:
    gateway, database = gateway_cores(inputs, patients), database_cores(inputs, patients)
    workers = worker_cores(inputs, patients)
    for name, busy in (("gateway", gateway), ("database", database), ("workers", workers)):
        yield Figure(name=f"{name}_cores", unit="cores", value=busy / inputs["used_share"])
    yield Figure(name="cores", unit="cores", value=(gateway + database + workers) / inputs["used_share"])
    lines = peak(inputs, journal_lines(inputs, patients)) / networks
    yield Figure(name="sealer_busy", unit="share", value=lines * inputs["sealing_line"] / 1e6, is_network=True)
    travelling = peak(inputs, documents(inputs, patients)) * inputs["travelling_share"]
    tasks = networks * inputs["turns_network"] + 2 * travelling / inputs["bundle_documents"]
    yield Figure(name="travelling_peak", unit="1/s", value=travelling)
    yield Figure(name="broker_tasks_peak", unit="1/s", value=tasks)
    yield Figure(name="broker_busy", unit="share", value=tasks / inputs["celery_rate"])
    waiting = networks * inputs["queue_messages"] * inputs["bundle_octets"]
    yield Figure(name="broker_octets", unit="octets", value=waiting)


def _heads(inputs: Inputs, networks: float) -> float:
    """Octets of the signed heads of networks that are never quiet."""
    return networks * inputs["years_kept"] * _SECONDS_A_YEAR / inputs["seal_seconds"] * inputs["head_row"]


def _sealed(octets: float, inputs: Inputs) -> float:
    """A content as it lies in the store: a header, and a tag for each segment."""
    return octets + inputs["content_header"] + inputs["segment_tag"] * math.ceil(octets / _SEGMENT)
