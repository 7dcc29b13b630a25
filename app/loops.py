"""Background loops: named, supervised, woken by NOTIFY and by the clock.

A loop's body does one round and returns how many seconds to sleep. One that raises is tried again with
backoff, turns readiness red and shows in the metrics; it never takes HTTP down.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import structlog

from app.telemetry import LOOP_FAILURES, LOOP_UP

log = structlog.get_logger()

_LASTING_SECONDS = 5.0
_MAX_BACKOFF_SECONDS = 4.0
"""However long the database was away: when it is back, the projection is right again within 10 s."""


@dataclass
class Loop:
    """`body` is one round; set `wake` to start the next one before its sleep is over.

    A body that lasts, such as one that listens, counts as working once it has run for a few seconds.
    """

    name: str
    body: Callable[[], Awaitable[float]]
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    failure: str | None = None
    """What the last round raised; None while the loop works."""
    note: Callable[[], str | None] = lambda: None
    """What is worth knowing although the loop works, such as whom it waits for."""
    _failures: int = 0

    async def run(self) -> None:
        """Rounds for ever, until cancelled."""
        await repeat(self._round, self.wake)

    async def _round(self) -> float:
        try:
            seconds = await self._watched()
        except Exception as error:
            # Not to be woken: a stream of NOTIFYs must not undo the backoff.
            await asyncio.sleep(self._failed(error))
            return 0.0
        self._works()
        return seconds

    async def _watched(self) -> float:
        lasting = asyncio.get_running_loop().call_later(_LASTING_SECONDS, self._works)
        try:
            return await self.body()
        finally:
            lasting.cancel()

    def _works(self) -> None:
        self._failures, self.failure = 0, None
        LOOP_UP.labels(self.name).set(1)

    def _failed(self, error: Exception) -> float:
        self._failures += 1
        self.failure = type(error).__name__
        backoff = min(_MAX_BACKOFF_SECONDS, 0.5 * 2.0**self._failures)
        LOOP_UP.labels(self.name).set(0)
        LOOP_FAILURES.labels(self.name).inc()
        log.error("loop failed", loop=self.name, next_try_seconds=backoff, exc_info=error)
        return backoff


async def repeat(body: Callable[[], Awaitable[float]], wake: asyncio.Event) -> None:
    """Rounds for ever, each followed by the sleep it returns, or by `wake`. Raises what a round raises."""
    while True:
        wake.clear()
        seconds = await body()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await wake.wait()


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
