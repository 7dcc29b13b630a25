"""A flow reads the message whose id it was given."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime

import pytest

from app import notifications
from app.db import Sessions
from app.dev.sns_signing import Signer, now
from app.errors import NotFound
from app.models import Notification, NotificationOutcome

MESSAGE = '{"Name": "Zoë \\ud83d\\udcc4", "amount": 12.50,\n "note": "  kept as it is "}'


async def test_the_message_is_exactly_as_it_was_published(sessions: Sessions) -> None:
    envelope = Signer("http://127.0.0.1:1").envelope(
        {
            "Type": "Notification",
            "MessageId": str(uuid.uuid4()),
            "TopicArn": "arn:aws:sns:us-east-1:123456789012:uploads",
            "Message": MESSAGE,
            "Timestamp": now(),
        }
    )
    async with sessions.begin() as session:
        notification = Notification(
            topic_arn=json.loads(envelope)["TopicArn"],
            message_id=json.loads(envelope)["MessageId"],
            kind="Notification",
            envelope=envelope.decode(),
            outcome=NotificationOutcome.ROUTED,
            sent_at=datetime.now(UTC),
        )
        session.add(notification)
        await session.flush()
        assert await notifications.message_of(session, notification.id) == MESSAGE


async def test_an_unknown_id_is_said_to_be_unknown(sessions: Sessions) -> None:
    unknown = uuid.uuid4()
    async with sessions() as session:
        with pytest.raises(NotFound, match=str(unknown)):
            await notifications.message_of(session, unknown)
