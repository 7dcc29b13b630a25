"""Event streams, over real connections to a gateway as `sluice serve` runs it."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import event, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app import api_keys, changes
from app.db import Sessions
from app.dev.process import free_port
from app.models import ApiKey, Application, Role, Run
from app.settings import EventsSettings, HttpSettings, Settings
from app.telemetry import STREAMS
from app.web.deps import Gateway
from app.web.server import Server
from tests.web.conftest import Headers, Notify, s3_event

PATH = "/v1/applications/A-1/events"
PER_KEY = 100


@pytest.fixture
def settings(settings: Settings) -> Settings:
    events = EventsSettings(heartbeat_seconds=0.3, max_streams_per_key=PER_KEY)
    return settings.model_copy(update={"events": events})


@dataclass
class Running:
    server: Server
    task: asyncio.Task[None]
    http: httpx.AsyncClient


@pytest.fixture
async def running(app: FastAPI) -> AsyncIterator[Running]:
    """The gateway with its port open, and a client of it."""
    settings = HttpSettings(port=free_port())
    server = Server(app, settings)
    server.config.lifespan = "off"  # the fixture `app` has begun it
    task = asyncio.create_task(server._serve())
    while not server.started:
        assert not task.done()
        await asyncio.sleep(0.01)
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{settings.port}", limits=limits, timeout=10
    ) as http:
        yield Running(server, task, http)
    server.should_exit = True
    await task


@dataclass
class Event:
    id: int
    kind: str
    state: dict[str, Any]


class Stream:
    """What a client makes of a stream's text (HTML Living Standard, section 9.2.6)."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.aiter_lines()
        self.heartbeats = 0
        self.retry: int | None = None

    async def next(self, seconds: float = 5) -> Event:
        """The next event. Raises StopAsyncIteration when the stream has ended."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(seconds):
            while True:
                line = await anext(self._lines)
                name, _, value = line.partition(": ")
                if line == "" and "data" in fields:
                    return Event(int(fields["id"]), fields["event"], json.loads(fields["data"]))
                if line.startswith(":"):
                    self.heartbeats += 1
                elif name == "retry":
                    self.retry = int(value)
                elif line:
                    fields[name] = value

    async def nothing(self, seconds: float = 0.5) -> None:
        with pytest.raises(TimeoutError):
            await self.next(seconds)

    async def end(self) -> None:
        """Read on until the gateway ends the stream."""
        async for _ in self._lines:
            pass


@asynccontextmanager
async def stream(running: Running, headers: Headers, path: str = PATH) -> AsyncIterator[Stream]:
    async with running.http.stream("GET", path, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        yield Stream(answer)


@pytest.fixture
async def uploaded(notify: Notify) -> None:
    await notify(s3_event("applications/A-1/license-front/front.jpg"))


async def change(sessions: Sessions) -> None:
    async with sessions.begin() as session:
        await changes.application_changed(session, "A-1")


async def version(sessions: Sessions) -> int:
    async with sessions() as session:
        return (await session.scalars(select(Application.version))).one()


@pytest.mark.usefixtures("uploaded")
async def test_a_stream_tells_the_present_state_and_each_later_one(
    running: Running, loan_app: Headers, sessions: Sessions
) -> None:
    status = (await running.http.get("/v1/applications/A-1", headers=loan_app)).json()
    async with stream(running, loan_app) as following:
        first = await following.next()
        assert (first.id, first.kind, first.state) == (status["version"], "application", status)
        for number in range(1, 4):
            await change(sessions)
            assert (await following.next(1)).id == first.id + number
        assert following.retry is not None


@pytest.mark.usefixtures("uploaded")
async def test_a_run_is_followed_likewise(running: Running, operator: Headers, sessions: Sessions) -> None:
    async with sessions() as session:
        run = (await session.scalars(select(Run))).one()
    async with stream(running, operator, f"/v1/runs/{run.id}/events") as following:
        first = await following.next()
        assert (first.kind, first.state["state"], first.state["place"]) == ("run", "ACCEPTED", 1)
        async with sessions.begin() as session:
            again = await session.get_one(Run, run.id)
            again.version += 1
            await changes.run_changed(session, run.id, run.application_id)
        assert (await following.next()).id == first.id + 1


@pytest.mark.usefixtures("uploaded")
async def test_a_stream_resumes_where_it_was_cut(
    running: Running, loan_app: Headers, sessions: Sessions
) -> None:
    now = await version(sessions)
    async with stream(running, {**loan_app, "Last-Event-ID": str(now)}) as following:
        await following.nothing()
        assert following.heartbeats > 0
        await change(sessions)
    async with stream(running, {**loan_app, "Last-Event-ID": str(now)}) as following:
        assert (await following.next(1)).id == now + 1
    async with stream(running, {**loan_app, "Last-Event-ID": "no number"}) as following:
        assert (await following.next(1)).id == now + 1


@pytest.mark.parametrize(
    ("path", "status"),
    [(PATH, 404), ("/v1/runs/01980000-0000-7000-8000-000000000000/events", 404), ("/v1/runs/7/events", 422)],
)
async def test_what_cannot_be_followed_is_a_problem(
    running: Running, loan_app: Headers, path: str, status: int
) -> None:
    answer = await running.http.get(path, headers=loan_app)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert STREAMS._value.get() == 0


@pytest.mark.usefixtures("uploaded")
async def test_many_watchers_hold_no_session_and_share_one_reading(
    running: Running, parts: Gateway, loan_app: Headers, sessions: Sessions
) -> None:
    engine: AsyncEngine = parts.sessions.kw["bind"]
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    async with AsyncExitStack() as stack:
        following = [await stack.enter_async_context(stream(running, loan_app)) for _ in range(PER_KEY)]
        before = {(await one.next()).id for one in following}
        assert STREAMS._value.get() == PER_KEY
        event.listen(engine.sync_engine, "before_cursor_execute", note)
        await change(sessions)
        after = {(await one.next(60)).id for one in following}
        event.remove(engine.sync_engine, "before_cursor_execute", note)
        sessions_held = re.findall(
            r"Current Checked out connections: (\d+)", engine.sync_engine.pool.status()
        )

        refused = await running.http.get(PATH, headers=loan_app)
        assert refused.status_code == 429
        assert refused.headers["retry-after"]

    assert len(before) == len(after) == 1
    assert max(after) == max(before) + 1
    assert len([statement for statement in asked if "FROM applications" in statement]) == 1
    # The background loops have one at times.
    assert int(sessions_held[0]) <= 2
    async with asyncio.timeout(5):
        while STREAMS._value.get():  # noqa: ASYNC110 (a gauge wakes nobody)
            await asyncio.sleep(0.01)


@pytest.mark.usefixtures("uploaded")
async def test_a_slow_client_is_told_the_latest_state_only(
    app: FastAPI, loan_app: Headers, sessions: Sessions
) -> None:
    """As the server does for a client that does not read, `send` blocks."""
    sent: list[bytes] = []
    reads, gone = asyncio.Event(), asyncio.Event()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body" and b"data:" in message["body"]:
            sent.append(message["body"])
            await reads.wait()

    async def receive() -> Any:
        await gone.wait()
        return {"type": "http.disconnect"}

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "path": PATH,
        "raw_path": PATH.encode(),
        "query_string": b"",
        "headers": [(b"authorization", loan_app["Authorization"].encode())],
        "client": ("127.0.0.1", 1),
        "server": ("sluice", 80),
        "scheme": "http",
        "state": {},
    }
    task = asyncio.create_task(app(scope, receive, send))
    async with asyncio.timeout(10):
        while not sent:  # noqa: ASYNC110 (the gateway wakes nobody here)
            await asyncio.sleep(0.01)
        for _ in range(50):
            await change(sessions)
        await asyncio.sleep(0.2)
        reads.set()
        await asyncio.sleep(0.2)
        gone.set()
        await task

    assert len(sent) == 2
    assert sent[-1].startswith(b"id: %d\n" % await version(sessions))


@pytest.mark.usefixtures("uploaded")
async def test_a_stream_outlives_the_connection_that_listens(
    running: Running, loan_app: Headers, sessions: Sessions
) -> None:
    async with stream(running, loan_app) as following:
        first = await following.next()
        async with sessions() as session:
            kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = :name"
            await session.execute(text(kill), {"name": "sluice-listen"})
        await change(sessions)
        assert (await following.next(10)).id == first.id + 1


@pytest.mark.usefixtures("uploaded")
async def test_a_stream_ends_with_its_key(running: Running, loan_app: Headers, sessions: Sessions) -> None:
    async with stream(running, loan_app) as following:
        await following.next()
        async with sessions.begin() as session:
            key_id = (await session.scalars(select(ApiKey.id).where(ApiKey.role == Role.LOAN_APP))).one()
            await api_keys.revoke(session, key_id)
        await following.end()


@pytest.mark.usefixtures("uploaded")
async def test_streams_and_long_polls_end_at_once_when_the_gateway_is_asked_to(
    running: Running, loan_app: Headers
) -> None:
    status = await running.http.get("/v1/applications/A-1", headers=loan_app)
    known = {**loan_app, "If-None-Match": status.headers["etag"], "Prefer": "wait=30"}
    waiting = asyncio.create_task(running.http.get("/v1/applications/A-1", headers=known))
    async with stream(running, loan_app) as following:
        await following.next()
        async with asyncio.timeout(30):
            while len(running.server.server_state.tasks) < 2:  # until the long poll has come in as well
                assert not waiting.done()
                await asyncio.sleep(0.01)
        running.server.handle_exit(signal.SIGTERM, None)
        async with asyncio.timeout(2):
            await following.end()
            assert (await waiting).status_code == 304
            await running.task
