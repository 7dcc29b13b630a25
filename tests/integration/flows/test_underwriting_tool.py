"""Telling the underwriting tool: which answers are worth another attempt."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from app import standard_webhooks
from app.dev.process import free_port
from app.errors import Misconfigured, SluiceError
from app.settings import Settings, UnderwritingSettings
from flows import underwriting_tool
from flows.underwriting_tool import UnderwritingToolRefused, UnderwritingToolUnavailable
from tests.integration.flows.conftest import UnderwritingTool

BODY = underwriting_tool.message("document.read", datetime(2026, 11, 20, tzinfo=UTC), {"kind": "passport"})


async def test_a_signed_message_arrives(tool: UnderwritingTool) -> None:
    await underwriting_tool.post(Settings().underwriting, "document-1", BODY)
    assert tool.received == [
        (
            "document-1",
            {"type": "document.read", "timestamp": "2026-11-20T00:00:00+00:00", "data": {"kind": "passport"}},
        )
    ]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (301, UnderwritingToolRefused),
        (400, UnderwritingToolRefused),
        (401, UnderwritingToolRefused),
        (404, UnderwritingToolRefused),
        (408, UnderwritingToolUnavailable),
        (410, UnderwritingToolRefused),
        (425, UnderwritingToolUnavailable),
        (429, UnderwritingToolUnavailable),
        (500, UnderwritingToolUnavailable),
        (503, UnderwritingToolUnavailable),
    ],
)
async def test_an_answer_decides_whether_to_try_again(
    tool: UnderwritingTool, status: int, error: type[SluiceError]
) -> None:
    tool.answers = [status]
    with pytest.raises(error, match=f"answered {status}"):
        await underwriting_tool.post(Settings().underwriting, "document-1", BODY)
    assert len(tool.received) == 1


async def test_no_answer_is_worth_trying_again() -> None:
    secret = SecretStr(standard_webhooks.new_secret())
    nowhere = UnderwritingSettings(url=f"http://127.0.0.1:{free_port()}", webhook_secret=secret)
    with pytest.raises(UnderwritingToolUnavailable, match="ConnectError"):
        await underwriting_tool.post(nowhere, "document-1", BODY)


async def test_a_url_without_a_secret_is_refused() -> None:
    with pytest.raises(Misconfigured, match="SLUICE_UNDERWRITING_WEBHOOK_SECRET"):
        await underwriting_tool.post(UnderwritingSettings(url="http://127.0.0.1:1"), "document-1", BODY)
