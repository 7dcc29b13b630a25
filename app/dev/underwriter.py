"""A scripted underwriting tool: it is handed what was read and answers with a signed decision."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app import standard_webhooks
from app.dev.serving import serving
from app.errors import SluiceError

DECIDED_BY = "underwriter-17"


@dataclass(frozen=True)
class Handover:
    """What the tool was told: `document.read` or `document.unreadable`, and about what."""

    webhook_id: str
    kind: str
    data: dict[str, Any]
    at: datetime

    @property
    def application_id(self) -> str:
        return str(self.data["application_id"])


@dataclass(frozen=True)
class Ruling:
    """A decision the way `POST /v1/applications/{id}/decisions` takes it."""

    outcome: str
    reasons: list[str] = field(default_factory=list)
    conditions: list[str] = field(default_factory=list)

    def body(self, application_id: str) -> bytes:
        return json.dumps(
            {
                "application_id": application_id,
                "outcome": self.outcome,
                "reasons": self.reasons,
                "conditions": self.conditions,
                "decided_by": DECIDED_BY,
            }
        ).encode()


Rule = Callable[[Handover], Ruling | None]
"""What to decide on what was handed over; None leaves the application in review."""


def by_checks(handover: Handover) -> Ruling:
    """Approve what passed every check that counts, deny the rest.

    That the same document came before does not count: whoever tries things out uploads it again and again.
    """
    failed = [
        check["check"]
        for check in handover.data["assessment"]["checks"]
        if check["required"] and check["status"] != "pass" and not check["check"].startswith("same_")
    ]
    if handover.kind != "document.read" or failed:
        return Ruling("denied", reasons=["The document did not pass: " + ", ".join(failed or ["unreadable"])])
    return Ruling("approved")


class Underwriter:
    """Serves `url` for hand-overs, and a moment after one sends the gateway what `rule` rules."""

    def __init__(
        self,
        port: int,
        gateway_url: str,
        decision_secret: str,
        *,
        rule: Rule = lambda _handover: None,
        seconds: float = 1.0,
        host: str = "127.0.0.1",
        secret: str | None = None,
    ) -> None:
        """`secret` is the one hand-overs are signed with; without it, a new one is made."""
        self.port = port
        self.host = host
        self.url = f"http://127.0.0.1:{port}/documents"
        self.secret = secret or standard_webhooks.new_secret()
        self.handovers: list[Handover] = []
        self.refused: list[str] = []
        """Why the gateway did not take a decision that was offered twenty times."""
        self._gateway_url = gateway_url
        self._decision_secret = SecretStr(decision_secret)
        self._rule = rule
        self._seconds = seconds

    async def run(self, started: asyncio.Event) -> None:
        """Serve until cancelled; `started` is set once requests are answered."""
        app = Starlette(routes=[Route("/documents", self._receive, methods=["POST"])])
        async with asyncio.TaskGroup() as self._deciding, serving(app, self.port, self.host):
            started.set()
            await asyncio.Event().wait()

    async def decide(
        self, application_id: str, ruling: Ruling, *, webhook_id: str | None = None
    ) -> httpx.Response:
        """Send a signed decision once and return the gateway's answer."""
        body = ruling.body(application_id)
        headers = standard_webhooks.sign(
            self._decision_secret, webhook_id or f"decision-{uuid.uuid4()}", datetime.now(UTC), body
        )
        async with httpx.AsyncClient(trust_env=False, timeout=15) as client:
            return await client.post(
                f"{self._gateway_url}/v1/applications/{application_id}/decisions",
                content=body,
                headers={"content-type": "application/json", **headers},
            )

    async def _receive(self, request: Request) -> Response:
        body = await request.body()
        try:
            webhook_id = standard_webhooks.verify(
                [SecretStr(self.secret)], request.headers, body, datetime.now(UTC), tolerance_seconds=300
            )
        except SluiceError as error:
            return JSONResponse({"detail": error.detail}, status_code=error.status)
        message = json.loads(body)
        handover = Handover(webhook_id, message["type"], message["data"], datetime.now(UTC))
        again = any(known.webhook_id == webhook_id for known in self.handovers)
        if not again:
            self.handovers.append(handover)
            self._deciding.create_task(self._think_and_decide(handover))
        return Response(status_code=202)

    async def _think_and_decide(self, handover: Handover) -> None:
        ruling = self._rule(handover)
        if ruling is None:
            return
        await asyncio.sleep(self._seconds)
        # As any sender of webhooks: until it was taken, always with the same id.
        refusal = ""
        for _attempt in range(20):
            try:
                answer = await self.decide(
                    handover.application_id, ruling, webhook_id=f"decision-on-{handover.webhook_id}"
                )
            except httpx.HTTPError as error:
                refusal = repr(error)
            else:
                if answer.is_success:
                    return
                refusal = f"{answer.status_code}: {answer.text}"
            await asyncio.sleep(0.5)
        self.refused.append(refusal)
