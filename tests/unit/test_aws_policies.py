"""What the policies allow, and what the plan asks of SNS: within AWS's limits, and not a word too much."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.aws.plan import LONGEST_DELIVERY_SECONDS, Plan
from app.aws.policies import connector, managed, queue_policy, same, topic_policy
from app.settings import TopicPolicy

PLAN = Plan(
    partition="aws",
    region="eu-west-1",
    account="123456789012",
    bucket="documents",
    prefix="applications/",
    topic="uploads",
    queue="uploads-dead",
    gateway_url="https://sluice.example.com/v1/sns",
    deliveries_per_second=500,
    policy_prefix="sluice-",
)


def statements(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from document["Statement"]


def allowed(document: dict[str, Any]) -> dict[str, list[str]]:
    """The actions by resource."""
    return {one["Resource"]: one["Action"] for one in statements(document)}


def changed(**changes: Any) -> Plan:
    return Plan(**{**vars(PLAN), **changes})


def test_only_this_bucket_of_this_account_may_publish() -> None:
    [only] = statements(topic_policy(PLAN))
    assert only["Principal"] == {"Service": "s3.amazonaws.com"}
    assert only["Action"] == "sns:Publish"
    assert only["Condition"] == {
        "ArnEquals": {"aws:SourceArn": "arn:aws:s3:::documents"},
        "StringEquals": {"aws:SourceAccount": "123456789012"},
    }


def test_only_this_topic_may_send_to_the_queue() -> None:
    [only] = statements(queue_policy(PLAN))
    assert only["Principal"] == {"Service": "sns.amazonaws.com"}
    assert only["Condition"] == {"ArnEquals": {"aws:SourceArn": "arn:aws:sns:eu-west-1:123456789012:uploads"}}


def test_each_may_do_what_it_does_and_no_more() -> None:
    assert {name: allowed(document) for name, document in managed(PLAN).items()} == {
        "gateway": {
            "arn:aws:s3:::documents/applications/*": ["s3:PutObject"],
            "arn:aws:sns:eu-west-1:123456789012:uploads": ["sns:ConfirmSubscription"],
        },
        "worker": {
            "arn:aws:s3:::documents/applications/*": ["s3:GetObject", "s3:GetObjectVersion"],
            "arn:aws:s3:::documents": ["s3:ListBucket"],
        },
        "operator": {
            "arn:aws:sqs:eu-west-1:123456789012:uploads-dead": [
                "sqs:GetQueueUrl",
                "sqs:ReceiveMessage",
                "sqs:DeleteMessage",
                "sqs:ChangeMessageVisibility",
            ],
            "arn:aws:s3:::documents": ["s3:ListBucketVersions", "s3:GetBucketVersioning"],
        },
        "purge": {
            "arn:aws:s3:::documents": ["s3:ListBucketVersions"],
            "arn:aws:s3:::documents/applications/*": ["s3:DeleteObject", "s3:DeleteObjectVersion"],
        },
    }


def test_email_and_reports_are_allowed_where_they_are_used() -> None:
    worker = managed(changed(ses_sender="loans@example.com", reports="lake/daily/"))["worker"]
    email, reports = list(statements(worker))[2:]
    assert email["Action"] == ["ses:SendEmail"]
    assert email["Condition"] == {"StringEquals": {"ses:FromAddress": "loans@example.com"}}
    assert reports["Resource"] == "arn:aws:s3:::lake/daily/*"


@pytest.mark.parametrize("document", [*managed(PLAN).values(), connector(PLAN)])
def test_no_policy_has_a_wildcard_for_an_action(document: dict[str, Any]) -> None:
    assert "*" not in json.dumps([one["Action"] for one in statements(document)])
    # IAM User Guide, "IAM and AWS STS quotas": white space does not count.
    assert len(json.dumps(document, separators=(",", ":"))) <= 6_144


@pytest.mark.parametrize("partition", ["aws-cn", "aws-us-gov"])
def test_arns_are_of_the_accounts_own_partition(partition: str) -> None:
    plan = changed(partition=partition)
    text = json.dumps([topic_policy(plan), queue_policy(plan), managed(plan), connector(plan)])
    assert "arn:aws:" not in text


def test_a_policy_is_the_same_in_another_order_and_spelling() -> None:
    shown = {
        "Statement": {"Resource": ["*"], "Action": ["s3:PutObject", "s3:GetObject"], "Effect": "Allow"},
        "Version": "2012-10-17",
    }
    wanted = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "*"}],
    }
    assert same(shown, wanted)
    assert same(json.dumps(shown), wanted)
    assert not same({**shown, "Statement": [shown["Statement"]] * 2}, wanted)
    assert not same(None, wanted)
    assert not same("not JSON", wanted)


def test_sns_takes_the_delivery_policy_and_the_gateway_what_comes_of_it() -> None:
    """SNS Developer Guide, "Amazon SNS message delivery retries": at most 100 retries within an hour."""
    retries = PLAN.delivery_policy["healthyRetryPolicy"]
    backoff = retries["numRetries"] - retries["numMinDelayRetries"] - retries["numMaxDelayRetries"]
    total = (
        retries["numMinDelayRetries"] * retries["minDelayTarget"]
        + backoff * (retries["minDelayTarget"] + retries["maxDelayTarget"]) / 2
        + retries["numMaxDelayRetries"] * retries["maxDelayTarget"]
    )
    assert retries["numRetries"] <= 100
    assert total <= 3_600
    assert total < LONGEST_DELIVERY_SECONDS <= TopicPolicy().max_age_seconds


def test_the_page_shows_what_the_person_who_connects_needs() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "aws.md").read_text("utf-8")
    [shown] = re.findall(r"```json\n(.+?)```", page, re.DOTALL)
    names = {"region": "us-east-1", "bucket": "sluice-documents"}
    plan = changed(**names, topic="sluice-uploads", queue="sluice-uploads-dead")
    assert json.loads(shown) == connector(plan)
