"""An example of each answer, for the API's description. Tests hold them to the models."""

from __future__ import annotations

from typing import Any

_RUN_ID = "01980000-0000-7000-8000-0000000000a1"
_DOCUMENT_ID = "01980000-0000-7000-8000-000000000001"
_AT = "2026-11-20T10:00:00.123456Z"

_DOCUMENT: dict[str, Any] = {
    "id": _DOCUMENT_ID,
    "application_id": "A-1001",
    "kind": "license-front",
    "key": "applications/A-1001/license-front/01980000-0000-7000-8000-0000000000f1.jpg",
    "status": "verified",
    "reason": None,
    "received_at": _AT,
    "verified_at": "2026-11-20T10:00:12.345678Z",
    "purged_at": None,
}

_EXTRACTION: dict[str, Any] = {
    "fields": {"LAST_NAME": {"value": "SPECIMEN", "confidence": 98.7, "source": "ocr", "alternatives": []}},
    "checks": [{"check": "expired", "status": "pass", "severity": "reject", "detail": "", "required": True}],
    "recommendation": "review",
    "engine": {"name": "rapidocr", "versions": {"rapidocr": "3.10.0"}, "seconds": {"ocr": 0.9}},
    "created_at": "2026-11-20T10:00:12.345678Z",
}

_ASSESSMENT: dict[str, Any] = {
    "fields": {
        "LAST_NAME": {
            "value": "SPECIMEN",
            "confidence": 100.0,
            "source": "barcode",
            "agreeing": ["ocr"],
            "alternatives": [],
        }
    },
    "checks": [
        {"check": "same_person", "status": "pass", "severity": "review", "detail": "", "required": True}
    ],
    "recommendation": "accept",
    "missing": [],
    "documents": [_DOCUMENT_ID],
    "outdated": False,
    "made_at": "2026-11-20T10:00:12.345678Z",
}

_RUN: dict[str, Any] = {
    "id": _RUN_ID,
    "route": "document-verification",
    "application_id": "A-1001",
    "deployment": "document-verification/default",
    "state": "RUNNING",
    "state_name": "Running",
    "stuck": False,
    "place": None,
    "attempts": 1,
    "last_error": None,
    "flow_run_id": "01980000-0000-7000-8000-0000000000b1",
    "replays": 0,
    "previous_flow_runs": [],
    "accepted_at": _AT,
    "dispatched_at": "2026-11-20T10:00:00.345678Z",
    "started_at": "2026-11-20T10:00:03.456789Z",
    "ended_at": None,
    "version": 5,
}

_DECISION: dict[str, Any] = {
    "id": "01980000-0000-7000-8000-0000000000d1",
    "application_id": "A-1001",
    "outcome": "denied",
    "reasons": ["income_not_verified", "The document has expired"],
    "conditions": [],
    "decided_by": "underwriter-17",
    "decided_at": _AT,
    "received_at": "2026-11-20T10:00:01.234567Z",
    "applied_at": None,
}

_QUARANTINED: dict[str, Any] = {
    "id": "01980000-0000-7000-8000-0000000000e1",
    "topic_arn": "arn:aws:sns:us-east-1:123456789012:uploads",
    "message_id": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
    "kind": "Notification",
    "reason": "topic-not-allowed",
    "detail": "Topic arn:aws:sns:us-east-1:123456789012:uploads is not on the allow-list.",
    "sent_at": _AT,
    "received_at": _AT,
    "released_at": None,
    "outcome": None,
}

BY_MODEL: dict[str, Any] = {
    "Accepted": {"outcome": "routed"},
    "Registered": {"id": "A-1001", "status": "awaiting_document", "version": 1},
    "UploadForm": {
        "url": "https://sluice-documents.s3.us-east-1.amazonaws.com/",
        "fields": {
            "Content-Type": "image/jpeg",
            "key": _DOCUMENT["key"],
            "policy": "eyJleHBpcmF0aW9uIjog…",
            "x-amz-signature": "3f1c…",
        },
        "key": _DOCUMENT["key"],
        "expires_at": "2026-11-20T10:15:00Z",
        "max_bytes": 15_728_640,
    },
    "ApplicationView": {
        "id": "A-1001",
        "status": "in_review",
        "missing_kinds": [],
        "version": 7,
        "created_at": _AT,
        "updated_at": "2026-11-20T10:00:12.345678Z",
        "documents": [_DOCUMENT],
        "runs": [{**_RUN, "state": "COMPLETED", "state_name": "Completed", "ended_at": _AT}],
        "decision": None,
        "assessment": _ASSESSMENT,
    },
    "DocumentDetail": {**_DOCUMENT, "extraction": _EXTRACTION, "handover_refusal": None},
    "RunView": _RUN,
    "RunList": {"runs": [_RUN], "next": None},
    "Decided": {**_DECISION, "run": {"id": _RUN_ID, "url": f"/v1/runs/{_RUN_ID}"}},
    "ReplayBody": {"route": "document-verification", "states": ["DEAD", "FAILED"], "dry_run": True},
    "ReplayAnswer": {"matching": 1, "replayed": [_RUN_ID], "dry_run": True},
    "Page": {"messages": [_QUARANTINED], "next": None},
    "Quarantined": {**_QUARANTINED, "released_at": "2026-11-20T11:00:00Z", "outcome": "routed"},
    "Alive": {"status": "alive"},
    "Readiness": {
        "ready": True,
        "checks": {"database": "ok", "schema": "ok", "loop dispatcher": "ok", "loop projection": "ok"},
    },
}
"""By the model's name in the description."""
