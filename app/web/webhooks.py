"""What we send to others: the document's result, posted to the underwriting tool.

The flow sends it; here its shape is promised, for the API's description. Signed by Standard Webhooks.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Response
from pydantic import BaseModel, ConfigDict, Field

from app import standard_webhooks
from app.models import DocumentStatus

router = APIRouter(tags=["Webhooks"])


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FieldReading(_Body):
    """One reading of a field: dates are ISO, states have two letters."""

    value: str
    confidence: Annotated[float, Field(ge=0, le=100)]
    """How sure the engine is of the letters; it says nothing about whether the card is genuine."""
    source: Literal["barcode", "ocr", "mrz", "cloud"]
    repaired: bool = False
    """Characters were changed so that check digits are right: to be looked at."""


class FieldResult(FieldReading):
    agreeing: list[Literal["barcode", "ocr", "mrz", "cloud"]] = []
    """Other sources that say the same."""
    alternatives: list[FieldReading] = []
    """Readings that say something else."""


class CheckResult(_Body):
    """One document check. Its detail names fields, never their values."""

    check: str
    status: Literal["pass", "fail", "warn", "not_run"]
    severity: Literal["advise", "review", "reject"]
    """What a failure leads to; one that advises changes no recommendation."""
    detail: str
    required: bool


class Picture(_Body):
    """Where the uploaded file can be seen for a while, by anybody who has the address."""

    url: str
    expires_at: datetime


class AssessmentResult(_Body):
    """What all documents of the application say together, this one included."""

    complete: bool
    """Whether every document is there that the application needs, and none is left to read."""
    missing: list[str]
    """Required kinds of which there is no picture."""
    recommendation: Literal["accept", "review", "reject"]
    """Advice, from the checks alone. Nothing is decided by it."""
    checks: list[CheckResult]
    fields: dict[str, FieldResult]
    """By AWS Textract AnalyzeID's names. What was not read is absent."""


class DocumentOfApplication(_Body):
    application_id: str
    document_id: uuid.UUID
    kind: str
    """The word of the upload for what the picture shows."""
    picture: Picture | None
    """None when the object is no longer in the bucket."""
    assessment: AssessmentResult


class ReadData(DocumentOfApplication):
    recommendation: Literal["accept", "review", "reject"]
    """Of this document alone. The assessment's counts."""
    checks: list[CheckResult]
    fields: dict[str, FieldResult]
    """By AWS Textract AnalyzeID's names. What was not read is absent."""
    engine: dict[str, Any]
    """Name, versions and the seconds each step took."""


class UnreadableData(DocumentOfApplication):
    status: Literal[DocumentStatus.UNREADABLE, DocumentStatus.REJECTED]
    reason: str
    """In a sentence for the applicant."""


_PICTURE: dict[str, Any] = {
    "url": "https://loan-documents.s3.amazonaws.com/applications/A-1001/license-front/card.jpg?X-Amz-Signature=3f9c",
    "expires_at": "2026-11-20T10:15:12.345678+00:00",
}

_ASSESSMENT: dict[str, Any] = {
    "complete": False,
    "missing": ["license-back"],
    "recommendation": "review",
    "checks": [
        {
            "check": "required_kinds",
            "status": "not_run",
            "severity": "review",
            "detail": "Missing: license-back.",
            "required": True,
        }
    ],
    "fields": {"LAST_NAME": {"value": "SPECIMEN", "confidence": 98.7, "source": "ocr"}},
}

_READ: dict[str, Any] = {
    "type": "document.read",
    "timestamp": "2026-11-20T10:00:12.345678+00:00",
    "data": {
        "application_id": "A-1001",
        "document_id": "01980000-0000-7000-8000-000000000001",
        "kind": "license-front",
        "picture": _PICTURE,
        "assessment": _ASSESSMENT,
        "recommendation": "review",
        "checks": [
            {"check": "expired", "status": "pass", "severity": "reject", "detail": "", "required": True},
            {
                "check": "barcode_matches_print",
                "status": "not_run",
                "severity": "review",
                "detail": "Fewer than three fields were read on both sides.",
                "required": True,
            },
        ],
        "fields": {
            "LAST_NAME": {"value": "SPECIMEN", "confidence": 98.7, "source": "ocr", "alternatives": []},
            "EXPIRATION_DATE": {
                "value": "2031-05-14",
                "confidence": 100.0,
                "source": "barcode",
                "alternatives": [{"value": "2037-05-14", "confidence": 71.2, "source": "ocr"}],
            },
        },
        "engine": {"name": "rapidocr", "versions": {"rapidocr": "3.10.0"}, "seconds": {"ocr": 0.9}},
    },
}

_UNREADABLE: dict[str, Any] = {
    "type": "document.unreadable",
    "timestamp": "2026-11-20T10:00:12.345678+00:00",
    "data": {
        "application_id": "A-1001",
        "document_id": "01980000-0000-7000-8000-000000000001",
        "kind": "license-front",
        "picture": _PICTURE,
        "assessment": _ASSESSMENT,
        "status": "unreadable",
        "reason": "The picture is too blurred to read; hold the camera still and take it again.",
    },
}


class DocumentRead(_Body):
    model_config = ConfigDict(json_schema_extra={"examples": [_READ]})

    type: Literal["document.read"]
    timestamp: datetime
    data: ReadData


class DocumentUnreadable(_Body):
    model_config = ConfigDict(json_schema_extra={"examples": [_UNREADABLE]})

    type: Literal["document.unreadable"]
    timestamp: datetime
    data: UnreadableData


WebhookId = Annotated[
    str,
    Header(
        alias=standard_webhooks.ID_HEADER,
        description="The same for every attempt: what was seen before can be left out.",
        examples=["document-01980000-0000-7000-8000-000000000001"],
    ),
]
WebhookTimestamp = Annotated[
    str,
    Header(
        alias=standard_webhooks.TIMESTAMP_HEADER,
        description="Seconds since 1970, of this attempt. Refuse what is more than five minutes away.",
        examples=["1795168812"],
    ),
]
WebhookSignature = Annotated[
    str,
    Header(
        alias=standard_webhooks.SIGNATURE_HEADER,
        description="`v1,` and the base64 of HMAC-SHA256 over `{webhook-id}.{webhook-timestamp}.{body}`.",
        examples=["v1,Z1h6mK0rXh3k6kYwG3rXfQm0Jm4o4m8E3mX7h2bq9Yc="],
    ),
]

_ANSWERS: dict[int | str, dict[str, Any]] = {
    "2XX": {"description": "The tool has it."},
    "408": {"description": "Sent again later; so are 425, 429, every 5XX, and no answer."},
    "4XX": {"description": "Not sent again. The application stays in review and the refusal is audited."},
}
_PROMISE: dict[str, Any] = {"status_code": 204, "response_class": Response, "responses": _ANSWERS}


@router.post("document.read", summary="A document was read", **_PROMISE)
async def document_read(
    body: DocumentRead, _: WebhookId, __: WebhookTimestamp, ___: WebhookSignature
) -> None:
    """What is on the document, and what the checks found: sent to `SLUICE_UNDERWRITING_URL`, signed by
    Standard Webhooks with `SLUICE_UNDERWRITING_WEBHOOK_SECRET`. It may come more than once. By then its
    application is in review, unless another of its documents is still being read."""


@router.post("document.unreadable", summary="A document could not be read", **_PROMISE)
async def document_unreadable(
    body: DocumentUnreadable, _: WebhookId, __: WebhookTimestamp, ___: WebhookSignature
) -> None:
    """Why it could not be read; a person has to look. Sent as `document.read` is, and in its place."""
