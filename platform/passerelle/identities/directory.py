"""The directory of the networks: professionals by RPPS, establishments by FINESS, and who works where.

Sources: Répertoire partagé des professionnels intervenant dans le système de santé (RPPS, CSP D.4001-1…) and
FINESS. A network knows a professional who has a practice in it. What is read here is kept for a minute: a
registration made by another process is seen at the latest after that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import Final

from cachetools import TTLCache
from sqlalchemy import Text, bindparam, literal, select
from sqlalchemy.dialects.postgresql import insert as upsert

from passerelle.identities.bearers import STUDENT, Bearer, Person
from passerelle.identities.ins import TEST_OIDS
from passerelle.identities.tables import establishment, patient, practice, professional
from passerelle.kernel.actors import Actor
from passerelle.kernel.context import Tenant
from passerelle.kernel.database import Database, Statement
from passerelle.kernel.errors import Conflict, InvalidInput, Refused
from passerelle_policies.roles import setting_of
from passerelle_policies.vocabulary import Setting

KEPT_SECONDS: Final = 60.0
_KEPT_ENTRIES: Final = 20_000
_RPPS: Final = re.compile(r"\d{11}")
_FINESS: Final = re.compile(r"(\d{2}|2[AB])\d{7}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Establishment:
    """An establishment; `category` is a facility type of JDV_J02."""

    finess: str
    name: str
    basin: str
    tenant_id: str
    category: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Practice:
    """Where a professional works; `finess` is empty for a practice of his own."""

    tenant_id: str
    finess: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Professional:
    """A professional as the national directory knows him."""

    rpps: str
    family_name: str
    given_name: str
    profession: str
    specialty: str | None = None
    is_active: bool = True
    practices: tuple[Practice, ...] = ()

    @property
    def name(self) -> str:
        """Given name, then family name."""
        return f"{self.given_name} {self.family_name}".strip()

    def practices_in(self, tenant_id: str) -> tuple[Practice, ...]:
        """His practices within one network; none means that it does not know him."""
        return tuple(each for each in self.practices if each.tenant_id == tenant_id)


_RPPS_GIVEN = bindparam("rpps", type_=Text())
_FINESS_GIVEN = bindparam("finess", type_=Text())
_PROFESSIONAL = Statement(
    select(
        professional.c.rpps,
        professional.c.family_name,
        professional.c.given_name,
        professional.c.profession,
        professional.c.specialty,
        professional.c.is_active,
        practice.c.tenant_id,
        practice.c.finess,
    )
    .select_from(professional.outerjoin(practice))
    .where(professional.c.rpps == _RPPS_GIVEN)
    .order_by(practice.c.tenant_id, practice.c.finess)
)
_ESTABLISHMENT = Statement(
    select(
        establishment.c.finess,
        establishment.c.name,
        establishment.c.basin,
        establishment.c.tenant_id,
        establishment.c.category,
    ).where(establishment.c.finess == _FINESS_GIVEN)
)
_OF_NETWORK = Statement(
    select(establishment.c.finess, establishment.c.name, establishment.c.basin, establishment.c.category)
    .where(establishment.c.tenant_id == bindparam("tenant_id", type_=Text()))
    .order_by(establishment.c.finess)
)
_PRACTISING = Statement(
    select(professional.c.rpps, professional.c.profession)
    .select_from(professional.join(practice))
    .where(
        practice.c.tenant_id == bindparam("tenant_id", type_=Text()),
        practice.c.finess == _FINESS_GIVEN,
        professional.c.is_active,
    )
    .order_by(professional.c.rpps)
)
_PERSON = Statement(select(literal(1)).where(patient.c.person_key == bindparam("person_key", type_=Text())))


class Directory:
    """Reads and registers; `keep_for` seconds of memory for what was found (nothing is kept of what was not)."""

    def __init__(
        self, database: Database, *, keep_for: float = KEPT_SECONDS, timer: Callable[[], float] = monotonic
    ) -> None:
        self.database = database
        self._professionals: TTLCache[str, Professional] = TTLCache(_KEPT_ENTRIES, keep_for, timer)
        self._establishments: TTLCache[str, Establishment] = TTLCache(_KEPT_ENTRIES, keep_for, timer)
        self._persons: TTLCache[tuple[str, str], bool] = TTLCache(_KEPT_ENTRIES, keep_for, timer)

    async def professional(self, rpps: str) -> Professional | None:
        """The professional of that RPPS number with all his practices, or nothing."""
        if (kept := self._professionals.get(rpps)) is not None:
            return kept
        rows = await self.database.fetch(_PROFESSIONAL, {"rpps": rpps})
        if not rows:
            return None
        first = rows[0]
        found = Professional(
            rpps=first[0],
            family_name=first[1],
            given_name=first[2],
            profession=first[3],
            specialty=first[4],
            is_active=first[5],
            practices=tuple(Practice(tenant_id=row[6], finess=row[7]) for row in rows if row[6] is not None),
        )
        self._professionals[rpps] = found
        return found

    async def knows(self, tenant_id: str, rpps: str) -> bool:
        """Whether an active professional of that number has a practice in that network."""
        found = await self.professional(rpps)
        return found is not None and found.is_active and bool(found.practices_in(tenant_id))

    async def establishment(self, finess: str) -> Establishment | None:
        """The establishment of that FINESS number, or nothing."""
        if (kept := self._establishments.get(finess)) is not None:
            return kept
        rows = await self.database.fetch(_ESTABLISHMENT, {"finess": finess})
        if not rows:
            return None
        number, name, basin, tenant_id, category = rows[0]
        found = Establishment(finess=number, name=name, basin=basin, tenant_id=tenant_id, category=category)
        self._establishments[finess] = found
        return found

    async def establishments_of(self, tenant_id: str) -> list[Establishment]:
        """Every establishment of a network, by FINESS number; read anew each time."""
        rows = await self.database.fetch(_OF_NETWORK, {"tenant_id": tenant_id})
        return [
            Establishment(finess=number, name=name, basin=basin, tenant_id=tenant_id, category=category)
            for number, name, basin, category in rows
        ]

    async def practising_at(self, tenant_id: str, finess: str) -> dict[str, str]:
        """The profession of each active professional who practises there, by RPPS number; read anew each time."""
        rows = await self.database.fetch(_PRACTISING, {"tenant_id": tenant_id, "finess": finess})
        return {str(row[0]): str(row[1]) for row in rows}

    async def actor_for(self, bearer: Bearer, tenant: Tenant, structure: str | None = None) -> Actor:
        """Who the bearer of a token is in a tenant; `structure` (FINESS) is the one he says he acts from.

        A professional is known who has a practice there; his profession is the directory's, which no token
        overrides (a student's is not taken over at all), and so is the setting that he acts from. A person is known
        whose identity is registered there, an officer whose token names that network.
        Refused: ACTOR_UNKNOWN_HERE, STRUCTURE_NOT_IN_TOKEN.
        """
        if bearer.person is not None:
            return await self._person(bearer, bearer.person, tenant, structure)
        if bearer.officer is not None:
            if bearer.officer.network != tenant.id:
                raise Refused("ACTOR_UNKNOWN_HERE")
            return bearer.actor(tenant.keys, structure)
        claimed = bearer.professional
        known = await self.professional(claimed.rpps) if claimed is not None and claimed.rpps else None
        practices = known.practices_in(tenant.id) if known is not None and known.is_active else ()
        if claimed is None or known is None or not practices:
            raise Refused("ACTOR_UNKNOWN_HERE")
        places = [each.finess for each in practices if each.finess]
        if structure is None:
            structure = next((each.structure for each in claimed.activities if each.structure in places), None)
        elif structure not in places and claimed.activity(structure) is not None:
            raise Refused("ACTOR_UNKNOWN_HERE")
        actor = bearer.actor(tenant.keys, structure)
        activity = claimed.activity(structure)
        is_student = activity is not None and activity.category == STUDENT
        place = structure or (places[0] if len(places) == 1 else None)
        return replace(
            actor,
            name=known.name,
            profession=None if is_student else known.profession,
            specialty=None if is_student else known.specialty,
            establishment=place,
            setting=await self.setting_of(place),
        )

    async def setting_of(self, finess: str | None) -> Setting:
        """From what kind of place someone acts who acts from there; NONE for a place that is not in the directory."""
        at = await self.establishment(finess) if finess else None
        return setting_of(at.category) if at else Setting.NONE

    async def _person(self, bearer: Bearer, person: Person, tenant: Tenant, structure: str | None) -> Actor:
        if person.ins.oid in TEST_OIDS and not tenant.is_test:
            raise Refused("ACTOR_UNKNOWN_HERE")
        actor = bearer.actor(tenant.keys, structure)
        if (tenant.id, actor.id) not in self._persons:
            if not await tenant.database.fetch(_PERSON, {"person_key": actor.id}):
                raise Refused("ACTOR_UNKNOWN_HERE")
            self._persons[tenant.id, actor.id] = True
        return actor

    async def register_establishments(self, establishments: Sequence[Establishment]) -> None:
        """Record establishments, or bring their name, basin and category up to date.

        Refused, with nothing recorded: FINESS_MALFORMED; ESTABLISHMENT_ELSEWHERE when another network holds one.
        """
        for each in establishments:
            if not _FINESS.fullmatch(each.finess):
                raise InvalidInput("FINESS_MALFORMED", finess=each.finess[:20])
        if not establishments:
            return
        new = upsert(establishment)
        statement = new.on_conflict_do_update(
            index_elements=[establishment.c.finess],
            set_={"name": new.excluded.name, "basin": new.excluded.basin, "category": new.excluded.category},
            where=establishment.c.tenant_id == new.excluded.tenant_id,
        ).returning(establishment.c.finess)
        async with self.database.transaction() as connection:
            rows = await connection.execute(
                statement.values(
                    [
                        {
                            "finess": each.finess,
                            "name": each.name,
                            "basin": each.basin,
                            "tenant_id": each.tenant_id,
                            "category": each.category,
                        }
                        for each in establishments
                    ]
                )
            )
            elsewhere = {each.finess for each in establishments} - set(rows.scalars())
            if elsewhere:
                taken = min(elsewhere)
                holder = select(establishment.c.tenant_id).where(establishment.c.finess == taken)
                network = str(await connection.scalar(holder))
                raise Conflict("ESTABLISHMENT_ELSEWHERE", finess=taken, network=network)
        for each in establishments:
            self._establishments.pop(each.finess, None)

    async def register_professionals(self, professionals: Sequence[Professional]) -> None:
        """Record professionals with their practices, or bring them up to date; a practice already there stays.

        Refused, with nothing recorded: RPPS_MALFORMED, PRACTICE_UNKNOWN when a FINESS is not in the directory.
        """
        for each in professionals:
            if not _RPPS.fullmatch(each.rpps):
                raise InvalidInput("RPPS_MALFORMED", rpps=each.rpps[:20])
        if not professionals:
            return
        new = upsert(professional)
        practices = {(who.rpps, at.tenant_id, at.finess) for who in professionals for at in who.practices}
        async with self.database.transaction() as connection:
            places = {finess for _, _, finess in practices if finess}
            known = set(
                await connection.scalars(select(establishment.c.finess).where(establishment.c.finess.in_(places)))
            )
            if unknown := places - known:
                raise InvalidInput("PRACTICE_UNKNOWN", finess=min(unknown)[:20])
            await connection.execute(
                new.on_conflict_do_update(
                    index_elements=[professional.c.rpps],
                    set_={
                        name: new.excluded[name]
                        for name in ("family_name", "given_name", "profession", "specialty", "is_active")
                    },
                ),
                [
                    {
                        "rpps": each.rpps,
                        "family_name": each.family_name,
                        "given_name": each.given_name,
                        "profession": each.profession,
                        "specialty": each.specialty,
                        "is_active": each.is_active,
                    }
                    for each in professionals
                ],
            )
            if practices:
                await connection.execute(
                    upsert(practice).on_conflict_do_nothing(),
                    [
                        {"rpps": rpps, "tenant_id": tenant_id, "finess": finess}
                        for rpps, tenant_id, finess in sorted(practices)
                    ],
                )
        for each in professionals:
            self._professionals.pop(each.rpps, None)
