"""AWS as the operator's commands use it: one client for each service, and what its refusals mean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from app.errors import Forbidden, Misconfigured, SluiceError, Unavailable
from app.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_iam.client import IAMClient
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_sns.client import SNSClient
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_sts.client import STSClient

_REFUSED = {"403", "AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation"}
_SERVER_ERROR = 500


@dataclass(frozen=True)
class Aws:
    """Clients for the bucket's region, where topic and queue must be too. Their calls block."""

    s3: S3Client
    sns: SNSClient
    sqs: SQSClient
    iam: IAMClient
    sts: STSClient


def clients(settings: Settings) -> Aws:
    """Clients with credentials of boto3's own chain.

    S3 and SNS are where the gateway finds them (SLUICE_S3_ENDPOINT_URL, SLUICE_SNS_ENDPOINT_URL); those
    that are unset, and the other services, follow boto3's own AWS_ENDPOINT_URL.
    """
    session = boto3.session.Session(region_name=settings.s3.region)
    config = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard", "max_attempts": 4})
    return Aws(
        s3=_s3(session, settings.s3.endpoint_url, config),
        sns=session.client("sns", endpoint_url=settings.sns.endpoint_url, config=config),
        sqs=session.client("sqs", config=config),
        iam=session.client("iam", config=config),
        sts=session.client("sts", config=config),
    )


def _s3(session: boto3.session.Session, endpoint_url: str | None, config: Config) -> S3Client:
    client = session.client("s3", endpoint_url=endpoint_url, config=config)
    if ".amazonaws." in client.meta.endpoint_url:
        return client
    # Stand-ins have no wildcard DNS name for their buckets. Which address it is, only boto3 knows.
    by_path = config.merge(Config(s3={"addressing_style": "path"}))
    return session.client("s3", endpoint_url=endpoint_url, config=by_path)


def code_of(error: ClientError) -> str:
    """AWS's own word for what was wrong, such as `NoSuchBucket`."""
    return error.response.get("Error", {}).get("Code", "unknown")


@contextmanager
def explained() -> Iterator[None]:
    """Raise what boto3 raises as Forbidden, Misconfigured or Unavailable, saying what to do."""
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise _explanation(error) from error


def _explanation(error: ClientError | BotoCoreError) -> SluiceError:
    if isinstance(error, NoCredentialsError):
        return Misconfigured(
            "There are no AWS credentials. Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and its kin."
        )
    if isinstance(error, BotoCoreError):
        return Unavailable(f"AWS cannot be reached: {error}.")
    code, operation = code_of(error), error.operation_name
    if code in _REFUSED:
        return Forbidden(
            f"AWS answers {code} to {operation}: these credentials may not do that. "
            "What each command needs is in docs/aws.md."
        )
    if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= _SERVER_ERROR:
        return Unavailable(f"AWS answers {code} to {operation}. Run the command again later.")
    reason = error.response.get("Error", {}).get("Message", "")
    return Misconfigured(f"AWS answers {code} to {operation}: {reason}")
