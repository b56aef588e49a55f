"""A network is merged into another: its patients go over one by one, by the move of a home, and it keeps what it has.

    this network                                     directory              the network that goes on
    1 tells of each patient (`merged_patient`)       merge (this, other)    registers him, goes on with his records
    2 acknowledged: his home is to be there        ▶ moving (this, other)   takes over (`home_moves`)
    3 nobody is at home here, nothing is owed,
      the delays are over, the boards have ended   ▶ done                   has the establishments

Documents keep their id, origin and key; whoever is at home elsewhere stays there. Each step is found anew from what the
databases say, and done twice is done once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, ScalarSelect, Select, and_, func, literal, not_, select, union

from passerelle.audit.outbox import is_anything_unaddressed
from passerelle.dossier import merging as records
from passerelle.identities import patients
from passerelle.kernel.context import Tenant
from passerelle.kernel.errors import Conflict
from passerelle.oncology.unfinished import unfinished
from passerelle.pharmacy import merging as pharmacy_records
from passerelle_tenants import homes, merges
from passerelle_tenants.federation import owing
from passerelle_tenants.federation.office import Office
from passerelle_tenants.federation.tables import federation_out, patient_location, patient_place
from passerelle_tenants.federation.travellers import Priority
from passerelle_tenants.locator import HomeState, Locator

KIND: Final = "merged_patient"
#: Told of, and on their way to another home, at a time.
_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What a network that is merged still has to do: patients, but for `boards` (sessions, sheets, cases lent or
    borrowed) and `owed` (states that others did not acknowledge). `unknown` have no INS: nobody else would recognise
    them, they stay, and hold up nothing."""

    to_tell: int
    at_home: int
    disputed: int
    delayed: int
    boards: int
    owed: int
    unknown: int

    @property
    def is_nothing(self) -> bool:
        return not (self.to_tell or self.at_home or self.disputed or self.delayed or self.boards or self.owed)


async def turn(office: Office, locator: Locator) -> int:
    """Go on with the merge of this network, if it is in one; how many patients took a step."""
    here, directory = office.tenant.id, locator.directory
    merge = await merges.merge_of(directory, here)
    if merge is None:
        return 0
    done, now = 0, office.clock.now()
    async with office.tenant.database.transaction() as connection:
        under_way = (await connection.execute(_told(merge.into, acknowledged=False).where(_is_owed()).limit(1))).first()
        told = list(await connection.scalars(_to_tell(merge.into).limit(_AT_ONCE))) if under_way is None else []
        await owing.owe(connection, KIND, Priority.RELATES, [(each, merge.into) for each in told], now)
        done += len(told)
    leaving, disputed = await locator.leaving(here), await locator.disputed(here)
    kept = [key for key, home in disputed.items() if home.claimed_by != merge.into]
    async with office.tenant.database.transaction() as connection:
        bound = _at_home(merge.into).where(patient_location.c.person_key.not_in([*leaving, *kept]))
        keys = list(await connection.scalars(bound.limit(max(_AT_ONCE - len(leaving), 0))))
    claimed = [key for key, home in (await locator.claimed_by(here)).items() if home.state is not HomeState.HANDED]
    for key in [*keys, *claimed]:
        before, after = await homes.change(locator, key, homes.merged(here, merge.into), now)
        done += before != after
    if not (done or merge.is_done) and (await left(office.tenant, locator)).is_nothing:
        await merges.end(directory, here, now)
        done += 1
    return done


async def left(tenant: Tenant, locator: Locator) -> Left:
    """What is still to be done of a network's merge. Refused: NETWORK_NOT_MERGED."""
    merge = await merges.merge_of(locator.directory, tenant.id)
    if merge is None:
        raise Conflict("NETWORK_NOT_MERGED")
    disputed = len(await locator.disputed(tenant.id))
    async with tenant.database.transaction() as connection:
        said = {
            "to_tell": _to_tell(merge.into),
            "on_their_way": _told(merge.into, acknowledged=False),
            "at_home": _at_home(merge.into),
            "records": records.waiting(),
            "pharmacy_records": pharmacy_records.waiting(),
            "unknown": _keeping(is_known=False),
            "owed": select(literal(1)).where(_is_owed()),
        }
        counts = (await connection.execute(select(*(_counted(each).label(name) for name, each in said.items())))).one()
        boards = await unfinished(connection)
    fresh = await is_anything_unaddressed(tenant.database)
    return Left(
        to_tell=counts.to_tell + counts.on_their_way,
        at_home=counts.at_home,
        disputed=disputed,
        delayed=counts.records + counts.pharmacy_records,
        boards=boards,
        owed=counts.owed + fresh,
        unknown=counts.unknown,
    )


def _counted(which: Select[Any]) -> ScalarSelect[int]:
    return select(func.count()).select_from(which.subquery()).scalar_subquery()


def _is_owed() -> ColumnElement[bool]:
    return and_(federation_out.c.acked_version < federation_out.c.version, federation_out.c.dead_at.is_(None))


def _keeping(*, is_known: bool = True) -> Select[Any]:
    """The patients who have a record that goes over, and an INS, or none."""
    person, of = patients.identity(), union(records.going_over(), pharmacy_records.going_over()).subquery("keeping")
    has_ins = person.c.person_key.is_not(None) if is_known else person.c.person_key.is_(None)
    return select(person.c.patient_id).join(of, of.c.patient_id == person.c.patient_id).where(has_ins)


def _told(into: str, *, acknowledged: bool) -> Select[Any]:
    out = federation_out
    is_acknowledged = out.c.acked_version >= out.c.version
    return select(out.c.patient_id).where(
        out.c.to_tenant == into, out.c.kind == KIND, is_acknowledged if acknowledged else not_(is_acknowledged)
    )


def _to_tell(into: str) -> Select[Any]:
    """Those of whom the other network was not told, the ids in order."""
    keeping = _keeping().subquery("each")
    told = select(federation_out.c.patient_id).where(federation_out.c.to_tenant == into, federation_out.c.kind == KIND)
    return select(keeping.c.patient_id).where(keeping.c.patient_id.not_in(told)).order_by(keeping.c.patient_id)


def _at_home(into: str) -> Select[Any]:
    """The keys of those whom the other network knows of, and who are at home here as far as is known here."""
    elsewhere = select(patient_place.c.patient_id).where(patient_place.c.is_home)
    return (
        select(patient_location.c.person_key)
        .where(
            patient_location.c.patient_id.in_(_told(into, acknowledged=True)),
            patient_location.c.patient_id.not_in(elsewhere),
        )
        .order_by(patient_location.c.patient_id)
    )
