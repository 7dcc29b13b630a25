"""An AWS account on loopback: moto's own server, completed where it forgets what it was told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from moto.sns.responses import SNSResponse
from pydantic import SecretStr

from app import encryption
from app.aws.clients import Aws, clients
from app.aws.connect import connect, differences
from app.aws.plan import Plan, make_plan
from app.settings import AwsSettings, DatabaseSettings, EncryptionSettings, Settings, SnsSettings, TopicPolicy

ACCOUNT = "123456789012"
TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}:sluice-uploads"
BUCKET = "sluice-documents"


@pytest.fixture
def aws_url(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty account, found as boto3 finds any: nothing of ours names the address."""
    httpx.post(f"{moto_url}/moto-api/reset", trust_env=False).raise_for_status()
    monkeypatch.setattr(SNSResponse, "get_topic_attributes", _with_signature_version())
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return moto_url


def _with_signature_version() -> Callable[[SNSResponse], Any]:
    """moto keeps a topic's SignatureVersion but does not show it, as SNS does."""
    original = SNSResponse.get_topic_attributes

    def get_topic_attributes(self: SNSResponse) -> Any:
        answer: Any = original(self)
        topic = self.backend.get_topic(self._get_param("TopicArn"))
        if version := getattr(topic, "signature_version", None):
            answer.result["Attributes"]["SignatureVersion"] = version
        return answer

    return get_topic_attributes


@pytest.fixture
def settings(aws_url: str) -> Settings:
    return Settings(
        aws=AwsSettings(gateway_url="https://sluice.example.com/v1/sns"),
        sns=SnsSettings(topics={TOPIC: TopicPolicy(min_signature_version=2)}),
        encryption=EncryptionSettings(keys=[SecretStr(encryption.new_key("test"))]),
    )


@pytest.fixture
def with_database(settings: Settings, database: DatabaseSettings) -> Settings:
    return settings.model_copy(update={"database": database})


@pytest.fixture
def aws(settings: Settings) -> Aws:
    return clients(settings)


@pytest.fixture
def plan(settings: Settings, aws: Aws) -> Plan:
    return make_plan(settings, aws)


def found(aws: Aws, plan: Plan, *, manage_bucket: bool = True) -> list[str]:
    """What a check says."""
    return [str(one) for one in differences(aws, plan, manage_bucket=manage_bucket, policies=True)]


def connected(aws: Aws, plan: Plan, **options: bool) -> list[str]:
    """What was changed."""
    return [str(one) for one, changed in connect(aws, plan, **{"manage_bucket": True, **options}) if changed]


def subscription_arn(aws: Aws) -> str:
    [one] = aws.sns.list_subscriptions_by_topic(TopicArn=TOPIC)["Subscriptions"]
    return one["SubscriptionArn"]


def queue_url(aws: Aws, plan: Plan) -> str:
    return aws.sqs.get_queue_url(QueueName=plan.queue)["QueueUrl"]
