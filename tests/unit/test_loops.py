"""Supervised loops: one that fails is tried again, shows, and recovers."""

from __future__ import annotations

import asyncio

import pytest

from app import loops
from app.loops import Loop, supervised


async def _until(loop: Loop, failure: str | None) -> None:
    async with asyncio.timeout(5):
        while loop.failure != failure:  # noqa: ASYNC110 (a loop announces nothing)
            await asyncio.sleep(0.01)


async def test_a_failing_round_shows_and_is_tried_again() -> None:
    rounds = 0

    async def body() -> float:
        nonlocal rounds
        rounds += 1
        if rounds == 1:
            raise RuntimeError("once")
        return 60.0

    loop = Loop("test", body)
    async with supervised([loop]):
        await _until(loop, "RuntimeError")
        await _until(loop, None)
    assert rounds == 2


async def test_a_wake_cuts_the_sleep_short() -> None:
    rounds = asyncio.Semaphore(0)

    async def body() -> float:
        rounds.release()
        return 3_600.0

    loop = Loop("test", body)
    async with supervised([loop]), asyncio.timeout(5):
        await rounds.acquire()
        loop.wake.set()
        await rounds.acquire()


async def test_a_body_that_lasts_counts_as_working(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "_LASTING_SECONDS", 0.05)
    failed = False

    async def body() -> float:
        nonlocal failed
        if not failed:
            failed = True
            raise RuntimeError("once")
        await asyncio.Event().wait()
        return 0.0

    loop = Loop("test", body)
    async with supervised([loop]):
        await _until(loop, "RuntimeError")
        await _until(loop, None)


async def test_waiting_after_a_failure_does_not_count_as_working(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "_LASTING_SECONDS", 0.05)

    async def body() -> float:
        raise RuntimeError("always")

    loop = Loop("test", body)
    async with supervised([loop]):
        await _until(loop, "RuntimeError")
        await asyncio.sleep(0.3)
        assert loop.failure == "RuntimeError"
