"""Invented patients, documents and ties for a measure, put in with COPY. Nothing of it is a real person's.

One patient in twenty is heavy: 120 documents within the default window, of which a physician who may read them
sees more than a page. The others have four. The rows of a patient lie scattered over the heap, as years of
feeding leave them. What only feeding reads (history of metadata, keys of uniqueness, contents) is left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final, LiteralString

from psycopg import AsyncConnection

from passerelle.dossier.formats.submission import RPPS_DOMAIN
from passerelle.identities.ins import NIR_TEST
from passerelle_ops.bench._bulk import unhindered
from passerelle_policies import nomenclatures
from passerelle_policies.packs import pack_on

HEAVY_EVERY: Final = 20
HEAVY_DOCUMENTS: Final = 120
_LIGHT_DOCUMENTS: Final = 4
_WINDOW_DAYS: Final = 600
_TEAM_SIZE: Final = 10
_WRITERS: Final = 400
READERS: Final = 40
_BUFFER: Final = 1 << 18
_NULL: Final = "\\N"
_BY_AUTHOR: Final = "document_author"
_AUTHORS: Final = b"insert into document_author select patient_id, unnest(author_ids), document_id from document"
FINESS: Final = ("310782347", "310783055", "310783048", "310780259", "810000505")
#: Of a second network: an establishment belongs to one.
OTHER_FINESS: Final = ("310781406", "310781000", "310780671", "310780382", "810000331")


@dataclass(frozen=True, slots=True)
class Opening:
    """One professional who may open one heavy patient's record."""

    patient_id: str
    rpps: str


@dataclass(frozen=True, slots=True)
class Physician:
    """An invented professional: a test number of RPPS form."""

    rpps: str
    family_name: str
    given_name: str
    finess: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """A patient of the bench; `ties` are the numbers of the physicians who may read his record."""

    patient_id: str
    set_id: str
    is_heavy: bool
    ties: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Type:
    code: str
    label: str
    class_code: str
    class_label: str


def physicians(finess: Sequence[str] = FINESS) -> list[Physician]:
    """Everyone who writes; the first `READERS` of them also read."""
    return [
        Physician(f"8997{number:07d}", f"BANC{number:03d}", "Camille", finess[number % len(finess)])
        for number in range(_WRITERS)
    ]


class Population:
    """`patients` invented people and the physicians who care for them; the same for the same seed."""

    def __init__(self, patients: int, *, finess: Sequence[str] = FINESS, seed: str = "passerelle-bench-1") -> None:
        self._random = Random(seed)  # noqa: S311 - invented data, not a secret
        self._now = datetime.now(UTC).replace(microsecond=0)
        self.finess = finess
        self.physicians = physicians(finess)
        self._types = [
            _Type(kind.code, kind.label, str(kind.class_code), str(kind.class_label))
            for code in sorted(pack_on(self._now.date()).dmp_types)
            if (kind := nomenclatures.document_type(code)) is not None
        ]
        self._patients = [self._known(number) for number in range(patients)]
        #: By patient, what the next document is: its id, its chain and its place in it.
        self._replacing: dict[str, tuple[str, str, int]] = {}
        self.documents = sum(HEAVY_DOCUMENTS if each.is_heavy else _LIGHT_DOCUMENTS for each in self._patients)

    def openings(self, count: int) -> list[Opening]:
        """Who opens whose record in the measure: heavy patients only, each by one who may."""
        heavy = [each for each in self._patients if each.is_heavy]
        chosen = [heavy[number % len(heavy)] for number in range(count)]
        return [
            Opening(str(each.patient_id), self.physicians[each.ties[turn % len(each.ties)]].rpps)
            for turn, each in enumerate(chosen)
        ]

    def attended(self, count: int) -> list[Opening]:
        """Heavy patients, each with his attending physician, who may also read his journal."""
        heavy = [each for each in self._patients if each.is_heavy]
        return [Opening(each.patient_id, self.physicians[each.ties[0]].rpps) for each in heavy[:count]]

    @property
    def rows(self) -> int:
        """How many rows `fill` writes, for a progress bar."""
        return 7 * len(self._patients) + 3 * sum(each.is_heavy for each in self._patients) + self.documents

    async def fill(self, connection: AsyncConnection, on_rows: Callable[[int], None] = lambda _: None) -> None:
        """Fill an empty tenant database (under its owner), then let PostgreSQL count it."""
        tables = (*(name for name, *_ in self._tables()), _BY_AUTHOR)
        async with connection.transaction(), unhindered(connection, tables):
            for table, columns, rows in self._tables():
                await _copy(connection, table, columns, rows, on_rows)
            await connection.execute(_AUTHORS)
        await connection.set_autocommit(True)
        await connection.execute("vacuum (analyze)")

    def _tables(self) -> Iterator[tuple[LiteralString, LiteralString, Iterator[str]]]:
        yield (
            "patient",
            (
                "patient_id, person_key, ins_oid, ins_value, ins_status, family_name, used_name, given_names,"
                " birth_date, sex, birth_place, search_name, registered_at"
            ),
            self._patient_rows(),
        )
        yield "dossier", "patient_id, state, opened_at, wrapped_key", self._dossier_rows()
        yield (
            "submission_set",
            "patient_id, submission_set_id, unique_id, source_id, submitted_at",
            self._submission_set_rows(),
        )
        yield "care_team", "team_id, name, created_at", self._team_rows()
        yield "care_team_member", "team_id, subject, valid_from", self._member_rows()
        yield (
            "team_consent",
            "patient_id, consent_id, team_id, asked_by, informed_how, proof, valid_from",
            self._consent_rows(),
        )
        yield "relation", "patient_id, relation_id, relation, subject, valid_from, recorded_by", self._relation_rows()
        yield "block", "patient_id, block_id, subject, valid_from", self._block_rows()
        yield (
            "journal",
            (
                "patient_id, at, actor_kind, actor_id, actor_name, actor_profession, action, kind, outcome, rule, pack,"
                " mode, purpose, request_id"
            ),
            self._journal_rows(),
        )
        yield (
            "document",
            (
                "patient_id, document_id, entry_uuid, unique_id, chain_id, chain_position, superseded_by, status,"
                " class_code, class_label, type_code, type_label, format_code, mime_type, masked, hidden_from_patient,"
                " hidden_from_representatives, title, language, authors, author_ids, structure_id, facility_type,"
                " practice_setting, event_codes, creation_time, service_start, act_at, submission_set_id, filed_at,"
                " filed_by, size, sha256, content_name"
            ),
            self._document_rows(),
        )

    def _known(self, number: int) -> _Known:
        is_heavy = number % HEAVY_EVERY == 0
        return _Known(
            patient_id=self._id(),
            set_id=self._id(),
            is_heavy=is_heavy,
            ties=tuple(self._random.sample(range(READERS), 3 if is_heavy else 1)),
        )

    def _id(self) -> str:
        return f"{self._random.getrandbits(128):032x}"

    def _patient_rows(self) -> Iterator[str]:
        for number, each in enumerate(self._patients):
            ins = f"28001990{number % 100_000:05d}"
            key = 97 - int(ins) % 97
            yield (
                f"{each.patient_id}\t{each.set_id}\t{NIR_TEST}\t{ins}{key:02d}\tqualified\tESSAI{number}\t\t"
                f'{{"Alix","Dominique"}}\t19800115\tF\t99000\tessai{number}\t{self._now}\n'
            )

    def _dossier_rows(self) -> Iterator[str]:
        opened = self._now - timedelta(days=_WINDOW_DAYS + 30)
        for each in self._patients:
            yield f"{each.patient_id}\topen\t{opened}\t\\\\x{each.set_id * 4}\n"

    def _submission_set_rows(self) -> Iterator[str]:
        for number, each in enumerate(self._patients):
            yield f"{each.patient_id}\t{each.set_id}\t2.25.{number}\t1.2.250.1.999.1\t{self._now}\n"

    def _teams(self) -> list[tuple[str, Sequence[int]]]:
        starts = range(0, READERS, _TEAM_SIZE)
        return [(f"{start + 1:032x}", range(start, start + _TEAM_SIZE)) for start in starts]

    def _team_rows(self) -> Iterator[str]:
        for team_id, _ in self._teams():
            yield f"{team_id}\tÉquipe du banc\t{self._now - timedelta(days=900)}\n"

    def _member_rows(self) -> Iterator[str]:
        since = self._now - timedelta(days=800)
        for team_id, members in self._teams():
            for number in members:
                yield f"{team_id}\tprofessional:{self.physicians[number].rpps}\t{since}\n"

    def _consent_rows(self) -> Iterator[str]:
        since, teams = self._now - timedelta(days=700), self._teams()
        for each in self._patients:
            team_id, _ = next(team for team in teams if each.ties[0] in team[1])
            asked_by = f"professional:{self.physicians[each.ties[0]].rpps}"
            yield f"{each.patient_id}\t{self._id()}\t{team_id}\t{asked_by}\tentretien\tsigné\t{since}\n"

    def _relation_rows(self) -> Iterator[str]:
        since = self._now - timedelta(days=400)
        for each in self._patients:
            kinds = ("attending_physician", "authorized", "authorized")
            for kind, number in zip(kinds, each.ties, strict=False):
                subject = f"professional:{self.physicians[number].rpps}"
                yield f"{each.patient_id}\t{self._id()}\t{kind}\t{subject}\t{since}\tbench\n"

    def _block_rows(self) -> Iterator[str]:
        """One patient in ten has stopped somebody else."""
        for number, each in enumerate(self._patients):
            if number % 10 == 0:
                stranger = f"professional:8998{number % 1000:07d}"
                yield f"{each.patient_id}\t{self._id()}\t{stranger}\t{self._now - timedelta(days=100)}\n"

    def _journal_rows(self) -> Iterator[str]:
        """Two earlier openings of each record."""
        for each in self._patients:
            reader = self.physicians[each.ties[0]]
            for days in (90, 30):
                yield (
                    f"{each.patient_id}\t{self._now - timedelta(days=days)}\tprofessional\t{reader.rpps}"
                    f"\t{reader.given_name} {reader.family_name}\t10\tread\tdossier\tallowed\tdossier-team\tbench"
                    f"\tnormal\tcare\t{self._id()}\n"
                )

    def _document_rows(self) -> Iterator[str]:
        """Round after round over all patients, so that no two documents of one lie side by side."""
        number = 0
        for turn in range(HEAVY_DOCUMENTS):
            for each in self._patients:
                if each.is_heavy or turn < _LIGHT_DOCUMENTS:
                    number += 1
                    is_last = turn + 1 == (HEAVY_DOCUMENTS if each.is_heavy else _LIGHT_DOCUMENTS)
                    yield self._document(number, each, is_last=is_last)

    def _document(self, number: int, of: _Known, *, is_last: bool) -> str:
        draw = self._random.random
        new = self._id()
        document_id, chain_id, position = self._replacing.pop(of.patient_id, (new, new, 1))
        superseded_by = self._id() if draw() < 0.05 and not is_last else None
        if superseded_by is not None:  # by the next document of this record
            self._replacing[of.patient_id] = (superseded_by, chain_id, position + 1)
        kind = self._types[int(draw() * len(self._types))]
        author = self.physicians[int(draw() * len(self.physicians))]
        act_at = self._now - timedelta(seconds=int(draw() * _WINDOW_DAYS * 86_400))
        masked = draw() < 0.08
        hidden = not masked and draw() < 0.04
        told = act_at.strftime("%Y%m%d%H%M%S+0000")
        authors = json.dumps(
            [
                {
                    "kind": "professional",
                    "id": author.rpps,
                    "id_oid": RPPS_DOMAIN,
                    "family_name": author.family_name,
                    "given_name": author.given_name,
                    "profession": "10",
                    "specialty": "SM54",
                    "structure_id": author.finess,
                    "structure_name": "Hôpital d'essai",
                }
            ],
            ensure_ascii=False,
        )
        return (
            f"{of.patient_id}\t{document_id}\t{self._id()}\t2.25.{number}.{document_id[:8]}"
            f"\t{chain_id}\t{position}\t{superseded_by or _NULL}\tcurrent"
            f"\t{kind.class_code}\t{kind.class_label}\t{kind.code}\t{kind.label}\turn:ihe:iti:xds:2017:mimeTypeSufficient"
            f"\ttext/xml\t{masked}\t{hidden}\tfalse\t{kind.label} n° {number}\tfr-FR\t{authors}"
            f'\t{{"{author.rpps}","{author.finess}"}}\t{author.finess}\tSA01\tETABLISSEMENT\t[]\t{told}\t{told}'
            f"\t{act_at}\t{of.set_id}\t{act_at}\testablishment:{author.finess}\t{20_000 + number % 90_000}"
            f"\t{document_id}{document_id}\t{document_id}\n"
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
            if len(waiting) == 500:
                await copy.write("".join(waiting))
                on_rows(len(waiting))
                waiting.clear()
        await copy.write("".join(waiting))
        on_rows(len(waiting))
