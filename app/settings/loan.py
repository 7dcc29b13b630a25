"""Settings of the loan: reading documents, underwriting, email, personal data and how long it is kept."""

from __future__ import annotations

from email import policy
from email.errors import MessageError
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import NoDecode

from app import document_checks
from app.document_checks import CheckName
from app.settings.group import Group, SecretList, from_commas_or_json, prefixed


class DecisionSettings(Group):
    """Who may send underwriting decisions by signed webhook."""

    model_config = prefixed("DECISIONS_")

    webhook_secrets: SecretList = []
    """Standard Webhooks secrets (`whsec_…`), newest first; several while rotating."""
    tolerance_seconds: int = 300


class UnderwritingSettings(Group):
    """The underwriting tool that is told when a document has been read. Unset: the review queue only."""

    model_config = prefixed("UNDERWRITING_")

    url: str | None = None
    webhook_secret: SecretStr | None = None
    timeout_seconds: float = 15.0
    link_seconds: int = Field(default=900, ge=60, le=604_800)
    """For so long the link to the picture works. S3 allows seven days, and never longer than the worker's
    credentials live."""


def _sender(header: str) -> str:
    """It must name one address, in ASCII: few mail servers take others (RFC 6531)."""
    try:
        [address] = policy.default.header_store_parse("From", header)[1].addresses
        possible = address.domain and address.addr_spec.isascii()
    except (ValueError, IndexError, MessageError):
        possible = False
    if not possible:
        raise ValueError(
            "it must be one address in ASCII, such as Loan Desk <loans@example.com>; "
            'a name with a comma needs quotation marks: "Loan Desk, Springfield" <loans@example.com>'
        )
    return header


class MailSettings(Group):
    """How applicants are told."""

    model_config = prefixed("MAIL_")

    transport: Literal["smtp", "ses"] = "smtp"
    sender: Annotated[str, AfterValidator(_sender)] = "Loan Desk <loans@example.com>"
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

    model_config = prefixed("ENCRYPTION_")

    keys: SecretList = []
    """`id:base64-of-32-bytes`, newest first. The first encrypts; all decrypt."""


EngineName = Literal["rapidocr", "google-vision", "aws-textract"]


class ReaderSettings(Group):
    """Which engines read documents, and how the cloud ones are reached; only the flows read it."""

    model_config = prefixed("READER_")

    engines: Annotated[list[EngineName], NoDecode, BeforeValidator(from_commas_or_json)] = ["rapidocr"]
    """In the order to try them: the next one reads when one refuses, or stays out of order. A picture never
    leaves the worker unless a cloud engine stands here."""
    vision_url: str = "https://vision.googleapis.com/v1/images:annotate"
    """Google Vision; another host keeps pictures in a region, such as `https://eu-vision.googleapis.com/…`."""
    vision_api_key: SecretStr | None = None
    textract_region: str = "us-east-1"
    textract_endpoint_url: str | None = None
    timeout_seconds: float = Field(default=20.0, gt=0)
    """For one picture at a cloud engine."""


CheckList = Annotated[list[CheckName], NoDecode, BeforeValidator(from_commas_or_json)]


class ChecksSettings(Group):
    """What follows from the document checks, and from which measure on they speak up; only the flows read it.

    A failure or warning of a check that is neither in `reject` nor in `advise` asks for a person's look.
    """

    model_config = prefixed("CHECKS_")

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

    model_config = prefixed("FINGERPRINT_")

    keys: SecretList = []
    """`id:base64-of-32-bytes`, newest first. The first is for new documents, all find old ones. Unset: no
    duplicates are looked for, and no document is recommended for acceptance."""
    images_days: float = Field(default=365.0, gt=0)
    """How far back pictures are compared. Each comparison goes through all pictures of this time."""


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f'"{name}" is no time zone; write one such as UTC or America/New_York') from None
    return name


class ReportsSettings(Group):
    """The daily report: when its days begin, and where its files go."""

    model_config = prefixed("REPORTS_")

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

    model_config = prefixed("RETENTION_")

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
