"""Prefect's event stream: a prompt hint that a flow run has changed, never the truth about it.

The protocol is that of Prefect's own subscriber (`/events/out`, subprotocol `prefect`): an auth message,
its answer, a filter, then events. It is the same on a self-hosted server and on Prefect Cloud.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from app.errors import PrefectUnavailable
from app.prefect_flow_runs import TAG
from app.settings import PrefectSettings

_SILENCE_SECONDS = 5.0
"""A peer that answers no ping for this long is gone, whatever TCP believes."""


@dataclass(frozen=True)
class StateEvent:
    """Prefect says that a flow run entered a state. It says so before committing it: read to be sure."""

    flow_run_id: uuid.UUID
    state_at: datetime


@asynccontextmanager
async def listen(settings: PrefectSettings) -> AsyncIterator[AsyncIterator[StateEvent]]:
    """Subscribe to the state changes of our flow runs; the block gets them as Prefect publishes them.

    Prefect loses events without a word (a full queue, a restart), tells some twice, and tells none from
    before the block: whoever relies on it reads everything once the block has begun. Raises
    PrefectUnavailable, also while iterating, when the stream ends. Connecting again is the caller's.
    """
    try:
        connection = await connect(
            "ws" + settings.api_url.removeprefix("http").rstrip("/") + "/events/out",
            subprotocols=[Subprotocol("prefect")],
            open_timeout=_SILENCE_SECONDS,
            ping_interval=_SILENCE_SECONDS,
            ping_timeout=_SILENCE_SECONDS,
            close_timeout=1,
            max_size=4 * 1024 * 1024,
        )
    except (OSError, WebSocketException) as error:
        raise _failed(error) from error
    async with connection:
        await _subscribe(connection, settings)
        yield _state_events(connection)


async def _subscribe(connection: ClientConnection, settings: PrefectSettings) -> None:
    secret = settings.api_key or settings.auth_string
    token = None if secret is None else secret.get_secret_value()
    try:
        await connection.send(json.dumps({"type": "auth", "token": token}))
        answer = json.loads(await connection.recv())
        if answer.get("type") != "auth_success":
            raise PrefectUnavailable("Prefect's event stream refuses our credentials.")
        await connection.send(json.dumps({"type": "filter", "filter": _our_events(), "backfill": False}))
    except (OSError, WebSocketException, LookupError, ValueError) as error:
        raise _failed(error) from error


def _our_events() -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "event": {"prefix": ["prefect.flow-run."]},
        "related": {"id": [f"prefect.tag.{TAG}"]},
        # Live events are held against these times too, so they leave room for clocks that disagree.
        "occurred": {
            "since": (now - timedelta(minutes=15)).isoformat(),
            "until": (now + timedelta(days=365)).isoformat(),
        },
    }


async def _state_events(connection: ClientConnection) -> AsyncIterator[StateEvent]:
    try:
        async for message in connection:
            event = _state_event(json.loads(message))
            if event is not None:
                yield event
    except (OSError, WebSocketException, LookupError, ValueError) as error:
        raise _failed(error) from error
    raise PrefectUnavailable("Prefect has closed its event stream.")


def _state_event(message: Mapping[str, Any]) -> StateEvent | None:
    if message.get("type") != "event":
        return None
    resource = message["event"]["resource"]
    # Other events about a flow run, such as its heartbeats, name no state.
    state_at = resource.get("prefect.state-timestamp")
    if state_at is None:
        return None
    flow_run_id = uuid.UUID(resource["prefect.resource.id"].removeprefix("prefect.flow-run."))
    return StateEvent(flow_run_id, datetime.fromisoformat(state_at))


def _failed(error: Exception) -> PrefectUnavailable:
    return PrefectUnavailable(f"Prefect's event stream is not available ({type(error).__name__}).")
