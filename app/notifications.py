"""What was received, for those who act on it: a flow is given an id and reads the message here."""

from __future__ import annotations

import json
import uuid

from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import NotFound, Purged
from app.models import Notification


async def message_of(session: AsyncSession, notification_id: uuid.UUID) -> str:
    """The message exactly as its publisher sent it, or would have. Raises NotFound, and Purged once it
    was removed."""
    notification = await session.get(Notification, notification_id)
    if notification is None:
        raise NotFound(f"There is no notification {notification_id}.")
    if notification.envelope is None:
        raise Purged(f"The message of notification {notification_id} was removed when its time was over.")
    message: str = json.loads(notification.envelope)["Message"]
    return message
