"""The bucket applicants upload to, in moto's S3, and the way its events take to the SNS stand-in.

moto's own delivery from SNS to HTTP neither confirms nor signs correctly, so its events are read from a
queue and completed to what S3 sends.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, unquote_plus

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient

REGION = "us-east-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "development", "AWS_SECRET_ACCESS_KEY": "development"}
"""Any will do for moto; set so that no real ones of the developer are ever used."""

EVENT_SUBJECT = "Amazon S3 Notification"

_sequence = itertools.count(1)


def create_bucket(endpoint_url: str, bucket: str) -> str:
    """Create the bucket and a queue that gets its events. Returns the queue's URL. Blocks."""
    session = _session()
    sqs = session.client("sqs", endpoint_url=endpoint_url)
    queue_url = sqs.create_queue(QueueName=f"{bucket}-events")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
    s3 = session.client("s3", endpoint_url=endpoint_url)
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_notification_configuration(
        Bucket=bucket,
        NotificationConfiguration={
            "QueueConfigurations": [
                {"QueueArn": queue["Attributes"]["QueueArn"], "Events": ["s3:ObjectCreated:*"]}
            ]
        },
    )
    return queue_url


async def forward_events(endpoint_url: str, queue_url: str, publish: Callable[[str, str], object]) -> None:
    """Call `publish(message, subject)` with each event of the queue, until cancelled."""
    # Without retries, since what fails here is a server that was stopped.
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=5)
    sqs = await asyncio.to_thread(lambda: _session().client("sqs", endpoint_url=endpoint_url, config=config))
    while True:
        for body in await asyncio.to_thread(_receive, sqs, queue_url):
            publish(json.dumps(complete(json.loads(body)), separators=(",", ":")), EVENT_SUBJECT)


def complete(event: dict[str, Any]) -> dict[str, Any]:
    """Add what S3 sends and moto leaves out (S3 User Guide, "Event message structure").

    The test event has no records and passes as it is.
    """
    for record in event.get("Records", []):
        stored = record["s3"]["object"]
        # S3 leaves slashes as they are; moto encodes them.
        stored["key"] = quote_plus(unquote_plus(stored["key"]), safe="/")
        stored.setdefault("sequencer", f"{next(_sequence):018X}")
        record.setdefault("userIdentity", {"principalId": "AWS:DEVELOPMENT"})
        record.setdefault("requestParameters", {"sourceIPAddress": "127.0.0.1"})
        record["s3"]["bucket"].setdefault("ownerIdentity", {"principalId": "DEVELOPMENT"})
    return event


def _receive(sqs: SQSClient, queue_url: str) -> list[str]:
    """The bodies of up to ten messages, which are then gone from the queue; waits up to a second."""
    messages = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
    found = messages.get("Messages", [])
    for message in found:
        sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
    return [message["Body"] for message in found]


def _session() -> boto3.Session:
    return boto3.Session(
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        region_name=REGION,
    )
