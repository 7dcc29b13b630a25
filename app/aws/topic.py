"""The topic, the gateway's subscription to it, and the queue for what the subscription cannot deliver."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from app.aws.clients import code_of
from app.aws.differences import Difference, holds
from app.aws.plan import KEPT_SECONDS, Plan
from app.aws.policies import queue_policy, same, topic_policy

if TYPE_CHECKING:
    from mypy_boto3_sns.client import SNSClient
    from mypy_boto3_sns.type_defs import SubscriptionTypeDef
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType

_PENDING = "PendingConfirmation"


def topic(sns: SNSClient, plan: Plan) -> Iterator[Difference]:
    """What is wrong with the topic. Its policy is ours alone: whoever else may publish is a difference."""
    name = f"Topic {plan.topic}"
    try:
        found = sns.get_topic_attributes(TopicArn=plan.topic_arn)["Attributes"]
    except ClientError as error:
        if code_of(error) not in {"NotFound", "NotFoundException"}:
            raise
        yield Difference(f"{name} does not exist", "create it", partial(_create_topic, sns, plan))
        return
    if not same(found.get("Policy"), topic_policy(plan)):
        yield Difference(
            f"{name} does not let exactly the bucket {plan.bucket} publish",
            "replace its policy",
            partial(_set_topic, sns, plan, "Policy"),
        )
    if found.get("SignatureVersion", "1") != "2":
        yield Difference(
            f"{name} signs with SHA-1",
            "sign with SHA-256",
            partial(_set_topic, sns, plan, "SignatureVersion"),
        )


def _topic_attributes(plan: Plan) -> dict[str, str]:
    return {"SignatureVersion": "2", "Policy": json.dumps(topic_policy(plan))}


def _create_topic(sns: SNSClient, plan: Plan) -> None:
    sns.create_topic(Name=plan.topic, Attributes=_topic_attributes(plan))


def _set_topic(sns: SNSClient, plan: Plan, attribute: str) -> None:
    sns.set_topic_attributes(
        TopicArn=plan.topic_arn, AttributeName=attribute, AttributeValue=_topic_attributes(plan)[attribute]
    )


def queue(sqs: SQSClient, plan: Plan) -> Iterator[Difference]:
    """What is wrong with the dead-letter queue; that something waits in it, too."""
    name = f"Queue {plan.queue}"
    try:
        url = sqs.get_queue_url(QueueName=plan.queue)["QueueUrl"]
    except sqs.exceptions.QueueDoesNotExist:
        yield Difference(f"{name} does not exist", "create it", partial(_create_queue, sqs, plan))
        return
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    if not same(found.get("Policy"), queue_policy(plan)):
        yield Difference(
            f"{name} does not let exactly the topic {plan.topic} send",
            "replace its policy",
            partial(_set_queue, sqs, url, plan),
        )
    if found.get("MessageRetentionPeriod") != str(KEPT_SECONDS):
        yield Difference(
            f"{name} forgets messages after {found.get('MessageRetentionPeriod')} s",
            "keep them for 14 days",
            partial(_set_queue, sqs, url, plan),
        )
    if waiting := int(found.get("ApproximateNumberOfMessages", 0)):
        yield Difference(f"{name} holds about {waiting} undelivered messages", "run `sluice aws redrive`")


def _queue_attributes(plan: Plan) -> Mapping[QueueAttributeNameType, str]:
    return {"Policy": json.dumps(queue_policy(plan)), "MessageRetentionPeriod": str(KEPT_SECONDS)}


def _create_queue(sqs: SQSClient, plan: Plan) -> None:
    sqs.create_queue(QueueName=plan.queue, Attributes=_queue_attributes(plan))


def _set_queue(sqs: SQSClient, url: str, plan: Plan) -> None:
    sqs.set_queue_attributes(QueueUrl=url, Attributes=_queue_attributes(plan))


def subscription(sns: SNSClient, plan: Plan) -> Iterator[Difference]:
    """What keeps the topic's messages from the gateway, or from being tried for long enough."""
    name = f"The subscription of {plan.endpoint}"
    found = _find(sns, plan)
    if found is None:
        yield Difference(f"{name} does not exist", "subscribe it", partial(_subscribe, sns, plan))
        return
    arn = found["SubscriptionArn"]
    attributes = _attributes(sns, arn)
    if attributes.get("PendingConfirmation") == "true":
        yield Difference(
            f"{name} waits to be confirmed by the gateway, which must be running and list {plan.topic_arn}",
            "have SNS ask it again",
            partial(_subscribe, sns, plan),
        )
        return
    for attribute, (wrong, todo) in _SUBSCRIBED.items():
        wanted = _subscription_attributes(plan)[attribute]
        if not holds(_value(attributes.get(attribute)) or False, _value(wanted)):
            repair = partial(
                sns.set_subscription_attributes,
                SubscriptionArn=arn,
                AttributeName=attribute,
                AttributeValue=wanted,
            )
            yield Difference(f"{name} {wrong}", todo, repair)
    if _value(attributes.get("FilterPolicy")):
        yield Difference(f"{name} has a filter policy, so not all is delivered", "remove it if you can")


_SUBSCRIBED = {
    "RawMessageDelivery": ("delivers raw messages, which are not signed", "turn that off"),
    "DeliveryPolicy": ("does not try as often or as fast as planned", "set its delivery policy"),
    "RedrivePolicy": ("loses what it cannot deliver", "set its dead-letter queue"),
}
"""The attributes that are held against the plan, what is wrong if they differ, and what is done about it."""


def _subscription_attributes(plan: Plan) -> dict[str, str]:
    return {
        "RawMessageDelivery": "false",
        "DeliveryPolicy": json.dumps(plan.delivery_policy),
        "RedrivePolicy": json.dumps(plan.redrive_policy),
    }


def _find(sns: SNSClient, plan: Plan) -> SubscriptionTypeDef | None:
    try:
        for page in sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=plan.topic_arn):
            for one in page["Subscriptions"]:
                if one["Protocol"] == plan.protocol and one["Endpoint"] == plan.endpoint:
                    return one
    except ClientError as error:
        if code_of(error) not in {"NotFound", "NotFoundException"}:
            raise
    return None


def _attributes(sns: SNSClient, arn: str) -> Mapping[str, str]:
    """Its attributes. SNS lists one that is not confirmed without the ARN that asking for them takes."""
    if arn == _PENDING:
        return {"PendingConfirmation": "true"}
    return sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]


def _subscribe(sns: SNSClient, plan: Plan) -> None:
    """Subscribe, or have a subscription that waits asked to confirm again: SNS makes one of the two."""
    sns.subscribe(
        TopicArn=plan.topic_arn,
        Protocol=plan.protocol,
        Endpoint=plan.endpoint,
        Attributes=_subscription_attributes(plan),
    )


def _value(attribute: str | None) -> Any:
    """An attribute's JSON; None where it was never set."""
    return json.loads(attribute) if attribute else None
