"""Invented sessions of a tumour board for a measure, made in the database itself. Nothing of it is a real person's.

Every session has forty cases and twelve seats; every case its own patient, three documents attached, and a sheet begun.
The physician who reads is seated at a few sessions only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, LiteralString
from uuid import UUID

from psycopg import AsyncConnection

from passerelle_ops.bench._bulk import unhindered

CASES: Final = 40
SEATS: Final = 12
ATTACHED: Final = 3
READ: Final = 10
READER: Final = "89970000002"
FINESS: Final = "310790003"
_TABLES: Final = (
    "patient", "dossier", "submission_set", "document", "board", "board_session", "board_seat", "board_case",
    "case_attachment", "board_sheet", "block",
)  # fmt: skip

#: `n` numbers cases from 1, `s` sessions from 1.
_STATEMENTS: Final[tuple[LiteralString, ...]] = (
    """insert into patient (patient_id, person_key, ins_status, family_name, used_name, given_names, birth_date, sex,
           registered_at)
       select md5('p' || n)::uuid, 'banc' || n, 'qualified', 'ESSAI' || n, '', '{"Alix","Dominique"}', '19600115', 'F',
           now() from generate_series(1, %(cases)s) n""",
    """insert into dossier (patient_id, state, opened_at, wrapped_key)
       select md5('p' || n)::uuid, 'open', now() - interval '400 days', '\\x00' from generate_series(1, %(cases)s) n""",
    """insert into submission_set (patient_id, submission_set_id, unique_id, source_id, submitted_at)
       select md5('p' || n)::uuid, md5('u' || n)::uuid, '2.25.' || n, '1.2.250.1.999.1', now()
       from generate_series(1, %(cases)s) n""",
    """insert into document (patient_id, document_id, entry_uuid, unique_id, chain_id, status, class_code, class_label,
           type_code, type_label, mime_type, title, act_at, submission_set_id, filed_at, filed_by, size, sha256,
           content_name)
       select md5('p' || n)::uuid, md5('d' || n || '-' || k)::uuid, gen_random_uuid(), '2.25.' || n || '.' || k,
           md5('d' || n || '-' || k)::uuid, 'current', '31', 'Imagerie',
           (array['11526-1', '11502-2', '18748-4'])[k], 'Compte rendu', 'text/xml', 'Compte rendu ' || k,
           now() - make_interval(days => k), md5('u' || n)::uuid, now(), 'bench', 20000, md5('d' || n || '-' || k),
           gen_random_uuid()::text
       from generate_series(1, %(cases)s) n, generate_series(1, %(attached)s) k""",
    """insert into board (board_id, name, kind, scope, organ, establishment, duration_minutes, deputies,
           videoconference, state, declared_at, declared_by)
       select md5('b' || b)::uuid, 'RCP du banc ' || b, 'standard', 'organ', '76752008', '310790003', 120, true, true,
           'validated', now() - interval '900 days', 'establishment:310790003'
       from generate_series(0, %(sessions)s / 20) b""",
    """insert into board_session (session_id, board_id, starts_at, ends_at, state, changed_at, opened_at)
       select md5('s' || s)::uuid, md5('b' || s / 20)::uuid, now() + make_interval(days => 1, mins => s),
           now() + make_interval(days => 1, mins => s + 120), 'open', now(), now() - interval '1 day'
       from generate_series(1, %(sessions)s) s""",
    """insert into board_seat (session_id, subject, name, specialty, duty, answer)
       select md5('s' || s)::uuid,
           case when k = 1 and s <= %(read)s then 'professional:' || %(reader)s
           else 'professional:' || (89970001000 + (s %% 50) * 20 + k)::text end,
           'Membre ' || k, (array['surgeon', 'medical_oncologist', 'radiotherapist', 'pathologist'])[k %% 4 + 1],
           'member', 'expected'
       from generate_series(1, %(sessions)s) s, generate_series(1, %(seats)s) k""",
    """insert into board_case (patient_id, case_id, session_id, requester, presenter, question, informed_at,
           informed_how, agreed, discussion, state, registered_at)
       select md5('p' || n)::uuid, md5('c' || n)::uuid, md5('s' || (n - 1) / %(each)s + 1)::uuid,
           'professional:' || (89970005000 + n %% 300)::text, 'professional:' || (89970005000 + n %% 300)::text,
           'Quel traitement proposer, et dans quel délai ?', now() - interval '9 days', 'interview', true, 'discussed',
           'registered', now() - make_interval(days => 8, secs => n)
       from generate_series(1, %(cases)s) n""",
    """insert into case_attachment (patient_id, case_id, document_id, attached_by, attached_at)
       select md5('p' || n)::uuid, md5('c' || n)::uuid, md5('d' || n || '-' || k)::uuid, 'bench', now()
       from generate_series(1, %(cases)s) n, generate_series(1, %(attached)s) k""",
    """insert into board_sheet (patient_id, case_id, version, state, content, missing, written_by, written_at)
       select md5('p' || n)::uuid, md5('c' || n)::uuid, 1, 'in_progress', '{}', '{phase,tumours}', 'bench', now()
       from generate_series(1, %(cases)s) n""",
    """insert into block (patient_id, block_id, subject, valid_from)
       select md5('p' || n)::uuid, gen_random_uuid(), 'professional:89970009999', now() - interval '100 days'
       from generate_series(1, %(cases)s, 7) n""",
)


class BoardPopulation:
    """A network of `sessions` sessions; `read` are those at which the reader is seated."""

    def __init__(self, sessions: int) -> None:
        if sessions < READ:
            raise ValueError("not enough sessions for those that are read")
        self.sessions = sessions

    @property
    def steps(self) -> int:
        """How many statements `fill` runs, for a progress bar."""
        return len(_STATEMENTS)

    async def fill(self, connection: AsyncConnection, on_step: Callable[[], None] = lambda: None) -> list[UUID]:
        """Fill an empty tenant database (under its owner), let PostgreSQL count it; the sessions that are read."""
        given = {
            "sessions": self.sessions,
            "cases": self.sessions * CASES,
            "each": CASES,
            "attached": ATTACHED,
            "seats": SEATS,
            "read": READ,
            "reader": READER,
        }
        async with connection.transaction(), unhindered(connection, _TABLES):
            for statement in _STATEMENTS:
                await connection.execute(statement, given)
                on_step()
        await connection.set_autocommit(True)
        await connection.execute("vacuum (analyze)")
        found = await connection.execute(
            "select md5('s' || s)::uuid from generate_series(1, %(read)s) s order by s", given
        )
        return [row[0] for row in await found.fetchall()]
