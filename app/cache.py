"""What was read a moment ago, kept for as long as changes to it are heard of."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Cache(Generic[Value]):
    """Values by key, the longest unused forgotten first when they weigh more than `most` together.

    It keeps nothing until it is told, by `trusted`, that somebody listens for changes. Whoever asks while
    a value is being read waits for that reading instead of starting another. A key that is forgotten
    meanwhile leaves its reading to those who wait for it already: what it returns may be old, so it is not
    kept, and whoever asks next reads anew.
    """

    def __init__(self, most: int, weigh: Callable[[Value], int] = lambda _: 1) -> None:
        self._most = most
        self._weigh = weigh
        self._weight = 0
        self._values: OrderedDict[str, Value] = OrderedDict()
        self._readings: dict[str, asyncio.Task[Value]] = {}
        self._tasks: set[asyncio.Task[Value]] = set()
        self._trusted = False

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: str) -> Value | None:
        """What is kept; None when it must be read."""
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    async def read(self, key: str, read: Callable[[], Awaitable[Value]]) -> Value:
        """Read the value, together with all who ask for it now; raises what `read` raises."""
        if not self._trusted:
            return await read()
        reading = self._readings.get(key)
        if reading is None:
            reading = self._readings[key] = asyncio.create_task(self._keep(key, read))
            # The event loop holds its tasks weakly, and those who wait may all give up.
            self._tasks.add(reading)
            reading.add_done_callback(self._done)
        return await asyncio.shield(reading)

    async def _keep(self, key: str, read: Callable[[], Awaitable[Value]]) -> Value:
        try:
            value = await read()
        except BaseException:
            self._still_wanted(key)
            raise
        if self._still_wanted(key):
            self._put(key, value)
        return value

    def _still_wanted(self, key: str) -> bool:
        """Whether the key was not forgotten since this reading began, which is over now."""
        if self._readings.get(key) is not asyncio.current_task():
            return False
        del self._readings[key]
        return True

    def _done(self, reading: asyncio.Task[Value]) -> None:
        self._tasks.discard(reading)
        if not reading.cancelled():
            # Looked at, so that asyncio does not report it when nobody waits any more.
            reading.exception()

    def _put(self, key: str, value: Value) -> None:
        self._drop(key)
        self._values[key] = value
        self._weight += self._weigh(value)
        while self._weight > self._most:
            self._drop(next(iter(self._values)))

    def _drop(self, key: str) -> None:
        value = self._values.pop(key, None)
        if value is not None:
            self._weight -= self._weigh(value)

    def forget(self, key: str) -> None:
        """It has changed."""
        self._drop(key)
        self._readings.pop(key, None)

    def forget_all(self) -> None:
        """Anything may have changed."""
        self._values.clear()
        self._weight = 0
        self._readings.clear()

    @contextmanager
    def trusted(self) -> Iterator[None]:
        """Keep values while the block runs, in which every change is followed by `forget`."""
        self.forget_all()
        self._trusted = True
        try:
            yield
        finally:
            self._trusted = False
            self.forget_all()
