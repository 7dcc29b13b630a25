"""What the flows send to the underwriting tool is what the API's description promises."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime

import pytest

from app.models import Document, DocumentStatus
from app.object_store import Link
from app.web import webhooks
from flows import handover
from flows.assessing import Assessed
from flows.extraction.assessment import DocumentRead, assess
from flows.extraction.checks import Policy
from flows.extraction.fields import Candidate, Field, FieldName, Source
from flows.reader import Reading, Refusal

AT = datetime(2026, 11, 20, 10, 0, 12, 345678, UTC)
DOCUMENT = Document(id=uuid.uuid4(), application_id="A-1", kind="license-front")
PICTURE = Link("https://bucket.example/card.jpg?X-Amz-Signature=1", AT)
BORN = Field(
    value="1990-02-23",
    confidence=100,
    source=Source.BARCODE,
    alternatives=(Candidate(value="1990-02-28", confidence=71.25, source=Source.OCR),),
)


def assessed(*documents: DocumentRead) -> Assessed:
    assessment = assess(
        documents, required=["passport"], registered=None, duplicates=None, policy=Policy(), today=AT.date()
    )
    return Assessed(assessment, complete=False)


def test_what_was_read_is_told_as_described() -> None:
    read = DocumentRead(kind="license-front", fields={FieldName.DATE_OF_BIRTH: BORN})
    together = assessed(read)
    content = together.assessment.model_dump(mode="json")
    reading = Reading(
        kind="license-front",
        fields=content["fields"],
        checks=content["checks"],
        recommendation=content["recommendation"],
        engine={"name": "rapidocr", "versions": {"rapidocr": "3.10.0"}, "seconds": {"total": 0.9}},
        sha256="00" * 32,
        image_hashes=(),
    )

    message = webhooks.DocumentRead.model_validate_json(
        handover.message(DOCUMENT, reading, together, PICTURE, AT)
    )

    assert message.timestamp == AT
    assert message.data.fields["DATE_OF_BIRTH"].alternatives[0].value == "1990-02-28"
    assert message.data.picture is not None
    assert message.data.picture.url == PICTURE.url
    assert message.data.assessment.missing == ["passport"]
    assert "expired" in {check.check for check in message.data.assessment.checks}


@pytest.mark.parametrize("status", [DocumentStatus.UNREADABLE, DocumentStatus.REJECTED])
def test_a_refusal_is_told_as_described(status: DocumentStatus) -> None:
    refusal = Refusal(status, "The picture is too blurred.")
    body = handover.message(DOCUMENT, refusal, assessed(), None, AT)
    message = webhooks.DocumentUnreadable.model_validate_json(body)

    assert json.loads(body) == message.model_dump(mode="json") | {"timestamp": AT.isoformat()}
