"""Settings of the gateway: HTTP, the database, what comes in from AWS."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from app.settings.group import Group, StrList, from_commas_or_json, prefixed


class HttpSettings(Group):
    """The gateway's own HTTP server."""

    model_config = prefixed("HTTP_")

    host: str = "127.0.0.1"
    port: int = 8080
    max_body_bytes: int = 1_048_576
    """An SNS message is at most 256 KiB, escaped in an envelope."""
    request_seconds: float = 12.0
    """An answer must begin within this time, else it is 503; a long poll may wait on top of it. 0: no end.
    SNS gives up after 15 s."""
    keep_alive_seconds: int = 65
    """An idle connection is kept this long: longer than a load balancer keeps its own, usually 60 s."""
    trusted_proxies: StrList = []
    """Addresses or networks whose X-Forwarded-For and X-Forwarded-Proto are believed."""
    drain_seconds: float = Field(default=0.0, ge=0)
    """How long everything is still served after SIGTERM, with `/readyz` red, so that a balancer notices."""
    shutdown_seconds: float = 8.0
    """How long requests in flight may take once nothing new is let in."""


class OpsSettings(Group):
    """Where `sluice dispatch` and `sluice follow` answer probes; a gateway does so on its own port."""

    model_config = prefixed("OPS_")

    host: str = "127.0.0.1"
    port: int | None = None
    """Unset: they listen nowhere."""


class LimitSettings(Group):
    """How much one caller may ask of one process: so many requests a second, and a burst. 0: no limit."""

    model_config = prefixed("LIMIT_")

    key_per_second: float = Field(default=50, ge=0)
    """For each API key, and for the sender of signed decisions."""
    key_burst: int = Field(default=200, ge=1)
    address_per_second: float = Field(default=2, ge=0)
    """For each address, counting only requests that proved no known caller."""
    address_burst: int = Field(default=100, ge=1)
    sns_per_second: float = Field(default=100, ge=0)
    """The same on `/v1/sns`, apart and generous: the addresses of SNS are those of all its customers, and
    who is turned away there may be our own topic. A refusal is cheap."""
    sns_burst: int = Field(default=1_000, ge=1)


class EventsSettings(Group):
    """Event streams that follow an application or a run."""

    model_config = prefixed("EVENTS_")

    heartbeat_seconds: float = Field(default=15.0, gt=0)
    """A stream without news sends a comment this often, so that nobody between takes it for dead."""
    max_streams: int = Field(default=10_000, ge=1)
    """Open at once in one process. Each is a connection: the limit of open files must allow it."""
    max_streams_per_key: int = Field(default=5_000, ge=1)


class DatabaseSettings(Group):
    """The gateway's PostgreSQL database (never Prefect's)."""

    model_config = prefixed("DATABASE_")

    url: SecretStr = SecretStr("postgresql+asyncpg://sluice@127.0.0.1:5432/sluice")
    pool_size: int = 10
    pool_timeout_seconds: float = 5.0
    """How long a request waits for a free connection before it answers 503."""
    statement_timeout_seconds: float = 10.0


def _topics(value: Any) -> Any:
    value = from_commas_or_json(value)
    return {arn: {} for arn in value} if isinstance(value, list) else value


class TopicPolicy(BaseModel):
    """What one allow-listed SNS topic must satisfy."""

    model_config = {"extra": "forbid"}

    min_signature_version: Literal[1, 2] = 1
    max_age_seconds: int = Field(default=3_900, gt=0)
    """SNS retries for up to 3,600 s; five minutes more allow for clock skew."""
    routes: list[str] = []
    """Names of the routes its messages may take; none named: all that match."""


Topics = Annotated[dict[str, TopicPolicy], NoDecode, BeforeValidator(_topics)]


class SnsSettings(Group):
    """Which SNS topics may send, and how their certificates are fetched."""

    model_config = prefixed("SNS_")

    topics: Topics = {}
    """Exact topic ARNs, separated by commas, or a JSON object from ARN to policy."""
    extra_certificate_origins: StrList = []
    """Origins such as `http://127.0.0.1:4100` trusted to serve signing certificates beside AWS's own.
    A path may follow, for a stand-in that serves them below one.
    For tests and local stand-ins only: whoever controls the origin can forge every message."""
    certificate_timeout_seconds: float = 5.0
    endpoint_url: str | None = None
    """Where ConfirmSubscription is called; unset means AWS in the topic's own region."""


class QuarantineSettings(Group):
    """Messages that SNS really signed and that were refused: how many are kept, and for how long."""

    model_config = prefixed("QUARANTINE_")

    max_messages: int = Field(default=1_000, ge=1)
    """Beyond it the oldest make room: released ones first, then those of the unlisted account with most."""
    max_age_days: float = Field(default=14.0, gt=0)
    unlisted_per_minute: int = Field(default=10, ge=0)
    """Messages of unlisted topics whose signature one process checks in a minute, to keep them; the others
    are only counted. Any AWS account can send them. 0 keeps none."""


class S3Settings(Group):
    """The bucket applicants upload to. Credentials come from boto3's own chain."""

    model_config = prefixed("S3_")

    bucket: str = "sluice-documents"
    region: str = "us-east-1"
    endpoint_url: str | None = None
    upload_max_bytes: int = 15 * 1024 * 1024
    upload_content_types: StrList = [
        "image/jpeg",
        "image/png",
        "image/heic",
        "image/heif",
        "image/webp",
        "image/avif",
        "image/tiff",
        "application/pdf",
    ]
    upload_expires_seconds: int = 900


class AwsSettings(Group):
    """What `sluice aws` makes and minds in the account, beside the bucket and in its region."""

    model_config = prefixed("AWS_")

    gateway_url: str | None = None
    """Where SNS reaches the gateway: `https://…/v1/sns`."""
    topic: str = "sluice-uploads"
    dead_letter_queue: str = "sluice-uploads-dead"
    upload_prefix: str = "applications/"
    """Keys of uploads begin with it; only those are announced and reconciled."""
    deliveries_per_second: int = Field(default=500, ge=1)
    """SNS sends no faster. What waits for it has its retries still before it."""
    policy_prefix: str = "sluice-"
    """Names of the managed IAM policies begin with it."""
