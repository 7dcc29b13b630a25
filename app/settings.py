"""Every setting, typed and grouped, read once from the environment and passed in.

Each group is read from variables with its own prefix, so `SnsSettings.topics` is `SLUICE_SNS_TOPICS`.
Nothing here has a default that opens a door: an unset allow-list allows nobody.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, SecretStr, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

from app import document_checks
from app.document_checks import CheckName


def _from_commas_or_json(value: Any) -> Any:
    """Accept `a,b` as well as JSON, since environment variables are typed by hand."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith(("[", "{")):
        return json.loads(value)
    return [part.strip() for part in value.split(",") if part.strip()]


def _topics(value: Any) -> Any:
    value = _from_commas_or_json(value)
    return {arn: {} for arn in value} if isinstance(value, list) else value


class TopicPolicy(BaseModel):
    """What one allow-listed SNS topic must satisfy."""

    model_config = {"extra": "forbid"}

    min_signature_version: Literal[1, 2] = 1
    max_age_seconds: int = Field(default=3_900, gt=0)
    """SNS retries for up to 3,600 s; five minutes more allow for clock skew."""
    routes: list[str] = []
    """Names of the routes its messages may take; none named: all that match."""


StrList = Annotated[list[str], NoDecode, BeforeValidator(_from_commas_or_json)]
SecretList = Annotated[list[SecretStr], NoDecode, BeforeValidator(_from_commas_or_json)]
Topics = Annotated[dict[str, TopicPolicy], NoDecode, BeforeValidator(_topics)]


class _Files(SecretsSettingsSource):
    """A folder with a file for each variable. An empty file is as good as none, as an empty variable is."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        value, key, is_complex = super().get_field_value(field, field_name)
        return value or None, key, is_complex


class Group(BaseSettings):
    """Settings of one prefix. What the environment does not set is read from files in SLUICE_SECRETS_DIR.

    A file bears the variable's name. It is for secrets where an environment is stored or shown, as that of a
    container is by Docker and that of a flow run by Prefect.
    """

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        folder = os.environ.get("SLUICE_SECRETS_DIR")
        files = _Files(settings_cls, secrets_dir=folder) if folder else file_secret_settings
        return init_settings, env_settings, dotenv_settings, files


def _group(prefix: str) -> SettingsConfigDict:
    return SettingsConfigDict(env_prefix=f"SLUICE_{prefix}", env_ignore_empty=True, extra="ignore")


class HttpSettings(Group):
    """The gateway's own HTTP server."""

    model_config = _group("HTTP_")

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

    model_config = _group("OPS_")

    host: str = "127.0.0.1"
    port: int | None = None
    """Unset: they listen nowhere."""


class LimitSettings(Group):
    """How much one caller may ask of one process: so many requests a second, and a burst. 0: no limit."""

    model_config = _group("LIMIT_")

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

    model_config = _group("EVENTS_")

    heartbeat_seconds: float = Field(default=15.0, gt=0)
    """A stream without news sends a comment this often, so that nobody between takes it for dead."""
    max_streams: int = Field(default=10_000, ge=1)
    """Open at once in one process. Each is a connection: the limit of open files must allow it."""
    max_streams_per_key: int = Field(default=5_000, ge=1)


class DatabaseSettings(Group):
    """The gateway's PostgreSQL database (never Prefect's)."""

    model_config = _group("DATABASE_")

    url: SecretStr = SecretStr("postgresql+asyncpg://sluice@127.0.0.1:5432/sluice")
    pool_size: int = 10
    pool_timeout_seconds: float = 5.0
    """How long a request waits for a free connection before it answers 503."""
    statement_timeout_seconds: float = 10.0


class SnsSettings(Group):
    """Which SNS topics may send, and how their certificates are fetched."""

    model_config = _group("SNS_")

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

    model_config = _group("QUARANTINE_")

    max_messages: int = Field(default=1_000, ge=1)
    """Beyond it the oldest make room: released ones first, then those of the unlisted account with most."""
    max_age_days: float = Field(default=14.0, gt=0)
    unlisted_per_minute: int = Field(default=10, ge=0)
    """Messages of unlisted topics whose signature one process checks in a minute, to keep them; the others
    are only counted. Any AWS account can send them. 0 keeps none."""


class S3Settings(Group):
    """The bucket applicants upload to. Credentials come from boto3's own chain."""

    model_config = _group("S3_")

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

    model_config = _group("AWS_")

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


class PrefectSettings(Group):
    """The Prefect API the dispatcher creates flow runs in."""

    model_config = _group("PREFECT_")

    api_url: str = "http://127.0.0.1:4200/api"
    api_key: SecretStr | None = None
    """For Prefect Cloud (Bearer)."""
    auth_string: SecretStr | None = None
    """`user:password` for a server with PREFECT_SERVER_API_AUTH_STRING (Basic)."""
    timeout_seconds: float = 30.0


class DispatcherSettings(Group):
    """How accepted runs are handed to Prefect."""

    model_config = _group("DISPATCHER_")

    enabled: bool = True
    """Run the dispatcher inside `sluice serve`."""
    batch_size: int = Field(default=25, ge=1, le=100)
    """Runs per call: beyond about 25 only the call's latency grows."""
    calls_in_flight: int = Field(default=4, ge=1, le=16)
    """Calls at the same time, so that Prefect works while we settle the last answer."""
    lease_seconds: float = 30.0
    """How long a run stays with a dispatcher that died. Creating it twice is safe: it has one key."""
    poll_seconds: float = 1.0
    max_attempts: int = 10
    max_in_prefect: int = Field(default=200, ge=1)
    """Runs that Prefect may have unfinished at once; the others wait with us. Stuck ones do not count."""
    max_in_prefect_per_route: int = Field(default=100, ge=1)
    """The same for each route, so that one cannot take all of it."""
    creations_per_second: float | None = Field(default=None, gt=0)
    """Of all dispatchers together. Unset: as fast as Prefect takes them."""


class ProjectionSettings(Group):
    """How Prefect's states are followed."""

    model_config = _group("PROJECTION_")

    enabled: bool = True
    """Run the follower inside `sluice serve`."""
    poll_seconds: float = 2.0
    stuck_pending_seconds: float = Field(default=600, gt=0)
    """A run that is PENDING or CANCELLING for longer is shown as stuck: its worker has probably died."""
    stuck_running_seconds: float = Field(default=7_200, gt=0)
    """The same for RUNNING. Longer than the longest flow takes."""
    reconcile_seconds: float = Field(default=600, gt=0)
    """How often the runs of the last hour are held against all that Prefect has."""


class RoutesSettings(Group):
    model_config = _group("ROUTES_")

    file: Path | None = None
    """A TOML file of routes; unset means the loan routes that come with the package."""


class DecisionSettings(Group):
    """Who may send underwriting decisions by signed webhook."""

    model_config = _group("DECISIONS_")

    webhook_secrets: SecretList = []
    """Standard Webhooks secrets (`whsec_…`), newest first; several while rotating."""
    tolerance_seconds: int = 300


class UnderwritingSettings(Group):
    """The underwriting tool that is told when a document has been read. Unset: the review queue only."""

    model_config = _group("UNDERWRITING_")

    url: str | None = None
    webhook_secret: SecretStr | None = None
    timeout_seconds: float = 15.0
    link_seconds: int = Field(default=900, ge=60, le=604_800)
    """For so long the link to the picture works. S3 allows seven days, and never longer than the worker's
    credentials live."""


class MailSettings(Group):
    """How applicants are told."""

    model_config = _group("MAIL_")

    transport: Literal["smtp", "ses"] = "smtp"
    sender: str = "Loan Desk <loans@example.com>"
    creditor: str = "Example Lending, 1 Example Street, Springfield, IL 62701, telephone (217) 555-0100"
    """Name, address and telephone, as an adverse action notice must give them (12 CFR 1002.9(a)(2))."""
    creditor_regulator: str = (
        "Federal Trade Commission, Consumer Response Center, 600 Pennsylvania Avenue NW, Washington, DC 20580"
    )
    """The agency that such a notice names: the one of the creditor's kind in 12 CFR 1002, appendix A."""
    document_emails: bool = True
    """Tell applicants also that their documents were received, or that one cannot be read."""
    answer_days: int | None = Field(default=None, gt=0)
    """For so long more information may be sent, which makes the request for it a notice of incompleteness
    (12 CFR 1002.9(c)(2)). Unset: the email names no day."""
    templates_dir: Path | None = None
    """A folder with templates of your own, each in place of the one of its name."""
    smtp_host: str = "127.0.0.1"
    smtp_port: int = 25
    smtp_starttls: bool = False
    smtp_username: str | None = None
    smtp_password: SecretStr | None = None
    ses_region: str = "us-east-1"
    ses_endpoint_url: str | None = None
    timeout_seconds: float = 20.0


class EncryptionSettings(Group):
    """Keys for personal data at rest (AES-256-GCM)."""

    model_config = _group("ENCRYPTION_")

    keys: SecretList = []
    """`id:base64-of-32-bytes`, newest first. The first encrypts; all decrypt."""


EngineName = Literal["rapidocr", "google-vision", "aws-textract"]


class ReaderSettings(Group):
    """Which engines read documents, and how the cloud ones are reached; only the flows read it."""

    model_config = _group("READER_")

    engines: Annotated[list[EngineName], NoDecode, BeforeValidator(_from_commas_or_json)] = ["rapidocr"]
    """In the order to try them: the next one reads when one refuses, or stays out of order. A picture never
    leaves the worker unless a cloud engine stands here."""
    vision_url: str = "https://vision.googleapis.com/v1/images:annotate"
    """Google Vision; another host keeps pictures in a region, such as `https://eu-vision.googleapis.com/…`."""
    vision_api_key: SecretStr | None = None
    textract_region: str = "us-east-1"
    textract_endpoint_url: str | None = None
    timeout_seconds: float = Field(default=20.0, gt=0)
    """For one picture at a cloud engine."""


CheckList = Annotated[list[CheckName], NoDecode, BeforeValidator(_from_commas_or_json)]


class ChecksSettings(Group):
    """What follows from the document checks, and from which measure on they speak up; only the flows read it.

    A failure or warning of a check that is neither in `reject` nor in `advise` asks for a person's look.
    """

    model_config = _group("CHECKS_")

    reject: CheckList = list(document_checks.REJECT)
    """A failure of these recommends to reject. `[]`: of none."""
    advise: CheckList = list(document_checks.ADVISE)
    """These are shown and change no recommendation."""
    required: CheckList = list(document_checks.REQUIRED)
    """Nothing is recommended for acceptance unless these ran and passed, where they apply."""
    least_sharpness: float = Field(default=100.0, ge=0)
    """Of a picture, as the variance of its Laplacian at 1,000 pixels: a clean scan has about 1,600, a phone's
    photo 255, and below 100 little can be read."""
    most_glare: float = Field(default=0.02, gt=0, le=1)
    """Share of a picture that one reflection may cover."""
    adult_age: int = Field(default=18, ge=0)
    """Years. The age of majority is 18 in most states, 19 in Alabama and Nebraska, 21 in Mississippi."""
    least_confidence: float = Field(default=80.0, ge=0, le=100)
    """Of the text recognition, of 100: a core field below it is to be read by a person."""

    @model_validator(mode="after")
    def _consistent(self) -> ChecksSettings:
        """A check that changes no recommendation can neither reject nor be waited for."""
        both = sorted(set(self.advise) & {*self.reject, *self.required})
        if both:
            raise ValueError(
                f"{', '.join(both)} cannot only advise and also reject or be required; "
                "take it out of SLUICE_CHECKS_ADVISE or out of the other list"
            )
        return self


class FingerprintSettings(Group):
    """By what a document is known again in another application; only the flows read it."""

    model_config = _group("FINGERPRINT_")

    keys: SecretList = []
    """`id:base64-of-32-bytes`, newest first. The first is for new documents, all find old ones. Unset: no
    duplicates are looked for, and no document is recommended for acceptance."""
    images_days: float = Field(default=365.0, gt=0)
    """How far back pictures are compared. Each comparison goes through all pictures of this time."""


class TracingSettings(Group):
    """OpenTelemetry. Its own variables, such as OTEL_EXPORTER_OTLP_ENDPOINT, set everything else about it."""

    model_config = _group("TRACING_")

    enabled: bool = False
    """Make spans and send them by OTLP over HTTP. Needs the extra `telemetry`."""


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f'"{name}" is no time zone; write one such as UTC or America/New_York') from None
    return name


class ReportsSettings(Group):
    """The daily report: when its days begin, and where its files go."""

    model_config = _group("REPORTS_")

    time_zone: Annotated[str, AfterValidator(_time_zone)] = "UTC"
    """An IANA name. A day begins at midnight there; give the flow's schedule the same one."""
    bucket: str | None = None
    """Where a Parquet file per day is kept. Unset: the reporting tables only."""
    prefix: str = "reports/daily/"
    """What the files' keys begin with; a day and `.parquet` follow."""


LONGEST_REDELIVERY_DAYS = 37
"""For so long a message of SNS may come again: 23 days of its own retries to a queue, and 14 days in a
dead-letter queue until somebody redrives it (SNS Developer Guide, "Message delivery retries"; SQS quotas)."""


class RetentionSettings(Group):
    """How long what is over is kept, for `sluice purge` to remove. Unset: for ever."""

    model_config = _group("RETENTION_")

    documents_days: float | None = Field(default=None, gt=0)
    """Pictures, and what was read from them, after the last change of a decided application."""
    applications_days: float | None = Field(default=None, gt=0)
    """All of a decided application, after its last change."""
    notifications_days: float | None = Field(default=None, gt=0)
    """Envelopes of received messages, after their arrival."""
    runs_days: float | None = Field(default=None, gt=LONGEST_REDELIVERY_DAYS)
    """Finished runs that belong to no application. Their row is what knows an object's event again."""
    batch_size: int = Field(default=200, ge=1, le=1_000)
    """Rows in one transaction."""


class LogSettings(Group):
    model_config = _group("LOG_")

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    format: Literal["json", "console"] = "json"


class Settings(BaseModel):
    """All groups. Built once at start; tests build their own."""

    model_config = {"frozen": True}

    http: HttpSettings = Field(default_factory=HttpSettings)
    ops: OpsSettings = Field(default_factory=OpsSettings)
    limit: LimitSettings = Field(default_factory=LimitSettings)
    events: EventsSettings = Field(default_factory=EventsSettings)
    database: DatabaseSettings = Field(default_factory=DatabaseSettings)
    sns: SnsSettings = Field(default_factory=SnsSettings)
    quarantine: QuarantineSettings = Field(default_factory=QuarantineSettings)
    s3: S3Settings = Field(default_factory=S3Settings)
    aws: AwsSettings = Field(default_factory=AwsSettings)
    prefect: PrefectSettings = Field(default_factory=PrefectSettings)
    dispatcher: DispatcherSettings = Field(default_factory=DispatcherSettings)
    projection: ProjectionSettings = Field(default_factory=ProjectionSettings)
    routes: RoutesSettings = Field(default_factory=RoutesSettings)
    decisions: DecisionSettings = Field(default_factory=DecisionSettings)
    underwriting: UnderwritingSettings = Field(default_factory=UnderwritingSettings)
    mail: MailSettings = Field(default_factory=MailSettings)
    encryption: EncryptionSettings = Field(default_factory=EncryptionSettings)
    reader: ReaderSettings = Field(default_factory=ReaderSettings)
    checks: ChecksSettings = Field(default_factory=ChecksSettings)
    fingerprint: FingerprintSettings = Field(default_factory=FingerprintSettings)
    reports: ReportsSettings = Field(default_factory=ReportsSettings)
    retention: RetentionSettings = Field(default_factory=RetentionSettings)
    log: LogSettings = Field(default_factory=LogSettings)
    tracing: TracingSettings = Field(default_factory=TracingSettings)
