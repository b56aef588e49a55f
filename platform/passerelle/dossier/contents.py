"""How a document's content is tied to its entry."""

from __future__ import annotations

from uuid import UUID


def content_binding(tenant_id: str, document_id: UUID) -> bytes:
    """What a stored content is bound to: it opens for this tenant and document only."""
    return f"{tenant_id}/{document_id}".encode()
