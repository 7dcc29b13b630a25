"""`sluice aws connect` and `check`: made once, left alone afterwards, repaired where it was changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from app.aws.clients import Aws, clients
from app.aws.plan import Plan, make_plan
from app.aws.policies import managed, queue_policy, same, topic_policy
from app.cli import cli
from app.settings import Settings
from tests.integration.aws.conftest import BUCKET, TOPIC, connected, found, queue_url, subscription_arn


def test_an_empty_account_is_connected_and_another_time_changes_nothing(aws: Aws, plan: Plan) -> None:
    changed = connected(aws, plan)

    assert len(changed) == 9
    assert found(aws, plan) == []
    assert connected(aws, plan) == []


def test_what_is_made_is_what_was_planned(aws: Aws, plan: Plan) -> None:
    connected(aws, plan)

    topic = aws.sns.get_topic_attributes(TopicArn=TOPIC)["Attributes"]
    assert json.loads(topic["Policy"]) == topic_policy(plan)
    assert topic["SignatureVersion"] == "2"
    queue = aws.sqs.get_queue_attributes(QueueUrl=queue_url(aws, plan), AttributeNames=["All"])["Attributes"]
    assert json.loads(queue["Policy"]) == queue_policy(plan)
    subscribed = aws.sns.get_subscription_attributes(SubscriptionArn=subscription_arn(aws))["Attributes"]
    assert subscribed["Endpoint"] == "https://sluice.example.com/v1/sns"
    assert json.loads(subscribed["RedrivePolicy"]) == {"deadLetterTargetArn": queue["QueueArn"]}
    assert json.loads(subscribed["DeliveryPolicy"])["throttlePolicy"] == {"maxReceivesPerSecond": 500}
    [announced] = aws.s3.get_bucket_notification_configuration(Bucket=BUCKET)["TopicConfigurations"]
    assert announced["Events"] == ["s3:ObjectCreated:*"]
    assert announced["Filter"]["Key"]["FilterRules"] == [{"Name": "prefix", "Value": "applications/"}]
    assert aws.s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
    gateway = aws.iam.get_policy(PolicyArn=plan.policy_arn("gateway"))["Policy"]
    assert gateway["PolicyName"] == "sluice-gateway"


def test_a_dry_run_says_the_same_and_changes_nothing(aws: Aws, plan: Plan) -> None:
    would = connected(aws, plan, dry_run=True)

    assert aws.s3.list_buckets()["Buckets"] == []
    assert aws.sns.list_topics()["Topics"] == []
    assert would == connected(aws, plan)


def _policy(document: dict[str, Any], **changes: Any) -> str:
    [statement] = document["Statement"]
    return json.dumps({**document, "Statement": [{**statement, **changes}]})


def _topic(attribute: str, value: Callable[[Plan], str]) -> Callable[[Aws, Plan], object]:
    return lambda aws, plan: aws.sns.set_topic_attributes(
        TopicArn=TOPIC, AttributeName=attribute, AttributeValue=value(plan)
    )


def _subscription(attribute: str, value: str) -> Callable[[Aws, Plan], object]:
    return lambda aws, _: aws.sns.set_subscription_attributes(
        SubscriptionArn=subscription_arn(aws), AttributeName=attribute, AttributeValue=value
    )


def _queue(attribute: Any, value: Callable[[Plan], str]) -> Callable[[Aws, Plan], object]:
    return lambda aws, plan: aws.sqs.set_queue_attributes(
        QueueUrl=queue_url(aws, plan), Attributes={attribute: value(plan)}
    )


def _without_queue(aws: Aws, plan: Plan) -> None:
    aws.sqs.delete_queue(QueueUrl=queue_url(aws, plan))


def _without_notification(aws: Aws, _: Plan) -> None:
    aws.s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration={})


def _narrower(aws: Aws, plan: Plan) -> None:
    narrower: Any = {**plan.notification, "Events": ["s3:ObjectCreated:Copy"]}
    aws.s3.put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration={"TopicConfigurations": [narrower]}
    )


def _unversioned(aws: Aws, _: Plan) -> None:
    aws.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})


def _more_allowed(aws: Aws, plan: Plan) -> None:
    everything = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
    aws.iam.create_policy_version(
        PolicyArn=plan.policy_arn("worker"), PolicyDocument=json.dumps(everything), SetAsDefault=True
    )


@pytest.mark.parametrize(
    ("drift", "said"),
    [
        (lambda aws, _: aws.sns.delete_topic(TopicArn=TOPIC), "does not exist; create it"),
        (
            _topic("Policy", lambda plan: _policy(topic_policy(plan), Principal="*")),
            "does not let exactly the bucket sluice-documents publish",
        ),
        (
            _topic("Policy", lambda plan: _policy(topic_policy(plan), Condition={})),
            "does not let exactly the bucket",
        ),
        (_topic("SignatureVersion", lambda _: "1"), "signs with SHA-1"),
        (_without_queue, "Queue sluice-uploads-dead does not exist"),
        (
            _queue("Policy", lambda plan: _policy(queue_policy(plan), Condition={})),
            "does not let exactly the topic sluice-uploads send",
        ),
        (_queue("MessageRetentionPeriod", lambda _: "60"), "forgets messages after 60 s"),
        (
            lambda aws, _: aws.sns.unsubscribe(SubscriptionArn=subscription_arn(aws)),
            "The subscription of https://sluice.example.com/v1/sns does not exist",
        ),
        (_subscription("RawMessageDelivery", "true"), "delivers raw messages"),
        (
            _subscription("DeliveryPolicy", '{"healthyRetryPolicy": {"numRetries": 3}}'),
            "does not try as often",
        ),
        (
            _subscription("RedrivePolicy", '{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:123456789012:x"}'),
            "loses what it cannot deliver",
        ),
        (_without_notification, "does not announce uploads to"),
        (_narrower, "does not announce uploads to"),
        (
            lambda aws, _: aws.s3.delete_public_access_block(Bucket=BUCKET),
            "does not block public access",
        ),
        (lambda aws, _: aws.s3.delete_bucket_encryption(Bucket=BUCKET), "has no default encryption"),
        (_unversioned, "is not versioned"),
        (
            lambda aws, plan: aws.iam.delete_policy(PolicyArn=plan.policy_arn("gateway")),
            "IAM policy sluice-gateway does not exist",
        ),
        (_more_allowed, "allows something else than the worker needs"),
    ],
)
def test_each_drift_is_found_by_check_and_repaired_by_connect(
    drift: Callable[[Aws, Plan], object], said: str, aws: Aws, plan: Plan
) -> None:
    connected(aws, plan)
    drift(aws, plan)

    told = found(aws, plan)
    assert any(said in one for one in told), told
    connected(aws, plan)
    assert found(aws, plan) == []


def test_others_notifications_stay(aws: Aws, plan: Plan) -> None:
    aws.s3.create_bucket(Bucket=BUCKET)
    aws.sns.create_topic(Name="somebody-elses")
    removals: Any = {
        "Id": "somebody-elses",
        "TopicArn": TOPIC.replace("sluice-uploads", "somebody-elses"),
        "Events": ["s3:ObjectRemoved:*"],
    }
    queue = aws.sqs.create_queue(QueueName="thumbnails")["QueueUrl"]
    arn = aws.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pictures: Any = {
        "Id": "thumbnails",
        "QueueArn": arn,
        "Events": ["s3:ObjectCreated:*"],
        "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "pictures/"}]}},
    }
    # moto forgets an EventBridgeConfiguration on the way, so that it stays is not shown here.
    aws.s3.put_bucket_notification_configuration(
        Bucket=BUCKET,
        NotificationConfiguration={"TopicConfigurations": [removals], "QueueConfigurations": [pictures]},
    )
    connected(aws, plan)

    now = aws.s3.get_bucket_notification_configuration(Bucket=BUCKET)
    assert [one["Id"] for one in now["TopicConfigurations"]] == ["somebody-elses", "sluice-uploads"]
    assert now["TopicConfigurations"][0]["Events"] == ["s3:ObjectRemoved:*"]
    assert [one["Id"] for one in now["QueueConfigurations"]] == ["thumbnails"]
    assert found(aws, plan) == []


def test_one_that_s3_would_not_allow_beside_ours_is_left_to_a_person(aws: Aws, plan: Plan) -> None:
    connected(aws, plan)
    wider: Any = {"Id": "all", "TopicArn": TOPIC, "Events": ["s3:ObjectCreated:Put"]}
    aws.s3.put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration={"TopicConfigurations": [wider]}
    )

    [told] = found(aws, plan)
    assert "the notification all, beside which S3 allows none of ours" in told
    assert connected(aws, plan) == []
    [kept] = aws.s3.get_bucket_notification_configuration(Bucket=BUCKET)["TopicConfigurations"]
    assert kept["Id"] == "all"


def test_one_made_by_hand_that_announces_all_uploads_will_do(aws: Aws, plan: Plan) -> None:
    connected(aws, plan)
    wider: Any = {"Id": "by-hand", "TopicArn": TOPIC, "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}
    aws.s3.put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration={"TopicConfigurations": [wider]}
    )
    assert found(aws, plan) == []


def test_a_bucket_is_made_and_changed_only_when_that_is_asked_for(aws: Aws, plan: Plan) -> None:
    told = found(aws, plan, manage_bucket=False)
    assert "Bucket sluice-documents does not exist" in told[0]
    connected(aws, plan, manage_bucket=False)
    assert aws.s3.list_buckets()["Buckets"] == []

    aws.s3.create_bucket(Bucket=BUCKET)
    connected(aws, plan, manage_bucket=False)
    assert "Status" not in aws.s3.get_bucket_versioning(Bucket=BUCKET)
    [told_yet] = found(aws, plan, manage_bucket=False)
    assert "does not block public access" in told_yet


def test_a_key_of_the_accounts_own_stays_the_buckets(aws: Aws, plan: Plan) -> None:
    connected(aws, plan)
    aws.s3.put_bucket_encryption(
        Bucket=BUCKET,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]
        },
    )
    assert found(aws, plan) == []


def test_the_oldest_version_of_a_policy_makes_room(aws: Aws, plan: Plan) -> None:
    connected(aws, plan)
    arn = plan.policy_arn("worker")
    for _ in range(4):
        _more_allowed(aws, plan)
    connected(aws, plan)

    versions = aws.iam.list_policy_versions(PolicyArn=arn)["Versions"]
    assert len(versions) == 5
    assert "v1" not in {version["VersionId"] for version in versions}
    [default] = [version["VersionId"] for version in versions if version["IsDefaultVersion"]]
    document = aws.iam.get_policy_version(PolicyArn=arn, VersionId=default)["PolicyVersion"]["Document"]
    assert same(document, managed(plan)["worker"])


def test_a_stand_in_with_a_name_is_asked_for_buckets_by_path(
    aws_url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name has none below it, as sluice-documents.localhost would be."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws_url.replace("127.0.0.1", "localhost"))
    aws = clients(settings)
    connected(aws, make_plan(settings, aws))
    assert aws.s3.list_buckets()["Buckets"][0]["Name"] == BUCKET


@pytest.fixture
def environment(aws_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_AWS_GATEWAY_URL", "https://sluice.example.com/v1/sns")
    monkeypatch.setenv("SLUICE_SNS_TOPICS", json.dumps({TOPIC: {"min_signature_version": 2}}))


@pytest.mark.usefixtures("environment")
def test_the_commands_in_their_order() -> None:
    run = CliRunner()
    plan = run.invoke(cli, ["aws", "connect", "--manage-bucket", "--dry-run"])
    before = run.invoke(cli, ["aws", "check", "--manage-bucket"])
    first = run.invoke(cli, ["aws", "connect", "--manage-bucket"])
    second = run.invoke(cli, ["aws", "connect", "--manage-bucket"])
    after = run.invoke(cli, ["aws", "check", "--manage-bucket"])

    assert plan.stdout.count("Would change: ") == first.stdout.count("Changed: ") == 9
    assert before.exit_code == 1
    assert before.stdout.count("(`sluice aws connect` does)") == 9
    assert second.stdout == ""
    assert second.stderr.endswith("0 changed.\n")
    assert after.exit_code == 0, after.stdout
    assert "are as planned" in after.stdout


@pytest.mark.usefixtures("environment")
def test_policies_can_be_printed_instead(aws: Aws) -> None:
    printed = CliRunner().invoke(cli, ["aws", "connect", "--manage-bucket", "--print-policies"])
    assert set(json.loads(printed.stdout)) == {"gateway", "worker", "operator", "purge"}
    assert aws.iam.list_policies(Scope="Local")["Policies"] == []
