"""What the flows send to the underwriting tool is what the API's description promises."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, date, datetime

import pytest

from app.models import Document, DocumentStatus
from app.web.webhooks import DocumentRead, DocumentUnreadable
from flows.document_verification import handover_message
from flows.extraction import checks
from flows.extraction.fields import Candidate, Field, FieldName, Source
from flows.reader import Reading, Refusal

AT = datetime(2026, 11, 20, 10, 0, 12, 345678, UTC)
DOCUMENT = Document(id=uuid.uuid4(), application_id="A-1", kind="license-front")


def test_what_was_read_is_told_as_described() -> None:
    candidate = Candidate(value="1990-02-28", confidence=71.25, source=Source.OCR)
    born = Field(value="1990-02-23", confidence=100, source=Source.BARCODE, alternatives=(candidate,))
    today = date(2026, 11, 20)
    fields = {FieldName.DATE_OF_BIRTH: born}
    findings = (checks.expired(fields, today), checks.under_age(fields, today), checks.complete(fields))
    reading = Reading(
        fields={name: field.model_dump(mode="json") for name, field in fields.items()},
        checks=[check.model_dump(mode="json") for check in findings],
        recommendation=checks.recommend(findings),
        engine={"name": "rapidocr", "versions": {"rapidocr": "3.10.0"}, "seconds": {"total": 0.9}},
    )

    message = DocumentRead.model_validate_json(handover_message(DOCUMENT, reading, AT))

    assert message.timestamp == AT
    assert message.data.fields["DATE_OF_BIRTH"].alternatives[0].value == "1990-02-28"
    assert [check.check for check in message.data.checks] == ["expired", "under_age", "complete"]


@pytest.mark.parametrize("status", [DocumentStatus.UNREADABLE, DocumentStatus.REJECTED])
def test_a_refusal_is_told_as_described(status: DocumentStatus) -> None:
    body = handover_message(DOCUMENT, Refusal(status, "The picture is too blurred."), AT)
    message = DocumentUnreadable.model_validate_json(body)

    assert json.loads(body) == message.model_dump(mode="json") | {"timestamp": AT.isoformat()}
