"""Refused messages that SNS had signed: what is kept, what is not, and how one is let in."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from app.db import Sessions
from app.dev.sns_signing import Signer
from app.models import AuditEntry, Notification, NotificationOutcome, QuarantinedMessage, Run
from app.settings import QuarantineSettings, Settings, TopicPolicy
from app.telemetry import EVICTED
from app.web.deps import Gateway
from tests.web.conftest import (
    TOPIC,
    Headers,
    Notify,
    SnsApi,
    confirmation,
    notification,
    s3_event,
)

EVENT = s3_event("applications/A-1/license-front/front.jpg")
UNLISTED = "arn:aws:sns:us-east-1:123456789012:not-listed-yet"


async def _count(sessions: Sessions, table: type) -> int:
    async with sessions() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


async def _listed(client: httpx.AsyncClient, operator: Headers, **query: Any) -> list[dict[str, Any]]:
    answer = await client.get("/v1/quarantine", headers=operator, params=query)
    assert answer.status_code == 200, answer.text
    messages: list[dict[str, Any]] = answer.json()["messages"]
    return messages


async def _release(client: httpx.AsyncClient, operator: Headers, entry_id: str) -> httpx.Response:
    return await client.post(f"/v1/quarantine/{entry_id}/release", headers=operator)


def _ago(**ago: float) -> str:
    sent = datetime.now(UTC) - timedelta(**ago)
    return sent.isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def test_the_list_says_what_was_refused_and_why_but_not_what_it_said(
    notify: Notify, client: httpx.AsyncClient, operator: Headers
) -> None:
    await notify("about jane@example.com", TopicArn=UNLISTED)
    answer = await client.get("/v1/quarantine", headers=operator)

    [entry] = answer.json()["messages"]
    assert entry["topic_arn"] == UNLISTED
    assert entry["reason"] == "topic-not-allowed"
    assert "SLUICE_SNS_TOPICS" in entry["detail"]
    assert entry["released_at"] is None
    assert entry["outcome"] is None
    assert "jane" not in answer.text


async def test_the_list_is_read_in_pages_the_newest_first(
    notify: Notify, client: httpx.AsyncClient, operator: Headers
) -> None:
    for number in range(3):
        await notify(f"{number}", TopicArn=f"{UNLISTED}-{number}")
    first = (await client.get("/v1/quarantine", headers=operator, params={"limit": 2})).json()
    second = await _listed(client, operator, limit=2, before=first["next"])

    topics = [entry["topic_arn"] for entry in (*first["messages"], *second)]
    assert topics == [f"{UNLISTED}-{number}" for number in (2, 1, 0)]


async def test_a_message_is_let_in_once_its_topic_is_listed_and_starts_one_run(
    notify: Notify, client: httpx.AsyncClient, operator: Headers, parts: Gateway, sessions: Sessions
) -> None:
    await notify(EVENT, TopicArn=UNLISTED)
    [entry] = await _listed(client, operator)
    too_early = await _release(client, operator, entry["id"])
    parts.settings.sns.topics[UNLISTED] = TopicPolicy()
    released = await _release(client, operator, entry["id"])
    again = await _release(client, operator, entry["id"])

    assert too_early.status_code == 409
    assert too_early.json()["type"] == "urn:sluice:problem:still-refused"
    assert too_early.json()["reason"] == "topic-not-allowed"
    assert f"Topic {UNLISTED} is not on the allow-list" in too_early.json()["detail"]
    assert released.status_code == 200
    assert released.json()["outcome"] == "routed"
    assert again.json() == released.json()
    assert await _count(sessions, Run) == 1
    async with sessions() as session:
        audited = await session.scalars(select(AuditEntry).where(AuditEntry.action == "quarantine.released"))
        [trace] = audited.all()
    assert trace.actor.startswith("operator:")
    assert trace.detail["topic"] == UNLISTED


async def test_two_releases_at_once_are_one(
    notify: Notify, client: httpx.AsyncClient, operator: Headers, parts: Gateway, sessions: Sessions
) -> None:
    await notify(EVENT, TopicArn=UNLISTED)
    parts.settings.sns.topics[UNLISTED] = TopicPolicy()
    [entry] = await _listed(client, operator)
    answers = await asyncio.gather(*(_release(client, operator, entry["id"]) for _ in range(5)))

    assert [answer.json()["outcome"] for answer in answers] == ["routed"] * 5
    assert await _count(sessions, Notification) == 1
    assert await _count(sessions, Run) == 1


async def test_a_message_that_came_in_by_another_way_meanwhile_is_released_as_a_duplicate(
    notify: Notify, client: httpx.AsyncClient, operator: Headers, parts: Gateway, sessions: Sessions
) -> None:
    message_id = str(uuid.uuid4())
    await notify(EVENT, TopicArn=UNLISTED, MessageId=message_id)
    parts.settings.sns.topics[UNLISTED] = TopicPolicy()
    await notify(EVENT, TopicArn=UNLISTED, MessageId=message_id)
    [entry] = await _listed(client, operator)

    assert (await _release(client, operator, entry["id"])).json()["outcome"] == "duplicate"
    assert await _count(sessions, Run) == 1


async def test_a_message_that_was_too_old_is_let_in_since_an_operator_vouches_for_it(
    notify: Notify, client: httpx.AsyncClient, operator: Headers
) -> None:
    refused = await notify(EVENT, Timestamp=_ago(hours=5))
    [entry] = await _listed(client, operator)
    released = await _release(client, operator, entry["id"])

    assert refused.status_code == 403
    assert entry["reason"] == "message-too-old"
    assert released.json()["outcome"] == "routed"


async def test_a_message_is_verified_for_the_time_it_was_received_not_for_the_time_of_its_release(
    notify: Notify, client: httpx.AsyncClient, operator: Headers, parts: Gateway
) -> None:
    """The signer's certificate is valid for 30 days; by then, at AWS, it has been replaced."""
    await notify(EVENT, Timestamp=_ago(hours=5))
    [entry] = await _listed(client, operator)
    parts.now = lambda: datetime.now(UTC) + timedelta(days=60)

    assert (await _release(client, operator, entry["id"])).json()["outcome"] == "routed"


async def test_a_signature_version_too_low_stays_refused_until_the_topic_allows_it(
    client: httpx.AsyncClient, signer: Signer, operator: Headers, parts: Gateway
) -> None:
    parts.settings.sns.topics[TOPIC] = TopicPolicy(min_signature_version=2)
    await client.post("/v1/sns", content=signer.envelope(notification(EVENT), signature_version=1))
    [entry] = await _listed(client, operator)
    refused = await _release(client, operator, entry["id"])
    parts.settings.sns.topics[TOPIC] = TopicPolicy()
    released = await _release(client, operator, entry["id"])

    assert refused.status_code == 409
    assert refused.json()["reason"] == "signature-version-too-low"
    assert released.json()["outcome"] == "routed"


async def test_what_cannot_be_read_cannot_be_released(
    notify: Notify, client: httpx.AsyncClient, operator: Headers, sessions: Sessions
) -> None:
    await notify(s3_event("jane%FF"))
    [entry] = await _listed(client, operator)
    refused = await _release(client, operator, entry["id"])

    assert entry["reason"] == "malformed"
    assert refused.status_code == 409
    assert refused.json()["reason"] == "malformed"
    assert "jane" not in refused.text
    assert await _count(sessions, Notification) == 0


async def test_what_was_changed_in_the_database_does_not_verify(
    notify: Notify, client: httpx.AsyncClient, operator: Headers, sessions: Sessions
) -> None:
    await notify(EVENT, Timestamp=_ago(hours=5))
    async with sessions.begin() as session:
        kept = await session.scalar(select(QuarantinedMessage))
        assert kept is not None
        kept.envelope = kept.envelope.replace("A-1", "A-2")
    [entry] = await _listed(client, operator)
    refused = await _release(client, operator, entry["id"])

    assert refused.status_code == 409
    assert refused.json()["reason"] == "signature-invalid"


async def test_a_confirmation_is_carried_out_when_it_is_released(
    client: httpx.AsyncClient, signer: Signer, operator: Headers, parts: Gateway, sns_api: SnsApi
) -> None:
    await client.post("/v1/sns", content=signer.envelope(confirmation(TopicArn=UNLISTED)))
    assert sns_api.calls == [], "nothing is confirmed for a topic that is not listed"
    [entry] = await _listed(client, operator)
    parts.settings.sns.topics[UNLISTED] = TopicPolicy()

    assert (await _release(client, operator, entry["id"])).json()["outcome"] == "confirmed"
    assert [call["TopicArn"] for call in sns_api.calls] == [UNLISTED]


async def test_what_is_not_there_is_not_found(client: httpx.AsyncClient, operator: Headers) -> None:
    assert (await _release(client, operator, str(uuid.uuid4()))).status_code == 404


async def test_the_quarantine_is_for_operators(
    client: httpx.AsyncClient, loan_app: Headers, underwriter: Headers
) -> None:
    for headers in (loan_app, underwriter):
        assert (await client.get("/v1/quarantine", headers=headers)).status_code == 403
        assert (await _release(client, headers, str(uuid.uuid4()))).status_code == 403


async def test_a_refused_message_is_kept_once_however_often_it_is_sent(
    notify: Notify, sessions: Sessions
) -> None:
    message_id = str(uuid.uuid4())
    for _ in range(3):
        await notify(EVENT, TopicArn=UNLISTED, MessageId=message_id)
    assert await _count(sessions, QuarantinedMessage) == 1


async def test_a_replay_of_what_we_took_is_refused_and_not_kept(
    client: httpx.AsyncClient, signer: Signer, parts: Gateway, sessions: Sessions
) -> None:
    recorded = signer.envelope(notification(EVENT))
    taken = await client.post("/v1/sns", content=recorded)
    parts.now = lambda: datetime.now(UTC) + timedelta(hours=2)
    replayed = await client.post("/v1/sns", content=recorded)

    assert taken.status_code == 200
    assert replayed.json()["type"] == "urn:sluice:problem:message-too-old"
    assert await _count(sessions, QuarantinedMessage) == 0


class TestLimits:
    """Three messages at most, for a day, and two a minute of strangers."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        limits = QuarantineSettings(max_messages=3, max_age_days=1, unlisted_per_minute=100)
        return settings.model_copy(update={"quarantine": limits})

    async def _kept(self, sessions: Sessions) -> list[str]:
        async with sessions() as session:
            order = select(QuarantinedMessage.topic_arn).order_by(QuarantinedMessage.id)
            return [topic.rpartition(":")[2] for topic in await session.scalars(order)]

    async def test_the_oldest_makes_room_and_that_is_counted(
        self, notify: Notify, sessions: Sessions
    ) -> None:
        before = EVICTED._value.get()
        for number in range(5):
            await notify("x", TopicArn=f"arn:aws:sns:us-east-1:123456789012:t{number}")
        assert await self._kept(sessions) == ["t2", "t3", "t4"]
        assert EVICTED._value.get() == before + 2

    async def test_strangers_make_room_before_listed_topics(self, notify: Notify, sessions: Sessions) -> None:
        await notify(s3_event("%FF"))
        for number in range(4):
            await notify("x", TopicArn=f"arn:aws:sns:us-east-1:999999999999:t{number}")
        assert await self._kept(sessions) == ["uploads", "t2", "t3"]

    async def test_an_account_that_makes_noise_pushes_out_its_own_messages(
        self, notify: Notify, sessions: Sessions
    ) -> None:
        await notify("x", TopicArn="arn:aws:sns:us-east-1:111111111111:quiet")
        for number in range(6):
            await notify("x", TopicArn=f"arn:aws:sns:us-east-1:999999999999:t{number}")
        assert await self._kept(sessions) == ["quiet", "t4", "t5"]

    async def test_what_was_released_makes_room_first(
        self, notify: Notify, client: httpx.AsyncClient, operator: Headers, sessions: Sessions
    ) -> None:
        await notify("x", TopicArn="arn:aws:sns:us-east-1:111111111111:first")
        await notify(EVENT, Timestamp=_ago(hours=5))
        [released, _] = await _listed(client, operator)
        await _release(client, operator, released["id"])
        for number in range(2):
            await notify("x", TopicArn=f"arn:aws:sns:us-east-1:222222222222:t{number}")
        assert await self._kept(sessions) == ["first", "t0", "t1"]

    async def test_what_is_older_than_the_limit_goes(
        self, notify: Notify, parts: Gateway, sessions: Sessions
    ) -> None:
        await notify("x", TopicArn=f"{UNLISTED}-old")
        parts.now = lambda: datetime.now(UTC) + timedelta(days=1, seconds=1)
        await notify("x", TopicArn=f"{UNLISTED}-new")
        assert await self._kept(sessions) == ["not-listed-yet-new"]

    async def test_only_so_many_strangers_are_looked_at_in_a_minute(
        self, notify: Notify, parts: Gateway, sessions: Sessions
    ) -> None:
        parts.strangers._per_minute = 2
        answers = [await notify("x", TopicArn=f"{UNLISTED}-{number}") for number in range(4)]
        listed = await notify(s3_event("%FF"))

        assert {answer.status_code for answer in answers} == {403}
        assert await self._kept(sessions) == ["not-listed-yet-0", "not-listed-yet-1", "uploads"]
        assert listed.status_code == 400


async def test_the_certificate_of_an_unlisted_topic_cannot_be_had_and_sns_is_not_asked_to_try_again(
    client: httpx.AsyncClient, signer: Signer, sessions: Sessions
) -> None:
    signed = signer.envelope(notification(EVENT, TopicArn=UNLISTED))
    nothing_there = b"/SimpleNotificationService-" + b"0" * 32 + b".pem"
    path = signer.certificate_path.encode()
    answer = await client.post("/v1/sns", content=signed.replace(path, nothing_there))

    assert answer.status_code == 403
    assert await _count(sessions, QuarantinedMessage) == 0


async def _sluice(settings: Settings, *words: str, topics: str = TOPIC) -> tuple[int | None, str]:
    environment = {
        "SLUICE_DATABASE_URL": settings.database.url.get_secret_value(),
        "SLUICE_SNS_TOPICS": topics,
        "SLUICE_SNS_EXTRA_CERTIFICATE_ORIGINS": json.dumps(settings.sns.extra_certificate_origins),
    }
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).parent / "sluice",
        *words,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


async def test_the_command_line_lists_and_releases(
    notify: Notify, settings: Settings, client: httpx.AsyncClient, operator: Headers, sessions: Sessions
) -> None:
    await notify(EVENT, TopicArn=UNLISTED)
    [entry] = await _listed(client, operator)
    listed = await _sluice(settings, "quarantine", "list")
    refused = await _sluice(settings, "quarantine", "release", entry["id"])
    released = await _sluice(settings, "quarantine", "release", entry["id"], topics=UNLISTED)

    assert listed[0] == 0
    assert entry["id"] in listed[1]
    assert "topic-not-allowed" in listed[1]
    assert "applications/A-1" not in listed[1]
    assert refused[0] == 1
    assert "SLUICE_SNS_TOPICS" in refused[1]
    assert released[0] == 0, released[1]
    assert "routed" in released[1]
    async with sessions() as session:
        assert await session.scalar(select(Notification.outcome)) is NotificationOutcome.ROUTED
