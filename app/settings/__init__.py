"""Every setting, typed and grouped, read once from the environment and passed in.

Each group is read from variables with its own prefix, so `SnsSettings.topics` is `SLUICE_SNS_TOPICS`.
Nothing here has a default that opens a door: an unset allow-list allows nobody.
"""

from __future__ import annotations

from pydantic import BaseModel, Field

from app.settings.gateway import (
    AwsSettings,
    DatabaseSettings,
    EventsSettings,
    HttpSettings,
    LimitSettings,
    OpsSettings,
    QuarantineSettings,
    S3Settings,
    SnsSettings,
    TopicPolicy,
)
from app.settings.loan import (
    LONGEST_REDELIVERY_DAYS,
    ChecksSettings,
    DecisionSettings,
    EncryptionSettings,
    EngineName,
    FingerprintSettings,
    MailSettings,
    ReaderSettings,
    ReportsSettings,
    RetentionSettings,
    UnderwritingSettings,
)
from app.settings.observing import LogSettings, TracingSettings
from app.settings.queue import DispatcherSettings, PrefectSettings, ProjectionSettings, RoutesSettings


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


__all__ = [
    "LONGEST_REDELIVERY_DAYS",
    "AwsSettings",
    "ChecksSettings",
    "DatabaseSettings",
    "DecisionSettings",
    "DispatcherSettings",
    "EncryptionSettings",
    "EngineName",
    "EventsSettings",
    "FingerprintSettings",
    "HttpSettings",
    "LimitSettings",
    "LogSettings",
    "MailSettings",
    "OpsSettings",
    "PrefectSettings",
    "ProjectionSettings",
    "QuarantineSettings",
    "ReaderSettings",
    "ReportsSettings",
    "RetentionSettings",
    "RoutesSettings",
    "S3Settings",
    "Settings",
    "SnsSettings",
    "TopicPolicy",
    "TracingSettings",
    "UnderwritingSettings",
]
