"""The patient takes his record away: a zip of his documents, their metadata, his journal, his choices, his notices,
and what other domains hold of him (`portability_beside`).

Whoever may export gets what he sees in lists and nothing else; an heir, only what is current and what the patient
concealed from nobody. The record may be closed: what is archived is still the patient's. Decision and journal come
before the first octet; contents stream, each authenticated; one that is altered is named in the index, never
silently missing; an export that is cut off has no end and opens nowhere.
Sources: RGPD, art. 15 and 20; CSP L.1111-7, L.1111-19, L.1110-4 V.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import unicodedata
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, select

from passerelle.audit import journal
from passerelle.audit.transactions import Act, transaction
from passerelle.dossier import access, portability_history, refusals, relations, withholding
from passerelle.dossier.contents import content_binding
from passerelle.dossier.formats import rendering
from passerelle.dossier.heirs import HeirLink
from passerelle.dossier.portability_beside import Beside, Portion
from passerelle.dossier.portability_index import DOCUMENTS, IDENTITY, LIFE, MANIFEST, NOTICES, RIGHTS, Exported, index
from passerelle.dossier.portability_journal import Lines, lines_for
from passerelle.dossier.tables import document, dossier, relation
from passerelle.identities import patients
from passerelle.kernel.archives import Archive
from passerelle.kernel.clock import PARIS
from passerelle.kernel.context import Context
from passerelle.kernel.errors import BrokenIntegrity, Conflict, PasserelleError, Refused, TryLater
from passerelle.kernel.keys import DossierKey
from passerelle.notices import inbox
from passerelle_policies.decision import decide
from passerelle_policies.facts import DocumentFacts, Facts
from passerelle_policies.vocabulary import Action, DocumentStatus, DossierState, Kind, Relation

FORM: Final = "passerelle-export/1"
_DAY: Final = timedelta(days=1)
_CDA: Final = "text/xml"
_EXTENSIONS: Final = {
    _CDA: "xml",
    "application/pdf": "pdf",
    "text/plain": "txt",
    "image/jpeg": "jpg",
    "image/png": "png",
}
#: A CDA up to this size is also given as a page to read.
_READABLE_BYTES: Final = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """One document of an export: where it goes, where it lies, and what is said of it."""

    document_id: UUID
    content_name: str
    path: str
    mime_type: str
    size: int
    sha256: str
    entry: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """An export that was decided and journalled; `stream` gives its octets."""

    context: Context
    patient_id: UUID
    at: datetime
    documents: tuple[Chosen, ...]
    data: dict[str, Any]
    lines: Lines | None
    portions: tuple[Portion, ...]
    _key: DossierKey | None

    @property
    def file_name(self) -> str:
        """A name that says nothing of the patient: downloads folders are read by others."""
        return f"dossier-partage-{self.at.astimezone(PARIS):%Y-%m-%d}.zip"

    async def stream(self) -> AsyncIterator[bytes]:
        """The zip: documents, data, index, and the manifest with every hash last.

        Raises what stops it midway (CONTENT_STORE_AWAY): what was given until then is no whole zip.
        """
        archive, exported = Archive(self.at), []
        for each in self.documents:
            state = Exported(entry=each.entry)
            exported.append(state)
            async for octets in self._document(archive, each, state):
                yield octets
        entries = [
            {**each.entry, "file": each.file, "reading": each.reading, "content": each.state} for each in exported
        ]
        told = {path: portability_history.written(said) for path, said in {**self.data, DOCUMENTS: entries}.items()}
        page = index(self.context.tenant.name, self.at, self.data, exported, self.lines, self.portions)
        for path, content in {**told, **(self.lines.files if self.lines else {}), "index.html": page}.items():
            async for octets in archive.add_octets(path, content):
                yield octets
        async for octets in archive.add_octets(MANIFEST, self._manifest(archive, exported)):
            yield octets
        yield archive.end()

    async def _document(self, archive: Archive, each: Chosen, state: Exported) -> AsyncIterator[bytes]:
        if self._key is None:
            state.state = "unreadable"
            return
        if not each.content_name:
            state.state = "elsewhere"
            return
        tenant = self.context.tenant
        binding = content_binding(tenant.id, each.document_id)
        pieces = tenant.contents.read(each.content_name, self._key, binding)
        try:
            first = await anext(pieces, b"")
        except BrokenIntegrity:
            state.state = "unreadable"
            return
        page = bytearray() if each.mime_type == _CDA and each.size <= _READABLE_BYTES else None
        state.file = each.path
        async for octets in archive.add(each.path, _checked(first, pieces, each, state, page)):
            yield octets
        if page is not None and state.state == "whole":
            try:
                shown = await asyncio.to_thread(rendering.render, bytes(page))
            except PasserelleError:
                return  # the document itself is there
            state.reading = f"lecture/{each.path.removeprefix('documents/')}.html"
            async for octets in archive.add_octets(state.reading, shown.encode()):
                yield octets

    def _manifest(self, archive: Archive, exported: list[Exported]) -> bytes:
        lines = self.lines
        # Its own lines: that of the export, one for each document that goes out, those of what goes out beside.
        own = 1 + len(exported) + sum(each.own_lines for each in self.portions)
        said = {"lines": lines.count, "unsealed": lines.unsealed, "ownLinesLeftOut": own} if lines else None
        return portability_history.written(
            {
                "form": FORM,
                "network": self.context.tenant.id,
                "record": self.patient_id,
                "exportedAt": self.at,
                "journal": said,
                "altered": [each.entry["logicalId"] for each in exported if each.state in ("altered", "unreadable")],
                "files": [{"path": each.path, "size": each.size, "sha256": each.sha256} for each in archive.entries],
            }
        )


async def open_export(context: Context, patient_id: UUID, beside: Sequence[Beside] = ()) -> Export:
    """Decide an export, journal it with each document that goes out, and gather what it holds.

    `beside` give what other records of the patient hold.

    Refused: ACCESS_REFUSED; EXPORT_OF_NOTHING (`Conflict`) once erased, where nothing is held beside;
    EXPORT_TOO_MANY (`TryLater`) past the rule's count a day.
    """
    async with transaction(context) as act:
        # Locked, so that exports at once are counted one after the other and nothing is erased meanwhile.
        held = await act.connection.execute(
            select(dossier).where(dossier.c.patient_id == patient_id).with_for_update(key_share=True)
        )
        record = held.one_or_none()
        facts = await access.facts_of(context, act.connection, patient_id)
        said = await _decided(act, patient_id, facts)
        rows = await _reached(act, patient_id, facts)
        each_of_them = [
            replace(said, document_id=row.document_id, facts={**said.facts, "document": about.as_json()})
            for row, about in rows
        ]
        is_heir = _is_heir(facts)
        lines = None if is_heir else await lines_for(act, patient_id)
        await journal.append_all(act.connection, context, [said, *each_of_them])
        documents = _chosen([row for row, _ in rows])
        given = [await each(act, patient_id) for each in beside]
        portions = tuple(each for each in given if each is not None)
        if facts.dossier_state is DossierState.PURGED and not portions:
            raise Conflict("EXPORT_OF_NOTHING")
        data = await _data(act, patient_id, documents, is_heir=is_heir)
        return Export(
            context=context,
            patient_id=patient_id,
            at=act.now,
            documents=documents,
            data=data | {each.path: each.data for each in portions},
            lines=lines,
            portions=portions,
            _key=_key(context, patient_id, record),
        )


async def _decided(act: Act, patient_id: UUID, facts: Facts) -> journal.Line:
    """The line of an export that may be; an heir's says for which of the three motives of the law he asks."""
    context = act.context
    decision = decide(facts, Kind.DOSSIER, Action.EXPORT, overrides=context.tenant.parameters)
    said = access.line(decision, Kind.DOSSIER, Action.EXPORT, patient_id, facts)
    if not decision.allowed:
        raise Refused(refusals.code_told(decision, facts, Kind.DOSSIER, Action.EXPORT), line=said)
    limit = access.number(context, "export.per_day")
    if await journal.count_own(act.connection, context, patient_id, Kind.DOSSIER, Action.EXPORT, _DAY) >= limit:
        raise TryLater("EXPORT_TOO_MANY", retry_after=int(_DAY.total_seconds()), limit=limit)
    if _is_heir(facts):
        said = replace(
            said, facts={**said.facts, "motive": ", ".join(sorted((await _asks_as(act, patient_id)).values()))}
        )
    return said


def _is_heir(facts: Facts) -> bool:
    return not facts.relations & {Relation.PATIENT, Relation.REPRESENTATIVE}


async def _asks_as(act: Act, patient_id: UUID) -> dict[str, str]:
    """The links under which an heir asks, each with the motive that he gave."""
    asked = select(relation.c.basis, relation.c.motive).where(
        relation.c.patient_id == patient_id,
        relation.c.subject == act.context.actor.subject,
        relation.c.relation == Relation.HEIR.value,
        relations.holds(relation, act.now),
    )
    return {row.basis or "": row.motive or "" for row in await act.connection.execute(asked)}


async def _reached(act: Act, patient_id: UUID, facts: Facts) -> list[tuple[Row[Any], DocumentFacts]]:
    """The documents that go out, newest first, each with the facts on which it does.

    As lists show them, were the record open. An heir is shown what a representative would be, but nothing that is
    archived, superseded, masked, or kept from anybody at all; a parent keeps all that he saw of a minor who died.
    """
    seen_as, is_whole, kept_back = replace(facts, dossier_state=DossierState.OPEN), True, set()
    if _is_heir(facts):
        seen_as = replace(seen_as, relations=frozenset({Relation.REPRESENTATIVE}))
        is_whole = HeirLink.PARENTAL_AUTHORITY in await _asks_as(act, patient_id)
        kept_back = set(await withholding.kept_from_some(act, patient_id))
    found = await act.connection.execute(
        select(document)
        .where(document.c.patient_id == patient_id)
        .order_by(document.c.act_at.desc(), document.c.document_id.desc())
    )
    overrides = act.context.tenant.parameters
    reached = []
    for row in found:
        about = access.document_facts(act.context, row)
        if not decide(seen_as, Kind.DOCUMENT, Action.READ, about, overrides=overrides).allowed:
            continue
        is_plain = row.status == DocumentStatus.CURRENT and row.superseded_by is None and not row.masked
        if is_whole or (is_plain and row.document_id not in kept_back):
            reached.append((row, about))
    return reached


def _chosen(rows: list[Row[Any]]) -> tuple[Chosen, ...]:
    """The documents with what they are to this reader: a version is superseded when a later one is among them."""
    newest: dict[UUID, int] = {}
    for row in rows:
        newest[row.chain_id] = max(row.chain_position, newest.get(row.chain_id, 0))
    taken: set[str] = set()
    chosen = []
    for row in rows:
        is_superseded = row.chain_position < newest[row.chain_id]
        status = DocumentStatus.SUPERSEDED.value if is_superseded else row.status
        path = _path(row, taken)
        taken.add(path)
        chosen.append(
            Chosen(
                document_id=row.document_id,
                content_name=row.content_name,
                path=path,
                mime_type=row.mime_type,
                size=row.size,
                sha256=row.sha256,
                entry=portability_history.document_entry(row, status),
            )
        )
    return tuple(chosen)


def _path(row: Row[Any], taken: set[str]) -> str:
    """The day of the act, the type of the document and the beginning of its id: what its owner looks for."""
    folded = unicodedata.normalize("NFKD", row.type_label).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", folded).strip("-")[:60] or "document"
    stem = f"documents/{row.act_at.astimezone(PARIS):%Y-%m-%d}-{slug}"
    extension = _EXTENSIONS.get(row.mime_type, "bin")
    short = f"{stem}-{row.document_id.hex[:8]}.{extension}"
    return short if short not in taken else f"{stem}-{row.document_id.hex}.{extension}"


async def _data(act: Act, patient_id: UUID, documents: tuple[Chosen, ...], *, is_heir: bool) -> dict[str, Any]:
    """What goes out beside the documents, by path. An heir gets no more than whose record it is."""
    known = await patients.by_id(act, patient_id)
    data: dict[str, Any] = {IDENTITY: portability_history.identity(known, with_ins=not is_heir)}
    if not is_heir:
        data[LIFE] = await portability_history.life(act, patient_id)
        data[RIGHTS] = await portability_history.rights(act, patient_id, [each.document_id for each in documents])
        data[NOTICES] = [
            {"kind": each.kind, "sentence": each.sentence, "postedAt": each.posted_at, "readAt": each.read_at}
            for each in await inbox.about(act, patient_id)
        ]
    return data


def _key(context: Context, patient_id: UUID, record: Row[Any] | None) -> DossierKey | None:
    """The dossier's key, or nothing when it does not open: its documents are then named as unreadable."""
    if record is None or record.wrapped_key is None:
        return None
    tenant = context.tenant
    try:
        return tenant.keys.dossier_key(tenant.id, patient_id, bytes(record.wrapped_key))
    except BrokenIntegrity:
        return None


async def _checked(
    first: bytes, pieces: AsyncIterator[bytes], each: Chosen, state: Exported, page: bytearray | None
) -> AsyncIterator[bytes]:
    """The pieces of one content; `state` says when they end too early or are not those of its entry."""
    digest = hashlib.sha256(first)
    if page is not None:
        page += first
    yield first
    try:
        async for piece in pieces:
            digest.update(piece)
            if page is not None:
                page += piece
            yield piece
    except BrokenIntegrity:
        state.state = "altered"
        return
    if digest.hexdigest() != each.sha256:
        state.state = "altered"
