"""Structured logs with secrets and personal data taken out, and the metrics.

Every metric is described in docs/metrics.md.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from prometheus_client import Counter, Gauge, Histogram

from app.settings import LogSettings

NOTIFICATIONS = Counter("sluice_notifications", "SNS messages committed, by outcome.", ["outcome"])
QUARANTINED = Counter(
    "sluice_quarantined", "Refused messages that SNS had signed, kept in quarantine, by reason.", ["reason"]
)
EVICTED = Counter("sluice_quarantine_evicted", "Messages never released that made room in the quarantine.")
PROBLEMS = Counter("sluice_problems", "Requests answered with a problem, by its type.", ["problem"])
DISPATCHED = Counter("sluice_dispatched", "Runs handed to Prefect, by route and result.", ["route", "result"])
WAITING = Gauge("sluice_runs_waiting", "Runs accepted and not yet created in Prefect.", ["route"])
OLDEST_WAITING = Gauge(
    "sluice_runs_oldest_waiting_seconds", "Age of the oldest run that waits, by route.", ["route"]
)
IN_PREFECT = Gauge(
    "sluice_runs_in_prefect", "Runs that Prefect has and has not finished, by route.", ["route"]
)
STUCK = Gauge("sluice_runs_stuck", "Runs in a state for longer than is plausible.", ["route", "state"])
UNFINISHED = Gauge("sluice_runs_unfinished", "Runs by state, the completed ones left out.", ["state"])
CIRCUIT_OPEN = Gauge(
    "sluice_circuit_open", "1 while a loop leaves Prefect, or one route, alone after a failure.", ["circuit"]
)
CIRCUIT_FAILURES = Gauge("sluice_circuit_failures", "Failures since the last success.", ["circuit"])
UNRECONCILED = Gauge(
    "sluice_unreconciled", "What the last reconciliation of this process found amiss, by kind.", ["kind"]
)
FOLLOWING = Gauge("sluice_following", "1 in the elected follower, 0 in those that stand by.")
UNSEALED = Gauge(
    "sluice_audit_oldest_unsealed_seconds", "Age of the oldest audit entry that waits to be sealed; 0: none."
)
HANDOVERS_REFUSED = Gauge(
    "sluice_handovers_refused",
    "Documents of applications in review that the underwriting tool refused for good.",
)
LOOP_UP = Gauge("sluice_loop_up", "1 while the background loop works, 0 after it failed.", ["loop"])
LOOP_FAILURES = Counter("sluice_loop_failures", "Rounds of a background loop that raised.", ["loop"])
STREAMS = Gauge("sluice_event_streams", "Event streams that are open in this process.")
REQUEST_SECONDS = Histogram(
    "sluice_request_seconds", "Seconds until an answer began.", ["method", "endpoint", "status"]
)

_SECRET_KEYS = frozenset(
    {"authorization", "token", "secret", "password", "signature", "cookie", "api_key", "subscribe_url"}
    | {"applicant", "name", "email", "date_of_birth", "address", "fields", "envelope", "body"}
)


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blank the values of keys that hold secrets or personal data, wherever a log call puts them."""
    for key in event.keys() & _SECRET_KEYS:
        event[key] = "[redacted]"
    return event


def configure_logging(settings: LogSettings) -> None:
    """Send all logs, ours and the libraries', to standard error in one format."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        redact,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.format == "json"
        else structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.level)
    # httpx and botocore log whole URLs at INFO and DEBUG, and presigned URLs are credentials.
    for noisy in ("httpx", "httpcore", "botocore", "boto3", "urllib3", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
