"""What the stand-in makes of moto's events."""

from __future__ import annotations

from typing import Any

from app.dev.bucket import complete


def moto_event(key: str) -> dict[str, Any]:
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": "us-east-1",
                "eventTime": "2026-11-20T08:00:00.000Z",
                "eventName": "ObjectCreated:Post",
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "configurationId": "x",
                    "bucket": {"name": "documents", "arn": "arn:aws:s3:::documents"},
                    "object": {"key": key, "size": 3, "eTag": "900150983cd24fb0d6963f7d28e17f72"},
                },
            }
        ]
    }


def completed(key: str) -> dict[str, Any]:
    stored: dict[str, Any] = complete(moto_event(key))["Records"][0]["s3"]["object"]
    return stored


def test_slashes_are_literal_and_the_rest_stays_encoded() -> None:
    assert completed("applications%2FA-1%2Fred+flower%2B.jpg")["key"] == "applications/A-1/red+flower%2B.jpg"


def test_each_event_has_a_later_sequencer() -> None:
    first, second = completed("a")["sequencer"], completed("a")["sequencer"]
    assert len(first) == len(second)
    assert first < second


def test_an_event_sent_again_keeps_its_sequencer() -> None:
    event = complete(moto_event("a"))
    before = event["Records"][0]["s3"]["object"]["sequencer"]
    assert complete(event)["Records"][0]["s3"]["object"]["sequencer"] == before


def test_the_test_event_passes_unchanged() -> None:
    event = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "documents"}
    assert complete(dict(event)) == event
