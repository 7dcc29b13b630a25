"""What was received, for those who act on it: a flow is given an id and reads the message here."""

from __future__ import annotations

import uuid

from sqlalchemy.ext.asyncio import AsyncSession

from app import sns
from app.errors import NotFound
from app.models import Notification


async def message_of(session: AsyncSession, notification_id: uuid.UUID) -> str:
    """The message exactly as its publisher sent it. Raises NotFound."""
    notification = await session.get(Notification, notification_id)
    if notification is None:
        raise NotFound(f"There is no notification {notification_id}.")
    return sns.parse(notification.envelope.encode()).message
