"""Group commit: what arrives at the same moment shares a transaction, and so the wait for the disk.

One group is being committed at a time; the next one gathers meanwhile. So nobody waits who is alone, and
under load a group is as large as what arrived during one commit.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from app.db import unavailable

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST = 100
"""Items of one group. Beyond it a transaction only takes longer."""


class GroupCommit(Generic[Item, Result]):
    """Commits items in groups. `commit` commits all it is given in one transaction, or raises and none."""

    def __init__(
        self, commit: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]], *, most: int = MOST
    ) -> None:
        self._commit = commit
        self._most = most
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._committing: asyncio.Task[None] | None = None

    async def submit(self, item: Item) -> Result:
        """Return the item's result once it is committed, or raise why it was not.

        A caller that is cancelled leaves an item that is being committed to its fate, and takes its
        neighbours nothing.
        """
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if self._committing is None:
            # A task of its own: no caller that goes away can cancel what others wait for.
            self._committing = asyncio.create_task(self._commit_waiting(), name="group-commit")
        return await answer

    async def finish(self) -> None:
        """Wait until nothing is being committed."""
        if self._committing is not None:
            await self._committing

    async def _commit_waiting(self) -> None:
        try:
            while group := self._next_group():
                await self._commit_group(group)
        finally:
            self._committing = None

    def _next_group(self) -> list[tuple[Item, asyncio.Future[Result]]]:
        group: list[tuple[Item, asyncio.Future[Result]]] = []
        while self._waiting and len(group) < self._most:
            item, answer = self._waiting.popleft()
            if not answer.done():
                group.append((item, answer))
        return group

    async def _commit_group(self, group: Sequence[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._commit([item for item, _ in group])
        except Exception as error:
            if len(group) > 1 and unavailable(error) is None:
                # One of them cannot be stored. Alone, it fails alone.
                for one in group:
                    await self._commit_group([one])
                return
            for _, answer in group:
                if not answer.done():
                    answer.set_exception(error)
        else:
            for (_, answer), result in zip(group, results, strict=True):
                if not answer.done():
                    answer.set_result(result)
