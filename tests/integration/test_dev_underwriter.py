"""The scripted underwriting tool accepts only what is signed with its secret."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest
from pydantic import SecretStr

from app import standard_webhooks
from app.dev.process import free_port
from app.dev.underwriter import Underwriter

BODY = json.dumps({"type": "document.read", "data": {"application_id": "A-1"}}).encode()


@pytest.fixture
async def underwriter() -> AsyncIterator[Underwriter]:
    tool = Underwriter(free_port(), "http://127.0.0.1:9", standard_webhooks.new_secret())
    started = asyncio.Event()
    running = asyncio.create_task(tool.run(started))
    await started.wait()
    yield tool
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def hand_over(tool: Underwriter, secret: str) -> int:
    headers = standard_webhooks.sign(SecretStr(secret), "document-1", datetime.now(UTC), BODY)
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.post(tool.url, content=BODY, headers=headers)).status_code


async def test_a_signed_hand_over_is_taken_once(underwriter: Underwriter) -> None:
    assert await hand_over(underwriter, underwriter.secret) == 202
    assert await hand_over(underwriter, underwriter.secret) == 202
    assert [handover.application_id for handover in underwriter.handovers] == ["A-1"]


async def test_another_signature_is_refused(underwriter: Underwriter) -> None:
    assert await hand_over(underwriter, standard_webhooks.new_secret()) == 403
    assert underwriter.handovers == []
