"""Which day is reported: that of the time zone, the schedule or the message."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from app.db import Sessions
from app.models import Notification, NotificationOutcome, ReportedDay, new_id
from app.settings import Settings
from tests.integration.flows.conftest import RunFlow, ServesPrefect, execute
from tests.integration.flows.daily_etl.conftest import DAY, FLOW, TEN, Seed, steps


async def test_a_day_is_one_of_the_time_zone_that_is_set(
    run_flow: RunFlow, seed: Seed, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third application came at 23:54 UTC and was read at 0:06: the same evening in New York."""
    await seed()
    monkeypatch.setenv("SLUICE_REPORTS_TIME_ZONE", "America/New_York")
    await run_flow(FLOW, DAY)
    assert ("A-3", "read", "verified", 720.0, None) in await steps(sessions)

    monkeypatch.setenv("SLUICE_REPORTS_TIME_ZONE", "Europe/Narnia")
    state = await run_flow(FLOW, DAY)
    assert state.type == "FAILED"
    assert '"Europe/Narnia" is no time zone' in str(state.message)


async def test_without_a_day_it_is_yesterday_and_a_day_to_come_is_refused(run_flow: RunFlow) -> None:
    today = datetime.now(UTC).date()
    yesterday = today - timedelta(days=1)
    state = await run_flow(FLOW)
    assert str(state.message).startswith(f"{yesterday}: 0 received, 0 read, 0 decided, 0 failed.")

    state = await run_flow(FLOW, today)
    assert str(state.message).startswith(f"{today} so far: ")

    state = await run_flow(FLOW, today + timedelta(days=1))
    assert (state.type, state.message) == ("FAILED", f"{today + timedelta(days=1)} has not begun in UTC.")


async def test_a_run_that_starts_late_reports_the_day_it_was_scheduled_for(
    seed: Seed, prefect_server: ServesPrefect, prefect_home: Path, sessions: Sessions, settings: Settings
) -> None:
    await seed()
    schema = {"type": "object", "properties": {}}
    await prefect_server.redeploy(
        "daily-etl/default", entrypoint="flows.daily_etl.daily_etl", parameter_openapi_schema=schema
    )
    scheduled = {"type": "SCHEDULED", "state_details": {"scheduled_time": "2025-11-21T06:00:00Z"}}
    async with httpx.AsyncClient(base_url=prefect_server.api_url) as client:
        deployment = (await client.get("/deployments/name/daily-etl/default")).raise_for_status().json()
        url = f"/deployments/{deployment['id']}/create_flow_run"
        created = (await client.post(url, json={"state": scheduled})).raise_for_status().json()
    await execute(created["id"], prefect_server, prefect_home)
    async with sessions() as session:
        assert list(await session.scalars(select(ReportedDay.day))) == [DAY]


@pytest.mark.parametrize(
    ("message", "kind", "answer"),
    [
        ('{"day": "2025-11-20"}', "COMPLETED", "2025-11-20: 3 received"),
        ('{"date": "2025-11-20"}', "FAILED", "The message names no day"),
        ("tomorrow", "FAILED", "The message names no day"),
    ],
)
async def test_a_message_names_the_day(
    run_flow: RunFlow, seed: Seed, sessions: Sessions, message: str, kind: str, answer: str
) -> None:
    await seed()
    notification_id = new_id()
    async with sessions.begin() as session:
        session.add(notification(notification_id, message))
    state = await run_flow(FLOW, notification_id=notification_id)
    assert state.type == kind
    assert str(state.message).startswith(answer)


def notification(notification_id: uuid.UUID, message: str) -> Notification:
    envelope = {
        "Type": "Notification",
        "MessageId": str(notification_id),
        "TopicArn": "arn:aws:sns:us-east-1:123456789012:reports",
        "Message": message,
        "Timestamp": "2025-11-21T06:00:00.000Z",
        "SignatureVersion": "2",
        "Signature": "c2lnbmVk",
        "SigningCertURL": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem",
    }
    return Notification(
        id=notification_id,
        topic_arn=envelope["TopicArn"],
        message_id=str(notification_id),
        kind="Notification",
        envelope=json.dumps(envelope),
        outcome=NotificationOutcome.ROUTED,
        sent_at=TEN,
    )
