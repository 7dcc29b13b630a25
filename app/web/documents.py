"""What was read from a document, for those who may see it."""

from __future__ import annotations

import uuid

from fastapi import APIRouter

from app import errors, status
from app.models import Role
from app.status import DocumentDetail
from app.web.deps import Parts, StatusReader
from app.web.problems import BY_KEY, responses

router = APIRouter(prefix="/v1/documents", tags=["Documents"])


@router.get(
    "/{document_id}",
    summary="Read a document",
    responses=responses(*BY_KEY, errors.NotFound, errors.Unprocessable, errors.DecryptionFailed),
)
async def read_document(document_id: uuid.UUID, parts: Parts, caller: StatusReader) -> DocumentDetail:
    """Its status; for underwriters and operators also the fields that were read, and the checks."""
    async with parts.sessions() as session:
        return await status.document(
            session, parts.keyring, document_id, with_extraction=caller.role is not Role.LOAN_APP
        )
