"""Who in this process waits for which subject, and what was last read of it.

Whoever waits holds no database session. However many watch a subject, a change of it is read once.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from app.cache import Cache

_MOST_BYTES = 64 * 1024 * 1024
_OVERHEAD_BYTES = 500


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A subject as its readers see it, in JSON. The version is its ETag."""

    version: int
    body: bytes
    moving: bool = False
    """Part of it changes without a new version: told anew to whoever asks for it whole."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A subject (`application:<id>`, `run:<id>`) and how to read it, raising NotFound."""

    subject: str
    read: Callable[[], Awaitable[Snapshot]]
    confidential: bool = False
    """Read with what not every reader may see: kept apart."""

    @property
    def key(self) -> str:
        return _key(self.subject, self.confidential)


class Watchers:
    """The watchers of one process, and the snapshots they share."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._snapshots: Cache[Snapshot] = Cache(_MOST_BYTES, lambda it: len(it.body) + _OVERHEAD_BYTES)
        self.ended = False
        """Nobody is to wait any longer: the process is about to end."""

    def known_version(self, watched: Watched) -> int | None:
        """The current version when it is known here; None when it must be read."""
        snapshot = self._snapshots.get(watched.key)
        return None if snapshot is None else snapshot.version

    async def read(self, watched: Watched) -> Snapshot:
        """The subject as it is, from memory if no change has been heard of since it was read."""
        kept = self._snapshots.get(watched.key)
        if kept is not None and not kept.moving:
            return kept
        return await self._snapshots.read(watched.key, watched.read)

    def changed(self, subject: str) -> None:
        """Somebody has committed a change of the subject."""
        self.forget(subject)
        for event in self._waiting.get(subject, ()):
            event.set()

    def forget(self, subject: str) -> None:
        """What was read of the subject may be old; who watches it is told when the change is announced."""
        self._snapshots.forget(_key(subject, confidential=False))
        self._snapshots.forget(_key(subject, confidential=True))

    @contextmanager
    def listening(self) -> Iterator[None]:
        """While the block runs, `changed` is called for every change. Any may have been missed before."""
        with self._snapshots.trusted():
            self._wake_all()
            yield

    def end(self) -> None:
        """Let everybody who waits come to an end, now and from now on."""
        self.ended = True
        self._wake_all()

    def _wake_all(self) -> None:
        for events in self._waiting.values():
            for event in events:
                event.set()

    @contextmanager
    def watching(self, subject: str) -> Iterator[asyncio.Event]:
        """An event that is set by each change; clear it, then read. It remembers one change, not many."""
        event = asyncio.Event()
        self._waiting[subject].add(event)
        try:
            yield event
        finally:
            self._waiting[subject].discard(event)
            if not self._waiting[subject]:
                del self._waiting[subject]

    async def wait_for_change(self, watched: Watched, known: int, seconds: float) -> Snapshot | None:
        """The first snapshot of another version than `known`; None if there is none within `seconds`."""
        with self.watching(watched.subject) as changed:
            try:
                async with asyncio.timeout(seconds):
                    while not self.ended:
                        if self.known_version(watched) != known:
                            snapshot = await self.read(watched)
                            if snapshot.version != known:
                                return snapshot
                        await changed.wait()
                        changed.clear()
            except TimeoutError:
                pass
        return None


def _key(subject: str, confidential: bool) -> str:
    return f"{subject} confidential" if confidential else subject
