"""Leaves Prefect alone for a while when it does not answer, longer each time."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

import structlog

from app.errors import PrefectUnavailable

log = structlog.get_logger()


@dataclass
class Circuit:
    """Open while Prefect is not to be asked. Each loop that asks has its own, and shows it as `failures`."""

    name: str
    longest_seconds: float = 10.0
    failures: int = 0
    """Failed rounds since the last one that worked."""
    _ask_again_at: float = 0.0

    def seconds_left(self) -> float:
        """How long Prefect is to be left alone; 0 when it may be asked."""
        return max(0.0, self._ask_again_at - time.monotonic())

    def failed(self, error: PrefectUnavailable) -> None:
        """Prefect could not be asked: wait 0.25 s, then 0.5 s, 1 s … with jitter, and try again."""
        if self.seconds_left() > 0:
            return  # another call of the same round has said so already
        if self.failures == 0:
            log.warning("prefect unavailable", loop=self.name, error=error.detail)
        self.failures += 1
        seconds = min(self.longest_seconds, 0.25 * 2.0 ** min(self.failures - 1, 20))
        # Many gateways wait for the same Prefect: they must not all come back in the same moment.
        self._ask_again_at = time.monotonic() + seconds * random.uniform(0.5, 1.0)

    def succeeded(self) -> None:
        """Prefect has answered. Changes nothing while it is left alone: another call has just failed."""
        if self.failures and self.seconds_left() == 0:
            log.info("prefect available again", loop=self.name, failures=self.failures)
            self.failures = 0
