"""The bucket and its notification. A bucket that exists keeps its ways unless it is to be managed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from app.aws.clients import code_of
from app.aws.differences import Difference, holds
from app.aws.plan import NOTIFICATION_ID, Plan

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import (
        NotificationConfigurationTypeDef,
        PublicAccessBlockConfigurationTypeDef,
        ServerSideEncryptionConfigurationTypeDef,
    )

_NO_PUBLIC_ACCESS: PublicAccessBlockConfigurationTypeDef = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}

_ENCRYPTED: ServerSideEncryptionConfigurationTypeDef = {
    "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
}

_DESTINATIONS = ("TopicConfigurations", "QueueConfigurations", "LambdaFunctionConfigurations")

_FIRST_REGION = "us-east-1"
"""The only one that CreateBucket must not be told."""


def bucket(s3: S3Client, plan: Plan, *, manage: bool) -> Iterator[Difference]:
    """What is wrong with the bucket itself; `manage` says that making it right is ours to do."""
    name = f"Bucket {plan.bucket}"
    if not _exists(s3, plan.bucket):
        todo = "create it, private, encrypted and versioned"
        if manage:
            yield Difference(f"{name} does not exist", todo, partial(_create, s3, plan))
        else:
            yield Difference(f"{name} does not exist", f"{todo}: --manage-bucket does so")
        return
    # A public bucket of identity documents is wrong, whoever minds it.
    if not _is_private(s3, plan.bucket):
        todo = "block all public access" if manage else "block all public access: --manage-bucket does so"
        repair = partial(_make_private, s3, plan.bucket) if manage else None
        yield Difference(f"{name} does not block public access", todo, repair)
    if not manage:
        return
    if not _is_encrypted(s3, plan.bucket):
        repair = partial(_encrypt, s3, plan.bucket)
        yield Difference(f"{name} has no default encryption", "set SSE-S3", repair)
    if s3.get_bucket_versioning(Bucket=plan.bucket).get("Status") != "Enabled":
        yield Difference(f"{name} is not versioned", "enable versioning", partial(_version, s3, plan.bucket))


def notification(s3: S3Client, plan: Plan, *, manage: bool) -> Iterator[Difference]:
    """What keeps uploads from being announced. Others' notifications stay as they are."""
    name = f"Bucket {plan.bucket}"
    try:
        found = s3.get_bucket_notification_configuration(Bucket=plan.bucket)
    except ClientError as error:
        if code_of(error) != "NoSuchBucket":
            raise
        if manage:
            yield Difference(
                f"{name} cannot announce uploads yet", "add the notification", partial(_announce, s3, plan)
            )
        return
    present = {kind: value for kind, value in found.items() if kind != "ResponseMetadata"}
    if any(_announces(plan, one) for one in cast("list[dict[str, Any]]", present.get(_DESTINATIONS[0], []))):
        return
    if obstacle := next((one for one in _all(present) if _overlaps(plan, one)), None):
        yield Difference(
            f"{name} has the notification {obstacle.get('Id')}, beside which S3 allows none of ours",
            f"let it announce s3:ObjectCreated:* below {plan.prefix or 'everything'} to {plan.topic_arn}, "
            "or remove it",
        )
        return
    yield Difference(
        f"{name} does not announce uploads to {plan.topic_arn}",
        "add the notification beside those that there are",
        partial(_announce, s3, plan),
    )


def _exists(s3: S3Client, bucket: str) -> bool:
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        if code_of(error) in {"404", "NoSuchBucket"}:
            return False
        raise
    return True


def _create(s3: S3Client, plan: Plan) -> None:
    if plan.region == _FIRST_REGION:
        s3.create_bucket(Bucket=plan.bucket)
    else:
        region: Any = {"LocationConstraint": plan.region}
        s3.create_bucket(Bucket=plan.bucket, CreateBucketConfiguration=region)
    _make_private(s3, plan.bucket)
    _encrypt(s3, plan.bucket)
    _version(s3, plan.bucket)


def _is_private(s3: S3Client, bucket: str) -> bool:
    try:
        found = s3.get_public_access_block(Bucket=bucket)
    except ClientError as error:
        if code_of(error) == "NoSuchPublicAccessBlockConfiguration":
            return False
        raise
    return holds(found["PublicAccessBlockConfiguration"], _NO_PUBLIC_ACCESS)


def _make_private(s3: S3Client, bucket: str) -> None:
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=_NO_PUBLIC_ACCESS)


def _is_encrypted(s3: S3Client, bucket: str) -> bool:
    """Whether there is any default: a key of the account's own is better than ours and stays."""
    try:
        s3.get_bucket_encryption(Bucket=bucket)
    except ClientError as error:
        if code_of(error) == "ServerSideEncryptionConfigurationNotFoundError":
            return False
        raise
    return True


def _encrypt(s3: S3Client, bucket: str) -> None:
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=_ENCRYPTED)


def _version(s3: S3Client, bucket: str) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})


def _announce(s3: S3Client, plan: Plan) -> None:
    """Replace our notification among the others: PutBucketNotificationConfiguration replaces all at once."""
    found = s3.get_bucket_notification_configuration(Bucket=plan.bucket)
    whole: dict[str, Any] = {kind: value for kind, value in found.items() if kind != "ResponseMetadata"}
    topics = [one for one in whole.get("TopicConfigurations", []) if one.get("Id") != NOTIFICATION_ID]
    whole["TopicConfigurations"] = [*topics, plan.notification]
    s3.put_bucket_notification_configuration(
        Bucket=plan.bucket, NotificationConfiguration=cast("NotificationConfigurationTypeDef", whole)
    )


def _all(present: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every notification but ours, whoever it is sent to."""
    for kind in _DESTINATIONS:
        yield from (one for one in present.get(kind, []) if one.get("Id") != NOTIFICATION_ID)


def _announces(plan: Plan, one: Mapping[str, Any]) -> bool:
    """Whether it covers all uploads, be it ours or one that somebody made by hand."""
    prefix, suffix = _filter(one)
    return (
        one["TopicArn"] == plan.topic_arn
        and "s3:ObjectCreated:*" in one["Events"]
        and plan.prefix.startswith(prefix)
        and not suffix
    )


def _overlaps(plan: Plan, one: Mapping[str, Any]) -> bool:
    """Whether S3 would refuse ours beside it (S3 User Guide, "Configuring event notifications using object
    key name filtering"): two may not share an event for the same keys."""
    prefix, _ = _filter(one)
    nested = plan.prefix.startswith(prefix) or prefix.startswith(plan.prefix)
    return nested and any(event.startswith("s3:ObjectCreated:") for event in one["Events"])


def _filter(one: Mapping[str, Any]) -> tuple[str, str]:
    """Prefix and suffix of the keys it is about. S3 may spell the names with a capital."""
    rules = one.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    values = {rule["Name"].lower(): rule["Value"] for rule in rules}
    return values.get("prefix", ""), values.get("suffix", "")
