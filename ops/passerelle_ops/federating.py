"""What travels between networks, in the processes that carry it: a network's turn, and what arrives for it."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from passerelle.audit.outbox import is_anything_unaddressed
from passerelle.identities.directory import Directory
from passerelle.kernel.clock import Clock
from passerelle.kernel.context import Tenant
from passerelle_ops.federating_carrier import CeleryCarrier
from passerelle_ops.offices import Offices
from passerelle_ops.watching.worked import ENVELOPES, SENT
from passerelle_tenants.federation.addressing import AT_ONCE, address
from passerelle_tenants.federation.home_moves import turn_of_places
from passerelle_tenants.federation.kinds.dispensations import Dispensations
from passerelle_tenants.federation.kinds.document_marks import DocumentMarks
from passerelle_tenants.federation.kinds.documents import Documents
from passerelle_tenants.federation.kinds.dossiers import Dossiers
from passerelle_tenants.federation.kinds.emergencies import Emergencies
from passerelle_tenants.federation.kinds.home import HandedHome
from passerelle_tenants.federation.kinds.identity import Identity
from passerelle_tenants.federation.kinds.journal_lines import JournalLines
from passerelle_tenants.federation.kinds.merged_patients import MergedPatients
from passerelle_tenants.federation.kinds.place import Place
from passerelle_tenants.federation.kinds.recalls import RecallFollowUps, Recalls
from passerelle_tenants.federation.kinds.recourse import Recourse
from passerelle_tenants.federation.kinds.relations import Relations
from passerelle_tenants.federation.office import Office
from passerelle_tenants.federation.sending import send_due
from passerelle_tenants.federation.taking_in import take_in
from passerelle_tenants.federation.travellers import Kinds
from passerelle_tenants.locator import Locator

_log = structlog.get_logger("passerelle.federation")


def travelling(tenant: Tenant, locator: Locator) -> Kinds:
    """Every kind that travels from and to a network, in the order in which those of one bundle are applied."""
    return Kinds(
        (
            Identity(),
            Place(locator),
            MergedPatients(locator),
            HandedHome(locator),
            Dossiers(),
            Relations(),
            Documents(),
            DocumentMarks(),
            Emergencies(),
            Recourse(tenant),
            Recalls(),
            Dispensations(),
            RecallFollowUps(),
            JournalLines(),
        )
    )


class Federation:
    """The post offices of the networks that a process works for, each with its own user of the broker.

    The directory and the locator are asked for as a turn comes: their connections belong to the loop that runs then.
    """

    def __init__(
        self,
        directory: Callable[[], Directory],
        locator: Callable[[], Locator],
        broker_url: Callable[[str], str],
        clock: Clock,
        kinds: Kinds | None = None,
    ) -> None:
        self._locator = locator
        self._broker_url = broker_url
        self._carriers: dict[str, CeleryCarrier] = {}
        self._offices = Offices(
            directory, clock, lambda tenant: kinds or travelling(tenant, self._locator()), self._carrier
        )

    async def turn(self, tenant: Tenant, _clock: Clock) -> None:
        """Find who is where and who moves, address what happened, send what is due, and signs of life to everyone.

        Longer only while there are more events than one statement takes.
        """
        office = await self.office(tenant)
        await turn_of_places(office, self._locator())
        await self._tell(office)

    async def glance(self, tenant: Tenant) -> None:
        """Between two turns: address what has just happened, and send it. Nothing is done where nothing happened."""
        if await is_anything_unaddressed(tenant.database):
            await self._tell(await self.office(tenant))

    async def _tell(self, office: Office) -> None:
        tenant = office.tenant
        while True:
            addressed = await address(office)
            sent = await send_due(office)
            SENT.add(tenant.id, "sent", by=sent.states)
            SENT.add(tenant.id, "failed", by=sent.failed)
            if sent.states or sent.failed:
                _log.info("sent", tenant=tenant.id, bundles=sent.bundles, states=sent.states, failed=sent.failed)
            if addressed.events < AT_ONCE:
                return

    async def take(self, tenant: Tenant, envelope: str) -> None:
        """Take in one envelope. Raises what the database raises: nothing was taken in then."""
        try:
            taken = await take_in(await self.office(tenant), envelope.encode("ascii", "replace"))
        except Exception:
            ENVELOPES.add(tenant.id, "failed")
            raise
        ENVELOPES.add(tenant.id, "unopened" if taken.reason else "refused" if taken.refused else "taken")
        if taken.reason or taken.refused:
            _log.warning(
                "not all taken in",
                tenant=tenant.id,
                from_tenant=taken.from_tenant,
                kind=taken.kind,
                reason=taken.reason,
                refused=taken.refused,
            )

    def close(self) -> None:
        """Let go of the broker."""
        for each in self._carriers.values():
            each.close()

    async def office(self, tenant: Tenant) -> Office:
        """The post office of a network."""
        return await self._offices.of(tenant)

    def _carrier(self, tenant_id: str) -> CeleryCarrier:
        return self._carriers.setdefault(tenant_id, CeleryCarrier(self._broker_url(tenant_id)))
