"""Settings of logs and traces."""

from __future__ import annotations

from typing import Literal

from app.settings.group import Group, prefixed


class TracingSettings(Group):
    """OpenTelemetry. Its own variables, such as OTEL_EXPORTER_OTLP_ENDPOINT, set everything else about it."""

    model_config = prefixed("TRACING_")

    enabled: bool = False
    """Make spans and send them by OTLP over HTTP. Needs the extra `telemetry`."""


class LogSettings(Group):
    model_config = prefixed("LOG_")

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    format: Literal["json", "console"] = "json"
