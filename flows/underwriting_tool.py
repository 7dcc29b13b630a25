"""Tell the underwriting tool that a document was read: a POST signed by Standard Webhooks.

Any answer 2xx means that the tool has it. It may come more than once, always with the same `webhook-id`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx

from app import standard_webhooks
from app.errors import Misconfigured, SluiceError, Unavailable
from app.settings import UnderwritingSettings

_WORTH_TRYING_AGAIN = frozenset({408, 425, 429})


class UnderwritingToolUnavailable(Unavailable):
    slug, title = "underwriting-tool-unavailable", "The underwriting tool cannot be reached"


class UnderwritingToolRefused(SluiceError):
    """It answered that it does not want the message, so sending it again cannot help."""

    slug, title = "underwriting-tool-refused", "The underwriting tool refused the message"


def message(kind: str, at: datetime, data: Mapping[str, Any]) -> bytes:
    """The body: `type`, `timestamp` and `data`, as the Standard Webhooks specification recommends."""
    content = {"type": kind, "timestamp": at.isoformat(), "data": data}
    return json.dumps(content, separators=(",", ":")).encode()


async def post(settings: UnderwritingSettings, webhook_id: str, body: bytes) -> None:
    """Send one attempt, signed at this moment.

    Raises UnderwritingToolUnavailable when another attempt may succeed (no answer, 408, 425, 429, 5xx),
    UnderwritingToolRefused for every other answer but 2xx, and Misconfigured without URL or secret.
    """
    if settings.url is None or settings.webhook_secret is None:
        raise Misconfigured("Set SLUICE_UNDERWRITING_URL and SLUICE_UNDERWRITING_WEBHOOK_SECRET together.")
    signature = standard_webhooks.sign(settings.webhook_secret, webhook_id, datetime.now(UTC), body)
    headers = {"content-type": "application/json", "user-agent": "sluice", **signature}
    try:
        # A redirect would carry personal data to an address nobody configured.
        async with httpx.AsyncClient(timeout=settings.timeout_seconds, follow_redirects=False) as client:
            response = await client.post(settings.url, content=body, headers=headers)
    except httpx.HTTPError as error:
        raise UnderwritingToolUnavailable(
            f"The underwriting tool did not answer ({type(error).__name__})."
        ) from error
    if response.is_success:
        return
    answer = f"The underwriting tool answered {response.status_code}."
    if response.is_server_error or response.status_code in _WORTH_TRYING_AGAIN:
        raise UnderwritingToolUnavailable(answer)
    raise UnderwritingToolRefused(answer, status=response.status_code)
