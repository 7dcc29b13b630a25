"""Every row of the table in docs/sns.md: which situation is answered how, and what is kept of it."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import func, select, text

from app.db import Sessions, create_engine, session_factory
from app.dev.process import free_port
from app.dev.sns_signing import Signer
from app.models import Notification, QuarantinedMessage
from app.settings import DatabaseSettings, HttpSettings, LimitSettings, Settings, TopicPolicy
from app.web.deps import Gateway
from tests.web.conftest import (
    TOPIC,
    SnsApi,
    confirmation,
    notification,
    s3_event,
    s3_events,
    s3_record,
)

KEY = "applications/A-1/license-front/front.jpg"
STRANGER = "arn:aws:sns:us-east-1:999999999999:stranger"
STRICT = "arn:aws:sns:us-east-1:123456789012:strict"
ROW = re.compile(r"\| ([^|]+) \| (\d{3}) \| `([^`]+)` \| ([^|]+) \| ([^|]+) \|")
ROWS = {
    situation: (int(status), says, sns, kept)
    for situation, status, says, sns, kept in ROW.findall(
        (Path(__file__).parents[2] / "docs/sns.md").read_text("utf-8")
    )
}
NOTHING, MESSAGE, QUARANTINED = (0, 0), (1, 0), (0, 1)
KEPT = {
    "nothing": NOTHING,
    "the message": MESSAGE,
    "the message, and what it caused": MESSAGE,
    "the message, in quarantine": QUARANTINED,
}


@dataclass
class World:
    """The gateway, who sends to it, and what is in its database."""

    client: httpx.AsyncClient
    parts: Gateway
    signer: Signer
    sns_api: SnsApi
    sessions: Sessions

    async def send(self, content: dict[str, str], **envelope: Any) -> httpx.Response:
        return await self.post(self.signer.envelope(content, **envelope))

    async def post(self, body: bytes, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.post("/v1/sns", content=body, headers=named)

    async def rows(self) -> tuple[int, int]:
        """How many notifications there are, and how many messages in quarantine."""
        async with self.sessions() as session:
            notifications = await session.scalar(select(func.count()).select_from(Notification))
            quarantined = await session.scalar(select(func.count()).select_from(QuarantinedMessage))
        return notifications or 0, quarantined or 0


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """One forgery in an hour from one address, and answers within three seconds."""
    limits = LimitSettings(sns_per_second=1 / 3600, sns_burst=1)
    http = HttpSettings(request_seconds=3)
    return settings.model_copy(update={"limit": limits, "http": http})


@pytest.fixture
def world(
    client: httpx.AsyncClient, parts: Gateway, signer: Signer, sns_api: SnsApi, sessions: Sessions
) -> World:
    return World(client, parts, signer, sns_api, sessions)


Case = Callable[[World], Awaitable[httpx.Response]]
CASES: dict[str, tuple[Case, Case | None]] = {}


def case(situation: str, *, after: Case | None = None) -> Callable[[Case], Case]:
    """Register what brings the situation about; `after` is done first and not counted."""

    def register(act: Case) -> Case:
        CASES[situation] = (act, after)
        return act

    return register


SENT_BEFORE = notification(s3_event(KEY))


@case("An event that a route matches")
async def _(world: World) -> httpx.Response:
    return await world.send(notification(s3_event(KEY)))


@case("A message that we have: SNS missed our answer", after=lambda world: world.send(SENT_BEFORE))
async def _(world: World) -> httpx.Response:
    return await world.send(SENT_BEFORE)


@case("Another message about an event that we have", after=lambda world: world.send(SENT_BEFORE))
async def _(world: World) -> httpx.Response:
    return await world.send(notification(s3_event(KEY)))


@case("A listed topic, but no route matches")
async def _(world: World) -> httpx.Response:
    return await world.send(notification("any text"))


@case("An object was removed")
async def _(world: World) -> httpx.Response:
    return await world.send(notification(s3_events(s3_record(KEY, event="ObjectRemoved:Delete"))))


@case("S3's test event")
async def _(world: World) -> httpx.Response:
    event = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-11-20T10:00:00.000Z"}
    return await world.send(notification(json.dumps({**event, "Bucket": "sluice-documents"})))


@case("A subscription asks to be confirmed")
async def _(world: World) -> httpx.Response:
    return await world.send(confirmation())


@case("The same, but SNS takes the token no more")
async def _(world: World) -> httpx.Response:
    world.sns_api.error = "InvalidParameter"
    return await world.send(confirmation())


@case("A subscription was ended")
async def _(world: World) -> httpx.Response:
    return await world.send(confirmation(Type="UnsubscribeConfirmation"))


@case("No SNS envelope, or a field out of form")
async def _(world: World) -> httpx.Response:
    return await world.send(notification("x", MessageId="not a UUID"))


@case("Raw message delivery")
async def _(world: World) -> httpx.Response:
    return await world.post(s3_event(KEY).encode(), x_amz_sns_rawdelivery="true")


@case("A header that contradicts the body")
async def _(world: World) -> httpx.Response:
    body = world.signer.envelope(notification(s3_event(KEY)))
    return await world.post(body, x_amz_sns_topic_arn=STRANGER)


@case("An S3 event that cannot be read")
async def _(world: World) -> httpx.Response:
    return await world.send(notification(s3_event("%FF")))


@case("Signed by anybody but SNS, or changed on the way")
async def _(world: World) -> httpx.Response:
    return await _forged(world)


@case("A certificate from anywhere but SNS")
async def _(world: World) -> httpx.Response:
    signed = world.signer.envelope(notification(s3_event(KEY)))
    origin = world.signer.certificate_url.removesuffix(world.signer.certificate_path)
    return await world.post(signed.replace(origin.encode(), b"https://sns.s3-us-west-2.amazonaws.com"))


@case("A topic that is not listed")
async def _(world: World) -> httpx.Response:
    return await world.send(notification(s3_event(KEY), TopicArn=STRANGER))


@case("The same, but not signed by SNS")
async def _(world: World) -> httpx.Response:
    signed = world.signer.envelope(notification(s3_event(KEY), TopicArn=STRANGER))
    return await world.post(signed.replace(b"applications/A-1/", b"applications/A-2/"))


@case("Older than its topic's limit")
async def _(world: World) -> httpx.Response:
    sent = datetime.now(UTC) - timedelta(seconds=3_905)
    timestamp = sent.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return await world.send(notification(s3_event(KEY), Timestamp=timestamp))


@case("Version 1 on a topic that demands 2")
async def _(world: World) -> httpx.Response:
    world.parts.settings.sns.topics[STRICT] = TopicPolicy(min_signature_version=2)
    return await world.send(notification(s3_event(KEY), TopicArn=STRICT), signature_version=1)


@case("A subscription to a topic that is gone")
async def _(world: World) -> httpx.Response:
    world.sns_api.error = "NotFound"
    return await world.send(confirmation())


@case("A body above the limit")
async def _(world: World) -> httpx.Response:
    return await world.post(b"x" * 2_000_000)


@case("A bug of ours")
async def _(world: World) -> httpx.Response:
    world.parts.routes = cast("Any", None)
    return await world.send(notification(s3_event(KEY)))


@case("SNS cannot be asked to confirm")
async def _(world: World) -> httpx.Response:
    world.sns_api.error = "InternalError"
    return await world.send(confirmation())


@case("The certificate cannot be fetched")
async def _(world: World) -> httpx.Response:
    signed = world.signer.envelope(notification(s3_event(KEY)))
    nothing_there = b"/SimpleNotificationService-" + b"0" * 32 + b".pem"
    return await world.post(signed.replace(world.signer.certificate_path.encode(), nothing_there))


@case("The database is down")
async def _(world: World) -> httpx.Response:
    url = f"postgresql+asyncpg://sluice@127.0.0.1:{free_port()}/sluice"
    engine = create_engine(DatabaseSettings(url=SecretStr(url)))
    world.parts.sessions = session_factory(engine)
    answer = await world.send(notification(s3_event(KEY)))
    await engine.dispose()
    return answer


@case("The gateway has closed its listener")
async def _(world: World) -> httpx.Response:
    world.parts.draining = True
    return await world.send(notification(s3_event(KEY)))


async def _forged(world: World) -> httpx.Response:
    signed = world.signer.envelope(notification(s3_event(KEY)))
    return await world.post(signed.replace(b"applications/A-1/", b"applications/A-2/"))


@case("Too much from an address that sent forgeries", after=_forged)
async def _(world: World) -> httpx.Response:
    return await world.send(notification(s3_event(KEY)))


@case("No answer of ours in time")
async def _(world: World) -> httpx.Response:
    async with world.sessions.begin() as session:
        await session.execute(text("LOCK TABLE notifications IN EXCLUSIVE MODE"))
        return await world.send(notification(s3_event(KEY)))


def test_the_table_and_the_tests_have_the_same_rows() -> None:
    assert list(ROWS) == list(CASES)


@pytest.mark.parametrize("situation", ROWS)
async def test_the_situation_is_answered_as_the_table_says(world: World, situation: str) -> None:
    status, says, sns, kept = ROWS[situation]
    act, after = CASES[situation]
    if after is not None:
        await after(world)
    before = await world.rows()

    answer = await act(world)

    assert answer.status_code == status, answer.text
    if status == 200:
        assert answer.json() == {"outcome": says}
    else:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["type"] == f"urn:sluice:problem:{says}"
    # What SNS makes of a status (SNS Developer Guide, "Amazon SNS message delivery retries").
    assert (sns == "tries again") == (status >= 500)
    assert (sns == "gives up") == (400 <= status < 500)
    assert ("retry-after" in answer.headers) == (status == 503)
    after_it = await world.rows()
    assert (after_it[0] - before[0], after_it[1] - before[1]) == KEPT[kept]
    assert TOPIC in world.parts.settings.sns.topics
