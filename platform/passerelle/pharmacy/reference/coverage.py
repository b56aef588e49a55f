"""How many substances of one list are recognised in the other: what a check cannot see is counted here."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlalchemy import text

from passerelle.kernel.database import Database

_COVERAGE = text("""
with edition as (
  select source, edition_id from reference_edition where in_force_from is not null and in_force_until is null
),
listed as (
  select i."left" as name from interaction i join edition e using (edition_id)
  union select i."right" from interaction i join edition e using (edition_id)
  union select f.substance from interaction_family f join edition e using (edition_id)
),
family as (select distinct f.family as name from interaction_family f join edition e using (edition_id)),
written as (
  select s.search_name as name, bool_or(s.known_as && array(select name from listed)) as found
  from medicine_substance s join edition e using (edition_id)
  group by s.search_name
),
known as (
  select distinct unnest(s.known_as) as name from medicine_substance s join edition e using (edition_id)
)
select 'bdpm' as "table", count(*) as names, count(*) filter (where found) as resolved from written
union all
select 'interactions', count(*), count(*) filter (where name in (select name from known))
from listed where name not in (select name from family)
""")


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of one list: how many names of substances, and how many of them the other list knows."""

    table: str
    names: int
    resolved: int

    def told(self) -> dict[str, object]:
        """For `--json`."""
        return asdict(self)


async def coverage(database: Database) -> list[Coverage]:
    """For the editions in force; a list that is not loaded knows nothing."""
    async with database.transaction() as connection:
        return [Coverage(*row) for row in await connection.execute(_COVERAGE)]
