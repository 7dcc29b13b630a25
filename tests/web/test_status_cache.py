"""What is answered from memory: without the database, and never something old."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import event, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from app import api_keys, changes
from app.db import Sessions
from app.models import ApiKey, Application, Role
from app.watchers import Snapshot, Watched
from app.web.deps import Gateway
from tests.web.conftest import Headers, Notify, s3_event

PATH = "/v1/applications/A-1"


@contextmanager
def statements(parts: Gateway) -> Iterator[list[str]]:
    """What the gateway's requests ask the database while the block runs."""
    engine: AsyncEngine = parts.sessions.kw["bind"]
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", note)


async def eventually(check: Callable[[], Awaitable[bool]], seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not await check():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


@pytest.fixture
async def known(client: httpx.AsyncClient, notify: Notify, loan_app: Headers, app: FastAPI) -> Headers:
    """The headers of a loan app that has just read the application, which the gateway remembers."""
    await notify(s3_event("applications/A-1/license-front/front.jpg"))
    parts: Gateway = app.state.gateway

    async def remembered() -> bool:
        await client.get(PATH, headers=loan_app)
        await asyncio.sleep(0.05)
        with statements(parts) as asked:
            await client.get(PATH, headers=loan_app)
        return not any("applications" in statement for statement in asked)

    await eventually(remembered)
    etag = (await client.get(PATH, headers=loan_app)).headers["etag"]
    return {**loan_app, "If-None-Match": etag}


async def change(sessions: Sessions) -> None:
    """What another process does."""
    async with sessions.begin() as session:
        await changes.application_changed(session, "A-1")


async def lost_connection(sessions: Sessions) -> None:
    """End the connection that listens."""
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sluice-listen'"
    async with sessions() as session:
        await session.execute(text(kill))


async def test_an_unchanged_status_costs_no_statement(
    client: httpx.AsyncClient, parts: Gateway, known: Headers
) -> None:
    with statements(parts) as asked:
        for _ in range(20):
            assert (await client.get(PATH, headers=known)).status_code == 304
        assert (await client.get(PATH, headers={**known, "If-None-Match": '"1"'})).status_code == 200
        waited = await client.get(PATH, headers={**known, "Prefer": "wait=1"})
        assert waited.status_code == 304
        assert waited.headers["preference-applied"] == "wait=1"

    assert asked == []


async def test_another_processes_change_is_seen(
    client: httpx.AsyncClient, sessions: Sessions, known: Headers
) -> None:
    headers = dict(known)

    async def seen() -> bool:
        return (await client.get(PATH, headers=headers)).status_code == 200

    for _ in range(10):
        await change(sessions)
        await eventually(seen, 1)
        headers["If-None-Match"] = (await client.get(PATH, headers=headers)).headers["etag"]
    async with sessions() as session:
        version = await session.scalar(select(Application.version))
    assert headers["If-None-Match"] == f'"{version}"'


async def test_what_this_process_has_changed_is_seen_at_once(
    client: httpx.AsyncClient, notify: Notify, known: Headers
) -> None:
    for number in range(10):
        await notify(s3_event(f"applications/A-1/license-front/{number}.jpg"))
        answer = await client.get(PATH, headers=known)
        assert answer.status_code == 200
        assert len(answer.json()["documents"]) == number + 2
        known = {**known, "If-None-Match": answer.headers["etag"]}


async def test_a_change_while_it_is_read_is_not_hidden_by_what_was_read(
    client: httpx.AsyncClient, parts: Gateway, sessions: Sessions, known: Headers
) -> None:
    """The status is read, changed and announced, and only then does the reader come to keep it."""
    read, go_on = asyncio.Event(), asyncio.Event()

    async def slowly() -> Snapshot:
        async with parts.sessions() as session:
            version = await session.scalar(select(Application.version))
        assert version is not None
        read.set()
        await go_on.wait()
        return Snapshot(version, b"{}")

    parts.watchers.forget("application:A-1")
    reading = asyncio.create_task(parts.watchers.read(Watched("application:A-1", slowly)))
    await read.wait()
    with parts.watchers.watching("application:A-1") as changed:
        await change(sessions)
        await asyncio.wait_for(changed.wait(), 5)
    go_on.set()
    old = await reading

    answer = await client.get(PATH, headers={**known, "If-None-Match": f'"{old.version}"'})
    assert answer.status_code == 200
    assert answer.headers["etag"] == f'"{old.version + 1}"'


async def test_while_nobody_listens_everything_is_read(
    client: httpx.AsyncClient, parts: Gateway, sessions: Sessions, known: Headers
) -> None:
    await lost_connection(sessions)

    async def lost() -> bool:
        with statements(parts) as asked:
            await client.get(PATH, headers=known)
        return bool(asked)

    await eventually(lost)
    # Silently, so that only reading can tell.
    async with sessions.begin() as session:
        await session.execute(update(Application).values(version=Application.version + 1))
    assert (await client.get(PATH, headers=known)).status_code == 200

    async def listens_again() -> bool:
        await client.get(PATH, headers=known)
        with statements(parts) as asked:
            await client.get(PATH, headers=known)
        return not asked

    await eventually(listens_again, 10)
    assert (await client.get(PATH, headers=known)).status_code == 200


async def test_a_long_poll_survives_the_loss_of_the_connection_that_listens(
    client: httpx.AsyncClient, sessions: Sessions, known: Headers
) -> None:
    waiting = asyncio.create_task(client.get(PATH, headers={**known, "Prefer": "wait=30"}))
    await asyncio.sleep(0.1)
    await lost_connection(sessions)
    await change(sessions)

    assert (await asyncio.wait_for(waiting, 10)).status_code == 200


@pytest.fixture
async def ended(sessions: Sessions, known: Headers) -> None:
    """The loan app's key is revoked by another process."""
    async with sessions.begin() as session:
        key_id = await session.scalar(select(ApiKey.id).where(ApiKey.role == Role.LOAN_APP))
        assert key_id is not None
        await api_keys.revoke(session, key_id)


@pytest.mark.usefixtures("ended")
async def test_a_revoked_key_is_refused_although_it_was_known(
    client: httpx.AsyncClient, known: Headers
) -> None:
    async def refused() -> bool:
        return (await client.get(PATH, headers=known)).status_code == 401

    await eventually(refused, 1)
