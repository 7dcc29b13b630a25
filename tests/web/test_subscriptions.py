"""Subscriptions: confirmed by asking SNS, once; and what happens when somebody ends one."""

from __future__ import annotations

import logging

import httpx
import pytest
from sqlalchemy import select, text

from app.db import Sessions
from app.dev.sns_signing import Signer
from app.models import AuditEntry, Notification
from app.settings import Settings
from tests.web.conftest import TOPIC, SnsApi, confirmation


async def test_a_subscription_is_confirmed_so_that_only_its_owner_can_end_it(
    client: httpx.AsyncClient, signer: Signer, sns_api: SnsApi, sessions: Sessions
) -> None:
    answer = await client.post("/v1/sns", content=signer.envelope(confirmation()))

    assert answer.json() == {"outcome": "confirmed"}
    [call] = sns_api.calls
    assert (call["TopicArn"], call["Token"]) == (TOPIC, "the-token")
    assert call["AuthenticateOnUnsubscribe"] == "true"
    async with sessions() as session:
        audited = await session.scalar(
            select(AuditEntry).where(AuditEntry.action == "notification.confirmed")
        )
    assert audited is not None
    assert audited.detail == {"topic": TOPIC, "subscription": f"{TOPIC}:b24e11a2"}


async def test_a_confirmation_that_is_sent_again_is_recorded_once_and_not_asked_for_again(
    client: httpx.AsyncClient, signer: Signer, sns_api: SnsApi, sessions: Sessions
) -> None:
    signed = signer.envelope(confirmation())
    await client.post("/v1/sns", content=signed)
    again = await client.post("/v1/sns", content=signed)

    assert again.status_code == 200
    assert again.json() == {"outcome": "duplicate"}
    assert len(sns_api.calls) == 1
    async with sessions() as session:
        assert len((await session.scalars(select(Notification))).all()) == 1


class TestCutOff:
    """SNS has confirmed, and we do not get to write it down."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        impatient = settings.database.model_copy(update={"statement_timeout_seconds": 0.5})
        return settings.model_copy(update={"database": impatient})

    @pytest.mark.parametrize(("error", "outcome"), [(None, "confirmed"), ("InvalidParameter", "unconfirmed")])
    async def test_the_next_attempt_is_recorded_whether_sns_takes_the_token_again_or_not(
        self,
        client: httpx.AsyncClient,
        signer: Signer,
        sns_api: SnsApi,
        sessions: Sessions,
        *,
        error: str | None,
        outcome: str,
    ) -> None:
        signed = signer.envelope(confirmation())
        async with sessions.begin() as session:
            await session.execute(text("LOCK TABLE notifications IN EXCLUSIVE MODE"))
            cut_off = await client.post("/v1/sns", content=signed)
        sns_api.error = error
        again = await client.post("/v1/sns", content=signed)

        assert cut_off.status_code == 503
        assert again.status_code == 200
        assert again.json() == {"outcome": outcome}
        assert len(sns_api.calls) == 2


async def test_a_subscription_that_was_ended_is_an_alarm_and_nothing_is_followed(
    client: httpx.AsyncClient,
    signer: Signer,
    sns_api: SnsApi,
    sessions: Sessions,
    caplog: pytest.LogCaptureFixture,
) -> None:
    answer = await client.post(
        "/v1/sns", content=signer.envelope(confirmation(Type="UnsubscribeConfirmation"))
    )
    metrics = (await client.get("/metrics")).text

    assert answer.json() == {"outcome": "unsubscribed"}
    assert sns_api.calls == []
    assert 'sluice_notifications_total{outcome="unsubscribed"}' in metrics
    async with sessions() as session:
        audited = await session.scalar(select(AuditEntry.action))
    assert audited == "notification.unsubscribed"
    [alarm] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert TOPIC in alarm.getMessage()
    assert "the-token" not in caplog.text
