"""What there should be in the AWS account: names, ARNs and policies as values, from the settings alone."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parseaddr
from typing import Any
from urllib.parse import urlsplit

from app.aws.clients import Aws, explained
from app.errors import Misconfigured
from app.settings import Settings

NOTIFICATION_ID = "sluice-uploads"
"""Marks our own among the bucket's notifications; all others are somebody else's."""

KEPT_SECONDS = 14 * 24 * 3600
"""How long the dead-letter queue keeps a message: as long as SQS can."""

_SHORTEST, _LONGEST = 20, 60
_EARLY, _GROWING, _LATE = 10, 20, 30
"""Retries 20 s apart, then ever further apart, then 60 s apart: 2,800 s in all. SNS allows 3,600, not
counting the attempts themselves (SNS Developer Guide, "Amazon SNS message delivery retries")."""

_ATTEMPT_SECONDS = 15
"""How long SNS waits for an answer."""

LONGEST_DELIVERY_SECONDS = (
    _EARLY * _SHORTEST
    + _GROWING * (_SHORTEST + _LONGEST) // 2
    + _LATE * _LONGEST
    + (1 + _EARLY + _GROWING + _LATE) * _ATTEMPT_SECONDS
)
"""How old a message can be at its last attempt, when every attempt before timed out."""


@dataclass(frozen=True)
class Plan:
    """The resources of one gateway in one account and region."""

    partition: str
    region: str
    account: str
    bucket: str
    prefix: str
    """Keys of uploads begin with it."""
    topic: str
    queue: str
    """The dead-letter queue."""
    gateway_url: str | None
    """The HTTPS subscription's endpoint. None is enough for what needs no subscription."""
    deliveries_per_second: int
    policy_prefix: str
    ses_sender: str | None = None
    """The address that emails are sent from by SES; None when they go another way."""
    reports: str | None = None
    """Bucket and prefix of the daily report's files; None when there are none."""

    @property
    def bucket_arn(self) -> str:
        return f"arn:{self.partition}:s3:::{self.bucket}"

    @property
    def objects_arn(self) -> str:
        """All uploads."""
        return f"{self.bucket_arn}/{self.prefix}*"

    @property
    def topic_arn(self) -> str:
        return f"arn:{self.partition}:sns:{self.region}:{self.account}:{self.topic}"

    @property
    def queue_arn(self) -> str:
        return f"arn:{self.partition}:sqs:{self.region}:{self.account}:{self.queue}"

    def policy_arn(self, name: str) -> str:
        """The ARN of one of our managed policies."""
        return f"arn:{self.partition}:iam::{self.account}:policy/{self.policy_name(name)}"

    def policy_name(self, name: str) -> str:
        return f"{self.policy_prefix}{name}"

    @property
    def endpoint(self) -> str:
        """The URL to subscribe. Raises Misconfigured while it is unset, or no URL for SNS."""
        url = urlsplit(self.gateway_url or "")
        if url.scheme not in {"http", "https"} or not url.hostname:
            raise Misconfigured(
                "Set SLUICE_AWS_GATEWAY_URL to the address at which SNS reaches the gateway, "
                "such as https://sluice.example.com/v1/sns."
            )
        return url.geturl()

    @property
    def protocol(self) -> str:
        """SNS's name for the way to the endpoint: `https`, or `http` to a stand-in."""
        return urlsplit(self.endpoint).scheme

    @property
    def notification(self) -> dict[str, Any]:
        """The bucket's notification, as S3's API writes it."""
        rules = [{"Name": "prefix", "Value": self.prefix}]
        return {
            "Id": NOTIFICATION_ID,
            "TopicArn": self.topic_arn,
            "Events": ["s3:ObjectCreated:*"],
            **({"Filter": {"Key": {"FilterRules": rules}}} if self.prefix else {}),
        }

    @property
    def delivery_policy(self) -> dict[str, Any]:
        """How often and how fast SNS delivers (SNS Developer Guide, "Creating an HTTP/S delivery policy")."""
        return {
            "healthyRetryPolicy": {
                "minDelayTarget": _SHORTEST,
                "maxDelayTarget": _LONGEST,
                "numRetries": _EARLY + _GROWING + _LATE,
                "numNoDelayRetries": 0,
                "numMinDelayRetries": _EARLY,
                "numMaxDelayRetries": _LATE,
                "backoffFunction": "linear",
            },
            "throttlePolicy": {"maxReceivesPerSecond": self.deliveries_per_second},
        }

    @property
    def redrive_policy(self) -> dict[str, Any]:
        return {"deadLetterTargetArn": self.queue_arn}


def make_plan(settings: Settings, aws: Aws) -> Plan:
    """The plan for the account that the credentials belong to. Asks STS; raises what `explained` does."""
    with explained():
        identity = aws.sts.get_caller_identity()
    return Plan(
        partition=identity["Arn"].split(":")[1],
        region=settings.s3.region,
        account=identity["Account"],
        bucket=settings.s3.bucket,
        prefix=settings.aws.upload_prefix,
        topic=settings.aws.topic,
        queue=settings.aws.dead_letter_queue,
        gateway_url=settings.aws.gateway_url,
        deliveries_per_second=settings.aws.deliveries_per_second,
        policy_prefix=settings.aws.policy_prefix,
        ses_sender=parseaddr(settings.mail.sender)[1] if settings.mail.transport == "ses" else None,
        reports=f"{settings.reports.bucket}/{settings.reports.prefix}" if settings.reports.bucket else None,
    )
