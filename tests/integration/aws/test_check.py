"""What `sluice aws check` tells of an account that is connected, and when it cannot tell."""

from __future__ import annotations

from typing import Any

import pytest
from moto.core.responses import ActionResult
from moto.sns.models import sns_backends
from moto.sns.responses import SNSResponse

from app.aws.clients import Aws, clients
from app.aws.connect import differences, settings_against
from app.aws.plan import Plan, make_plan
from app.errors import Misconfigured, Unavailable
from app.settings import Settings, SnsSettings, TopicPolicy
from tests.integration.aws.conftest import ACCOUNT, TOPIC, connected, found, queue_url, subscription_arn


def test_a_subscription_that_nobody_confirmed_is_asked_again(
    aws: Aws, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """moto confirms every subscription at once, so its list is made to say what SNS's says until then."""
    connected(aws, plan)

    def pending(self: SNSResponse) -> ActionResult:
        waiting = {"SubscriptionArn": "PendingConfirmation", "Protocol": "https", "Endpoint": plan.endpoint}
        return ActionResult({"Subscriptions": [waiting]})

    monkeypatch.setattr(SNSResponse, "list_subscriptions_by_topic", pending)
    [told] = found(aws, plan)
    assert "waits to be confirmed by the gateway" in told
    assert len(connected(aws, plan)) == 1


def test_one_that_is_listed_with_its_arn_before_it_was_confirmed(aws: Aws, plan: Plan) -> None:
    """As LocalStack does it; an attribute tells."""
    connected(aws, plan)
    subscriptions = sns_backends[ACCOUNT]["us-east-1"].subscriptions
    subscriptions[subscription_arn(aws)].attributes["PendingConfirmation"] = "true"
    [told] = found(aws, plan)
    assert "waits to be confirmed by the gateway" in told


def test_a_filter_policy_is_told_and_left(aws: Aws, plan: Plan) -> None:
    connected(aws, plan)
    aws.sns.set_subscription_attributes(
        SubscriptionArn=subscription_arn(aws),
        AttributeName="FilterPolicy",
        AttributeValue='{"store": ["example"]}',
    )
    [told] = found(aws, plan)
    assert "filter policy" in told
    assert connected(aws, plan) == []


def test_undelivered_messages_are_told(aws: Aws, plan: Plan) -> None:
    connected(aws, plan)
    aws.sqs.send_message(QueueUrl=queue_url(aws, plan), MessageBody="{}")
    assert found(aws, plan) == [
        "Queue sluice-uploads-dead holds about 1 undelivered messages; run `sluice aws redrive`."
    ]


@pytest.mark.parametrize(
    ("topics", "said"),
    [
        ({}, ["not on the gateway's allow-list"]),
        ({TOPIC: TopicPolicy()}, ["takes SHA-1 signatures"]),
        (
            {TOPIC: TopicPolicy(min_signature_version=2, max_age_seconds=60)},
            ["refuses what SNS still delivers"],
        ),
        ({TOPIC: TopicPolicy(min_signature_version=2)}, []),
    ],
)
def test_what_the_gateway_would_refuse_is_told(
    topics: dict[str, TopicPolicy], said: list[str], plan: Plan
) -> None:
    told = settings_against(plan, SnsSettings(topics=topics))
    assert len(told) == len(said)
    assert all(sentence in str(one) for sentence, one in zip(said, told, strict=True))


def test_the_gateways_address_must_be_known(aws: Aws, plan: Plan, settings: Settings) -> None:
    settings.aws.gateway_url = None
    with pytest.raises(Misconfigured, match="SLUICE_AWS_GATEWAY_URL"):
        differences(aws, replaced(plan, gateway_url=None), manage_bucket=False, policies=True)


def replaced(plan: Plan, **changes: Any) -> Plan:
    return Plan(**{**vars(plan), **changes})


def test_an_account_out_of_reach_says_so(
    aws_url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(Unavailable, match="AWS cannot be reached"):
        make_plan(settings, clients(settings))
