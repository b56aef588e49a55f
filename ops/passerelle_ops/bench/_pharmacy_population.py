"""Invented patients and what was dispensed to them, for a measure, put in with COPY. Nothing of it is a real person's.

A few heavy patients have `HEAVY_LINES` lines each, all of them in their windows; everybody else has `LIGHT_LINES` over
three years, most of which only the storage still holds. The rows of a patient lie scattered over the heap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final, LiteralString
from uuid import UUID

from psycopg import AsyncConnection

from passerelle.kernel.clock import PARIS
from passerelle_ops.bench._bulk import unhindered

HEAVY: Final = 4
HEAVY_LINES: Final = 2_000
LIGHT_LINES: Final = 10
LINES_EACH: Final = 2
PHARMACY: Final = "310790001"
PHARMACIST: Final = "89970000001"
_SUBSTANCES: Final = 40
_HEAVY_DAYS: Final = 350
_LIGHT_DAYS: Final = 3 * 365
_FLUSH: Final = 1_000


@dataclass(frozen=True, slots=True)
class _Dispensation:
    patient_id: str
    dispensation_id: str
    at: datetime
    number: int


class PharmacyPopulation:
    """People with `dispensations` dispensations in all; the same for the same seed."""

    def __init__(self, dispensations: int, *, seed: str = "passerelle-pharmacie-1") -> None:
        self._random = Random(seed)  # noqa: S311 - invented data, not a secret
        self._now = datetime.now(UTC).replace(microsecond=0)
        self.heavy = [UUID(hex=self._id()) for _ in range(HEAVY)]
        of_heavy = HEAVY * HEAVY_LINES // LINES_EACH
        of_one = LIGHT_LINES // LINES_EACH
        if dispensations <= of_heavy:
            raise ValueError("not enough dispensations for the heavy patients alone")
        self._light = [self._id() for _ in range((dispensations - of_heavy) // of_one)]
        self.dispensations = of_heavy + of_one * len(self._light)

    @property
    def rows(self) -> int:
        """How many rows `fill` writes, for a progress bar."""
        return 2 * (HEAVY + len(self._light)) + HEAVY + self.dispensations * (1 + LINES_EACH)

    async def fill(self, connection: AsyncConnection, on_rows: Callable[[int], None] = lambda _: None) -> None:
        """Fill an empty tenant database (under its owner), then let PostgreSQL count it."""
        drawn = self._dispensations()
        tables: tuple[tuple[LiteralString, LiteralString, Iterator[str]], ...] = (
            ("patient", "patient_id, ins_status, family_name, birth_date, registered_at", self._patients()),
            ("pharmacy_record", "patient_id, state, opened_at", self._records()),
            (
                "relation",
                "patient_id, relation_id, relation, subject, valid_from, valid_until, recorded_by",
                self._present(),
            ),
            (
                "dispensation",
                (
                    "patient_id, dispensation_id, pharmacy, pharmacy_number, version, status, dispensed_at,"
                    " dispensed_by, fingerprint, recorded_at"
                ),
                self._dispensation_rows(drawn),
            ),
            (
                "dispensation_line",
                (
                    "patient_id, dispensation_id, number, product_class, cip13, label, substances, atc, quantity,"
                    " dose_text, days, batch, is_prescribed, dispensed_on"
                ),
                self._line_rows(drawn),
            ),
        )
        async with connection.transaction(), unhindered(connection, [name for name, *_ in tables]):
            for table, columns, rows in tables:
                await _copy(connection, table, columns, rows, on_rows)
        await connection.set_autocommit(True)
        await connection.execute("vacuum (analyze)")

    def _id(self) -> str:
        return f"{self._random.getrandbits(128):032x}"

    def _everybody(self) -> Iterator[str]:
        yield from (each.hex for each in self.heavy)
        yield from self._light

    def _patients(self) -> Iterator[str]:
        for number, each in enumerate(self._everybody()):
            yield f"{each}\tqualified\tESSAI{number}\t{1935 + number % 80}0115\t{self._now}\n"

    def _records(self) -> Iterator[str]:
        for each in self._everybody():
            yield f"{each}\topen\t{self._now - timedelta(days=900)}\n"

    def _present(self) -> Iterator[str]:
        """Every heavy patient is at the counter of the pharmacist who reads, for as long as a measure lasts."""
        since, until = self._now - timedelta(minutes=1), self._now + timedelta(hours=12)
        for each in self.heavy:
            yield f"{each.hex}\t{self._id()}\tpatient_present\tprofessional:{PHARMACIST}\t{since}\t{until}\tbench\n"

    def _dispensations(self) -> list[_Dispensation]:
        """Drawn in an order of their own, so that no two of one patient lie side by side."""
        people = [each.hex for each in self.heavy for _ in range(HEAVY_LINES // LINES_EACH)]
        people += [each for each in self._light for _ in range(LIGHT_LINES // LINES_EACH)]
        heavy = frozenset(each.hex for each in self.heavy)
        self._random.shuffle(people)
        found = []
        for number, each in enumerate(people):
            days = _HEAVY_DAYS if each in heavy else _LIGHT_DAYS
            at = self._now - timedelta(seconds=int(self._random.random() * days * 86_400))
            found.append(_Dispensation(each, self._id(), at, number))
        return found

    def _dispensation_rows(self, drawn: list[_Dispensation]) -> Iterator[str]:
        for each in drawn:
            yield (
                f"{each.patient_id}\t{each.dispensation_id}\t3107{each.number % 400:05d}\t{each.number}\t1\tcurrent"
                f"\t{each.at}\tprofessional:{PHARMACIST}\t{each.dispensation_id}\t{each.at}\n"
            )

    def _line_rows(self, drawn: list[_Dispensation]) -> Iterator[str]:
        for each in drawn:
            on = each.at.astimezone(PARIS).date()
            for number in range(1, LINES_EACH + 1):
                of = int(self._random.random() * _SUBSTANCES)
                kind = "vaccine" if of == 0 else "biologic" if of < 3 else "medicine"
                atc = "J07CA02" if of == 0 else f"A{of:02d}BC{of % 10:02d}"
                days = 28 if of % 3 else "\\N"
                yield (
                    f"{each.patient_id}\t{each.dispensation_id}\t{number}\t{kind}\t34009{of:08d}"
                    f'\tPRODUIT {of:02d} 500 mg\t{{"substance {of:02d}"}}\t{atc}\t1\t1 le matin\t{days}'
                    f"\tL{each.number % 900:03d}\t{of % 5 != 0}\t{on}\n"
                )


async def _copy(
    connection: AsyncConnection,
    table: LiteralString,
    columns: LiteralString,
    rows: Iterator[str],
    on_rows: Callable[[int], None],
) -> None:
    async with connection.cursor() as cursor, cursor.copy(f"copy {table} ({columns}) from stdin") as copy:
        waiting: list[str] = []
        for row in rows:
            waiting.append(row)
            if len(waiting) == _FLUSH:
                await copy.write("".join(waiting))
                on_rows(len(waiting))
                waiting.clear()
        await copy.write("".join(waiting))
        on_rows(len(waiting))
