"""Holds the account against the plan, resource by resource, and makes it so.

The comparison only reads. `connect` and `check` are the same comparison: one repairs, the other tells.
Everything here blocks; the commands have nothing else to do meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator

from app.aws import bucket, iam, topic
from app.aws.clients import Aws, explained
from app.aws.differences import Difference
from app.aws.plan import LONGEST_DELIVERY_SECONDS, Plan
from app.settings import SnsSettings


def differences(aws: Aws, plan: Plan, *, manage_bucket: bool, policies: bool) -> list[Difference]:
    """All that is not as planned, in the order in which it is to be repaired.

    The topic comes before what sends to it, and after the queue: S3 tries the topic when it is given the
    notification, and SNS the queue when it is given the subscription's redrive policy. `policies` says
    whether the managed IAM policies are looked at. Raises what `explained` does, and Misconfigured while
    SLUICE_AWS_GATEWAY_URL is unset.
    """
    found: list[Difference] = []
    with explained():
        found += bucket.bucket(aws.s3, plan, manage=manage_bucket)
        found += topic.queue(aws.sqs, plan)
        found += topic.topic(aws.sns, plan)
        found += topic.subscription(aws.sns, plan)
        found += bucket.notification(aws.s3, plan, manage=manage_bucket)
        if policies:
            found += iam.managed_policies(aws.iam, plan)
    return found


def connect(
    aws: Aws, plan: Plan, *, manage_bucket: bool = False, policies: bool = True, dry_run: bool = False
) -> Iterator[tuple[Difference, bool]]:
    """Repair what can be repaired; each difference with whether it is repaired, as soon as it is.

    Once connected, another time changes nothing. `dry_run` only tells what would be. What fails raises as
    `differences` does, and what was repaired before stays.
    """
    for difference in differences(aws, plan, manage_bucket=manage_bucket, policies=policies):
        if difference.repair is not None and not dry_run:
            with explained():
                difference.repair()
        yield difference, difference.repair is not None


def settings_against(plan: Plan, settings: SnsSettings) -> list[Difference]:
    """What the gateway's own settings would refuse of that topic."""
    policy = settings.topics.get(plan.topic_arn)
    if policy is None:
        return [
            Difference(
                f"Topic {plan.topic_arn} is not on the gateway's allow-list", "add it to SLUICE_SNS_TOPICS"
            )
        ]
    found = []
    if policy.min_signature_version < 2:
        found.append(
            Difference(
                f"The gateway takes SHA-1 signatures from {plan.topic_arn}",
                "set its min_signature_version to 2 in SLUICE_SNS_TOPICS",
            )
        )
    if policy.max_age_seconds < LONGEST_DELIVERY_SECONDS:
        found.append(
            Difference(
                f"The gateway refuses what SNS still delivers, at an age of {LONGEST_DELIVERY_SECONDS} s",
                f"raise max_age_seconds of {plan.topic_arn} in SLUICE_SNS_TOPICS",
            )
        )
    return found
