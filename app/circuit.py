"""Leaves Prefect alone for a while when it does not answer, longer each time."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from app.telemetry import CIRCUIT_FAILURES, CIRCUIT_OPEN

log = structlog.get_logger()

_LONGEST_REST_SECONDS = 60.0


@dataclass
class Circuit:
    """Open while Prefect is not to be asked. Each loop that asks has its own; a part is for one route."""

    name: str
    longest_seconds: float = 10.0
    failures: int = 0
    """Failed rounds since the last one that worked."""
    since: datetime | None = None
    """When the first of them failed; None while it works."""
    _parts: dict[str, Circuit] = field(default_factory=dict)
    _ask_again_at: float = 0.0
    _failed_at: float = 0.0
    _succeeded_at: float = 0.0

    def __post_init__(self) -> None:
        self._show()

    def seconds_left(self) -> float:
        """How long Prefect is to be left alone; 0 when it may be asked."""
        return max(0.0, self._ask_again_at - time.monotonic())

    def failed(self, error: Exception) -> None:
        """It failed: wait 0.25 s, then 0.5 s, 1 s … with jitter, and try again."""
        if self.seconds_left() > 0:
            return  # another call of the same round has said so already
        if self.since is None:
            log.warning("prefect unavailable", circuit=self.name, error=str(error))
            self.since = datetime.now(UTC)
        self.failures += 1
        self._failed_at = time.monotonic()
        seconds = min(self.longest_seconds, 0.25 * 2.0 ** min(self.failures - 1, 20))
        # Many gateways wait for the same Prefect: they must not all come back in the same moment.
        self._ask_again_at = self._failed_at + seconds * random.uniform(0.5, 1.0)
        self._show()

    def succeeded(self) -> None:
        """Prefect has answered. Closes nothing that is left alone: another call has just failed."""
        self._succeeded_at = time.monotonic()
        if self.failures and self.seconds_left() == 0:
            log.info("prefect available again", circuit=self.name, failures=self.failures)
            self.failures, self.since = 0, None
            self._show()

    def part(self, route: str) -> Circuit:
        """The circuit of one route, for trouble that is not the whole of Prefect's."""
        if route not in self._parts:
            self._parts[route] = Circuit(f"route {route}", longest_seconds=_LONGEST_REST_SECONDS)
        return self._parts[route]

    def resting(self) -> list[str]:
        """The routes to be left alone for now."""
        return [route for route, part in self._parts.items() if part.seconds_left() > 0]

    def worked_since_failure_of(self, part: Circuit) -> bool:
        """Whether Prefect has done anything for us since `part` last failed: then the fault is the part's."""
        return 0 < part._failed_at < self._succeeded_at

    def note(self) -> str | None:
        """What is amiss, in words; None when nothing is."""
        notes = [] if self.since is None else [f"Prefect unavailable since {_seconds(self.since)}"]
        notes += [
            f"{part.name} not served since {_seconds(part.since)}"
            for part in self._parts.values()
            if part.since is not None
        ]
        return ", ".join(notes) or None

    def _show(self) -> None:
        CIRCUIT_OPEN.labels(self.name).set(int(self.failures > 0))
        CIRCUIT_FAILURES.labels(self.name).set(self.failures)


def _seconds(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
