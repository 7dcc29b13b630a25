"""Which flow runs are worth reading now, because an event named them."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass, replace
from datetime import datetime

from app.prefect_events import StateEvent

_MOST = 10_000
_FIRST_DELAY_SECONDS = 0.05
_TRIES = 7
"""0.05 s, doubled each time: the last look is 3 s after the first."""
_IDLE_SECONDS = 60.0


@dataclass(frozen=True)
class Hint:
    """A flow run was in a state at `state_at`, says an event. `due` is on the monotonic clock."""

    state_at: datetime
    due: float
    tries: int = 0


class Hints:
    """Hints that wait for their reading, at most one a flow run. Bounded: losing one costs only time."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self._waiting: dict[uuid.UUID, Hint] = {}

    def add(self, event: StateEvent) -> None:
        """Note an event; of several about one flow run the latest counts."""
        known = self._waiting.get(event.flow_run_id)
        if known is None and len(self._waiting) >= _MOST:
            return
        if known is None or known.state_at < event.state_at:
            self._waiting[event.flow_run_id] = Hint(event.state_at, due=time.monotonic())
            self.arrived.set()

    def again(self, flow_run_id: uuid.UUID, hint: Hint) -> None:
        """Look again a little later, unless it has been looked at often enough or a newer hint waits."""
        if hint.tries + 1 < _TRIES and flow_run_id not in self._waiting:
            due = time.monotonic() + _FIRST_DELAY_SECONDS * 2.0**hint.tries
            self._waiting[flow_run_id] = replace(hint, due=due, tries=hint.tries + 1)

    def take(self, limit: int) -> dict[uuid.UUID, Hint]:
        """Remove and return up to `limit` hints that are due."""
        now = time.monotonic()
        due = [flow_run_id for flow_run_id, hint in self._waiting.items() if hint.due <= now]
        return {flow_run_id: self._waiting.pop(flow_run_id) for flow_run_id in due[:limit]}

    def seconds_until_due(self) -> float:
        earliest = min((hint.due for hint in self._waiting.values()), default=None)
        return _IDLE_SECONDS if earliest is None else max(0.0, earliest - time.monotonic())
