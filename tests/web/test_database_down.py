"""The gateway while its own database is down: nothing is acknowledged, nothing is lost."""

from __future__ import annotations

import asyncio
import signal
import uuid
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import func, make_url, select, text

from app import migrate
from app.db import Sessions
from app.dev.postgres import EmbeddedPostgres
from app.dev.sns_signing import Signer
from app.main import create_app
from app.models import Run
from app.settings import DatabaseSettings, Settings
from tests.faults.proxy import Proxy
from tests.web.conftest import Notify, notification, s3_event


@pytest.fixture
def server() -> Iterator[EmbeddedPostgres]:
    """A server of its own, that can be stopped without disturbing other tests."""
    with EmbeddedPostgres() as server:
        yield server


@pytest.fixture
def database(server: EmbeddedPostgres) -> DatabaseSettings:
    server.create_database("sluice")
    settings = DatabaseSettings(url=SecretStr(server.url("sluice")))
    migrate.upgrade(settings)
    return settings


async def test_a_notification_is_answered_503_and_taken_when_it_is_sent_again(
    notify: Notify, client: httpx.AsyncClient, sessions: Sessions, server: EmbeddedPostgres
) -> None:
    message_id = str(uuid.uuid4())
    message = s3_event("applications/A-1/license-front/front.jpg")
    server.process.stop(with_signal=signal.SIGINT)
    refused = await notify(message, MessageId=message_id)
    alive = await client.get("/livez")
    ready = await client.get("/readyz")
    server.restart()
    accepted = await notify(message, MessageId=message_id)

    assert refused.status_code == 503
    assert refused.json()["type"] == "urn:sluice:problem:database-unavailable"
    assert int(refused.headers["retry-after"]) > 0
    assert alive.status_code == 200
    assert ready.status_code == 503
    assert ready.json()["checks"]["database"].startswith("unavailable")
    assert accepted.status_code == 200
    async with sessions() as session:
        assert await session.scalar(select(func.count()).select_from(Run)) == 1


@pytest.fixture
async def proxy(database: DatabaseSettings) -> AsyncIterator[Proxy]:
    port = make_url(database.url.get_secret_value()).port
    assert port is not None
    async with Proxy(port) as proxy:
        yield proxy


@pytest.fixture
async def behind_proxy(settings: Settings, proxy: Proxy) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a gateway whose connections to the database go through the proxy."""
    url = make_url(settings.database.url.get_secret_value()).set(port=proxy.port)
    database = DatabaseSettings(
        url=SecretStr(url.render_as_string(hide_password=False)), statement_timeout_seconds=0.5
    )
    app = create_app(settings.model_copy(update={"database": database}))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://sluice") as client,
    ):
        yield client


@pytest.mark.parametrize("locked", [None, "runs"], ids=["between transactions", "within one"])
async def test_a_server_that_is_gone_without_a_word_is_given_up_and_its_successor_asked(
    behind_proxy: httpx.AsyncClient, proxy: Proxy, signer: Signer, sessions: Sessions, locked: str | None
) -> None:
    """A host that lost its power or its network closes no connection."""

    async def send(number: int) -> httpx.Response:
        message = s3_event(f"applications/A-{number}/license-front/front.jpg")
        async with asyncio.timeout(8):
            return await behind_proxy.post("/v1/sns", content=signer.envelope(notification(message)))

    assert (await send(1)).status_code == 200
    async with sessions.begin() as session:
        if locked:
            await session.execute(text(f"LOCK TABLE {locked} IN EXCLUSIVE MODE"))
        sending = asyncio.create_task(send(2))
        if locked:
            await _waits_for_a_lock(sessions)
        proxy.abandon()
        refused = await sending
    healed = [await send(number) for number in (2, 3, 4)]

    assert refused.status_code == 503
    assert refused.json()["type"] == "urn:sluice:problem:database-unavailable"
    assert [answer.status_code for answer in healed] == [200, 200, 200]
    async with sessions() as session:
        assert await session.scalar(select(func.count()).select_from(Run)) == 4


async def test_a_message_that_a_migration_holds_up_is_answered_503(
    behind_proxy: httpx.AsyncClient, signer: Signer, sessions: Sessions
) -> None:
    message = s3_event("applications/A-1/license-front/front.jpg")
    async with sessions.begin() as session:
        await session.execute(text("LOCK TABLE runs IN ACCESS EXCLUSIVE MODE"))
        refused = await behind_proxy.post("/v1/sns", content=signer.envelope(notification(message)))
    taken = await behind_proxy.post("/v1/sns", content=signer.envelope(notification(message)))

    assert refused.status_code == 503
    assert refused.json()["type"] == "urn:sluice:problem:database-unavailable"
    assert taken.status_code == 200


async def test_a_standby_is_left_as_soon_as_there_is_a_primary_again(
    notify: Notify, client: httpx.AsyncClient, sessions: Sessions
) -> None:
    """After a failover the host's name may lead to a server that takes no writes, for a while."""

    async def send(number: int) -> httpx.Response:
        return await notify(s3_event(f"applications/A-{number}/license-front/front.jpg"))

    async def let_writes(state: str) -> None:
        async with sessions.begin() as session:
            await session.execute(text("SET TRANSACTION READ WRITE"))
            await session.execute(text(f"ALTER DATABASE sluice SET default_transaction_read_only = {state}"))

    await let_writes("on")
    others = "FROM pg_stat_activity WHERE application_name = 'sluice' AND pid <> pg_backend_pid()"
    async with sessions() as session:
        await session.execute(text(f"SELECT pg_terminate_backend(pid) {others}"))
    refused, ready, again = await send(1), await client.get("/readyz"), await send(1)
    await let_writes("off")
    accepted, ready_again = await send(1), await client.get("/readyz")

    assert ready.status_code == 503
    assert ready.json()["checks"]["database"] == "unavailable (ReadOnlySQLTransactionError)"
    for answer in (refused, again):
        assert answer.status_code == 503
        assert answer.json()["type"] == "urn:sluice:problem:database-unavailable"
    assert accepted.status_code == 200
    assert ready_again.json()["checks"]["database"] == "ok"


async def _waits_for_a_lock(sessions: Sessions) -> None:
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    async with sessions() as session, asyncio.timeout(5):
        while not await session.scalar(waiting):
            await session.rollback()
