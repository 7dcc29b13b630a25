"""The audit trail: written with what it describes, sealed afterwards, and tampering shows."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from app import audit
from app.audit import Verification
from app.db import Sessions


async def _write(sessions: Sessions, count: int) -> None:
    async with sessions.begin() as session:
        for number in range(count):
            audit.record(session, actor="test", action="tested", subject=f"thing:{number}", number=number)


async def test_an_entry_that_was_rolled_back_does_not_exist(sessions: Sessions) -> None:
    async with sessions() as session:
        audit.record(session, actor="test", action="tested", subject="thing:1")
        await session.flush()
        await session.rollback()

    assert await audit.verify(sessions) == Verification(sealed=0, unsealed=0, broken_at=None)


async def test_the_oldest_entry_that_is_not_sealed_grows_old(sessions: Sessions) -> None:
    await _write(sessions, 2)
    async with sessions.begin() as session:
        await session.execute(
            text("UPDATE audit_log SET at = at - interval '1 hour' WHERE subject = 'thing:0'")
        )
        assert 3_600 <= await audit.oldest_unsealed_seconds(session) < 3_660
    await audit.seal(sessions)
    async with sessions() as session:
        assert await audit.oldest_unsealed_seconds(session) == 0


async def test_entries_are_sealed_into_one_chain_by_any_number_of_sealers(sessions: Sessions) -> None:
    await _write(sessions, 30)
    assert await audit.verify(sessions) == Verification(sealed=0, unsealed=30, broken_at=None)

    sealed = await asyncio.gather(*(audit.seal(sessions) for _ in range(4)))
    await _write(sessions, 5)
    await audit.seal(sessions)

    assert sum(sealed) == 30
    assert await audit.verify(sessions) == Verification(sealed=35, unsealed=0, broken_at=None)


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE audit_log SET action = 'forged' WHERE position = 3",
        "UPDATE audit_log SET detail = '{\"number\": 99}' WHERE position = 3",
        "UPDATE audit_log SET at = at + interval '1 second' WHERE position = 3",
        "DELETE FROM audit_log WHERE position = 3",
    ],
)
async def test_tampering_breaks_the_chain_where_it_happened(sessions: Sessions, tampering: str) -> None:
    await _write(sessions, 5)
    await audit.seal(sessions)
    async with sessions.begin() as session:
        await session.execute(text(tampering))

    assert (await audit.verify(sessions)).broken_at == 3
