"""Keeping what was read: bounded, read once by many, never what a change has overtaken."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from app.cache import Cache


async def test_it_keeps_nothing_until_somebody_listens() -> None:
    cache: Cache[str] = Cache(10)
    await cache.read("a", _returning("old"))
    assert cache.get("a") is None
    with cache.trusted():
        await cache.read("a", _returning("new"))
        assert cache.get("a") == "new"
    assert cache.get("a") is None


async def test_what_was_longest_unused_makes_room() -> None:
    cache: Cache[str] = Cache(10, len)
    with cache.trusted():
        for name in "abc":
            await cache.read(name, _returning(name * 3))
        cache.get("a")
        await cache.read("d", _returning("dddd"))
        assert [cache.get(name) for name in "abcd"] == ["aaa", None, "ccc", "dddd"]
        await cache.read("e", _returning("e" * 11))
        assert len(cache) == 0


async def test_many_share_a_reading_but_not_one_that_a_change_has_overtaken() -> None:
    cache: Cache[int] = Cache(10)
    go_on = asyncio.Event()
    begun = 0

    async def read() -> int:
        nonlocal begun
        begun += 1
        mine = begun
        await go_on.wait()
        return mine

    with cache.trusted():
        before = [asyncio.create_task(cache.read("a", read)) for _ in range(5)]
        await asyncio.sleep(0)
        before[0].cancel()
        cache.forget("a")
        after = [asyncio.create_task(cache.read("a", read)) for _ in range(5)]
        await asyncio.sleep(0)
        go_on.set()
        assert await asyncio.gather(*before[1:]) == [1] * 4
        assert await asyncio.gather(*after) == [2] * 5
        assert cache.get("a") == 2


async def test_an_error_reaches_all_who_asked_and_is_not_kept() -> None:
    cache: Cache[str] = Cache(10)

    async def fail() -> str:
        await asyncio.sleep(0)
        raise LookupError

    with cache.trusted():
        for error in await asyncio.gather(*(cache.read("a", fail) for _ in range(3)), return_exceptions=True):
            assert isinstance(error, LookupError)
        with pytest.raises(LookupError):
            await cache.read("a", fail)
        assert await cache.read("a", _returning("well")) == "well"


def _returning(value: str) -> Callable[[], Awaitable[str]]:
    async def read() -> str:
        return value

    return read
