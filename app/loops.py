"""Background loops: named, supervised, woken by NOTIFY and by the clock.

A loop's body does one round and returns how many seconds to sleep. One that raises is tried again with
backoff, turns readiness red and shows in the metrics; it never takes HTTP down.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog

from app.telemetry import LOOP_FAILURES, LOOP_UP

log = structlog.get_logger()

_MAX_BACKOFF_SECONDS = 30.0


@dataclass
class Loop:
    """`body` is one round; set `wake` to start the next one before its sleep is over."""

    name: str
    body: Callable[[], Awaitable[float]]
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    failure: str | None = None
    """What the last round raised; None while the loop works."""

    async def run(self) -> None:
        """Rounds for ever, until cancelled."""
        failures = 0
        while True:
            self.wake.clear()
            try:
                seconds = await self.body()
            except Exception as error:
                failures += 1
                backoff = min(_MAX_BACKOFF_SECONDS, 0.5 * 2**failures)
                self._failed(error, backoff)
                # Not to be woken: a stream of NOTIFYs must not undo the backoff.
                await asyncio.sleep(backoff)
            else:
                failures, self.failure = 0, None
                LOOP_UP.labels(self.name).set(1)
                await _wait(self.wake, seconds)

    def _failed(self, error: Exception, seconds: float) -> None:
        self.failure = type(error).__name__
        LOOP_UP.labels(self.name).set(0)
        LOOP_FAILURES.labels(self.name).inc()
        log.error("loop failed", loop=self.name, next_try_seconds=seconds, exc_info=error)


@asynccontextmanager
async def supervised(loops: Sequence[Loop]) -> AsyncIterator[None]:
    """Run the loops while the block does; cancel them at its end and wait until they are gone."""
    tasks = [asyncio.create_task(loop.run(), name=loop.name) for loop in loops]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
