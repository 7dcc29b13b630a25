"""Who may do what: the policies of topic and queue, and the least that each of our processes needs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from app.aws.plan import Plan

Document = dict[str, Any]

_VERSION = "2012-10-17"


def topic_policy(plan: Plan) -> Document:
    """Only S3 may publish, for this bucket of this account.

    The account too, since a bucket's ARN does not hold it: were the bucket deleted, somebody else could
    make one of its name (S3 User Guide, "Granting permissions to publish event notification messages").
    """
    return _document(
        {
            "Sid": "UploadsOnly",
            "Effect": "Allow",
            "Principal": {"Service": "s3.amazonaws.com"},
            "Action": "sns:Publish",
            "Resource": plan.topic_arn,
            "Condition": {
                "ArnEquals": {"aws:SourceArn": plan.bucket_arn},
                "StringEquals": {"aws:SourceAccount": plan.account},
            },
        }
    )


def queue_policy(plan: Plan) -> Document:
    """Only SNS may send, for this topic (SNS Developer Guide, "Configuring a dead-letter queue")."""
    return _document(
        {
            "Sid": "UndeliveredOnly",
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": plan.queue_arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": plan.topic_arn}},
        }
    )


def managed(plan: Plan) -> dict[str, Document]:
    """The documents of our managed policies, by who is to have them.

    The operator redrives and reconciles; purge is for whatever runs `sluice purge`, which alone deletes.
    """
    return {
        "gateway": _gateway(plan),
        "worker": _worker(plan),
        "operator": _operator(plan),
        "purge": _purge(plan),
    }


def connector(plan: Plan) -> Document:
    """What the person needs who runs `sluice aws connect` or `check`; never given to anybody by us."""
    policies = f"arn:{plan.partition}:iam::{plan.account}:policy/{plan.policy_prefix}*"
    return _document(
        _allow(
            "Bucket",
            plan.bucket_arn,
            *("s3:ListBucket", "s3:GetBucketPublicAccessBlock"),
            *("s3:GetBucketNotification", "s3:PutBucketNotification"),
        ),
        _allow(
            "ManageBucket",
            plan.bucket_arn,
            *("s3:CreateBucket", "s3:PutBucketPublicAccessBlock", "s3:GetBucketVersioning"),
            *("s3:PutBucketVersioning", "s3:GetEncryptionConfiguration", "s3:PutEncryptionConfiguration"),
        ),
        _allow(
            "Topic",
            plan.topic_arn,
            *("sns:CreateTopic", "sns:GetTopicAttributes", "sns:SetTopicAttributes"),
            *("sns:ListSubscriptionsByTopic", "sns:Subscribe"),
        ),
        # These two know no resource to be limited to (Service Authorization Reference, Amazon SNS).
        _allow("Subscription", "*", "sns:GetSubscriptionAttributes", "sns:SetSubscriptionAttributes"),
        _allow(
            "Queue",
            plan.queue_arn,
            *("sqs:CreateQueue", "sqs:GetQueueUrl", "sqs:GetQueueAttributes", "sqs:SetQueueAttributes"),
        ),
        _allow(
            "Policies",
            policies,
            *("iam:GetPolicy", "iam:GetPolicyVersion", "iam:ListPolicyVersions"),
            *("iam:CreatePolicy", "iam:CreatePolicyVersion", "iam:DeletePolicyVersion"),
        ),
    )


def same(document: str | Mapping[str, Any] | None, wanted: Document) -> bool:
    """Whether a policy that AWS shows says what is wanted. AWS may change the order of a list, and write a
    list of one as its item."""
    if isinstance(document, str):
        try:
            document = json.loads(document)
        except ValueError:
            return False
    return bool(_plain(document) == _plain(wanted))


def _gateway(plan: Plan) -> Document:
    return _document(
        # An upload form is signed by the gateway and can do no more than the gateway may.
        _allow("UploadForms", plan.objects_arn, "s3:PutObject"),
        _allow("Confirm", plan.topic_arn, "sns:ConfirmSubscription"),
    )


def _worker(plan: Plan) -> Document:
    statements = [
        _allow("ReadUploads", plan.objects_arn, "s3:GetObject", "s3:GetObjectVersion"),
        # Without it S3 answers 403 for an object that is gone, which looks like trouble that passes.
        _allow("KnowWhatIsGone", plan.bucket_arn, "s3:ListBucket"),
    ]
    if plan.ses_sender is not None:
        identities = f"arn:{plan.partition}:ses:*:{plan.account}:identity/*"
        email = _allow("Email", identities, "ses:SendEmail")
        statements.append(email | {"Condition": {"StringEquals": {"ses:FromAddress": plan.ses_sender}}})
    if plan.reports is not None:
        files = f"arn:{plan.partition}:s3:::{plan.reports}*"
        statements.append(_allow("Reports", files, "s3:GetObject", "s3:PutObject"))
    return _document(*statements)


def _operator(plan: Plan) -> Document:
    return _document(
        _allow(
            "Redrive",
            plan.queue_arn,
            *("sqs:GetQueueUrl", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"),
        ),
        _allow("Reconcile", plan.bucket_arn, "s3:ListBucketVersions", "s3:GetBucketVersioning"),
    )


def _purge(plan: Plan) -> Document:
    return _document(
        _allow("Find", plan.bucket_arn, "s3:ListBucketVersions"),
        _allow("Delete", plan.objects_arn, "s3:DeleteObject", "s3:DeleteObjectVersion"),
    )


def _document(*statements: Document) -> Document:
    return {"Version": _VERSION, "Statement": list(statements)}


def _allow(sid: str, resource: str, *actions: str) -> Document:
    return {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": resource}


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {name: _plain(item) for name, item in value.items()}
        case [item]:
            return _plain(item)
        case list():
            return sorted((_plain(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
        case _:
            return value
