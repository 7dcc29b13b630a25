"""A flow of your own behind a route: it reads a JSON message and says which members it has.

Prefect stores and shows parameters, logs and states, so no message goes there: the flow is given the id
of the notification and reads the message itself from the gateway's database.
"""

from __future__ import annotations

import json
import uuid

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from app import notifications
from flows.context import discreet, opened


@flow(name="message-outline", persist_result=False)
async def message_outline(notification_id: uuid.UUID) -> State[None]:
    """Name the members of one message. Its values stay out of what Prefect shows."""
    with discreet():
        async with opened() as context, context.sessions() as session:
            message = await notifications.message_of(session, notification_id)
        try:
            content = json.loads(message)
        except ValueError:
            content = None
        if not isinstance(content, dict):
            return Failed(message="The message is not a JSON object.")
        return Completed(message=f"Members: {', '.join(sorted(content))}.")
