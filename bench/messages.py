"""Signed notifications as S3 causes them, each distinct, made before the time that is measured."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from app.dev.process import free_port
from app.dev.sns_signing import Signer, now
from bench import load

TOPIC = "arn:aws:sns:us-east-1:123456789012:uploads"
BUCKET = "sluice-documents"

CERTIFICATE_PORT = free_port()
SIGNER = Signer(f"http://127.0.0.1:{CERTIFICATE_PORT}")
"""Signs as SNS does; the gateways trust its certificate."""

# What SNS sends beside the body (SNS Developer Guide, "HTTP/HTTPS headers").
_HEADERS = {
    "Content-Type": "text/plain; charset=UTF-8",
    "User-Agent": "Amazon Simple Notification Service Agent",
    "x-amz-sns-message-type": "Notification",
    "x-amz-sns-topic-arn": TOPIC,
}


def certificate_origin() -> str:
    return SIGNER.certificate_url.removesuffix(SIGNER.certificate_path)


def generators() -> ProcessPoolExecutor:
    """The processes that sign and send. Forked before anything else runs, so that all share one signer."""
    return ProcessPoolExecutor(max_workers=load.PROCESSES, mp_context=get_context("fork"))


def signed(pool: ProcessPoolExecutor, count: int, *, path: str = "/v1/sns") -> list[bytes]:
    """So many requests, two documents for each of half as many applications."""
    part = 250
    sizes = [min(part, count - done) for done in range(0, count, part)]
    return [made for chunk in pool.map(_signed, sizes, [path] * len(sizes)) for made in chunk]


def _signed(count: int, path: str) -> Sequence[bytes]:
    applications = [uuid.uuid4().hex for _ in range((count + 1) // 2)]
    return [
        load.request("POST", path, body=envelope(applications[number // 2], side), headers=_HEADERS)
        for number, side in zip(range(count), ["license-front", "license-back"] * count, strict=False)
    ]


def envelope(application_id: str, kind: str = "license-front") -> bytes:
    """One delivery's body, about an upload nobody has told of yet."""
    return SIGNER.envelope(
        {
            "Type": "Notification",
            "MessageId": str(uuid.uuid4()),
            "TopicArn": TOPIC,
            "Subject": "Amazon S3 Notification",
            "Message": _s3_event(application_id, kind),
            "Timestamp": now(),
        },
        unsubscribe_url="https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe&SubscriptionArn="
        f"{TOPIC}:{uuid.UUID(int=0)}",
    )


def _s3_event(application_id: str, kind: str) -> str:
    """As S3 sends it (S3 User Guide, "Event message structure")."""
    uploaded = {
        "key": f"applications/{application_id}/{kind}/{uuid.uuid4()}.jpg",
        "size": 1_843_200,
        "eTag": uuid.uuid4().hex,
        "sequencer": uuid.uuid4().hex[:18].upper(),
    }
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "us-east-1",
        "eventTime": now(),
        "eventName": "ObjectCreated:Post",
        "userIdentity": {"principalId": "AWS:AIDAEXAMPLEEXAMPLE"},
        "requestParameters": {"sourceIPAddress": "203.0.113.7"},
        "responseElements": {"x-amz-request-id": uuid.uuid4().hex[:16].upper(), "x-amz-id-2": "x" * 76},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "uploads",
            "bucket": {
                "name": BUCKET,
                "ownerIdentity": {"principalId": "A1EXAMPLE"},
                "arn": f"arn:aws:s3:::{BUCKET}",
            },
            "object": uploaded,
        },
    }
    return json.dumps({"Records": [record]}, separators=(",", ":"))
