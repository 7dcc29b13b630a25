"""What the faults are done to: the embedded stack, its parts apart and a proxy between each pair of them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import asyncpg
import httpx

from app.db import Sessions, create_engine, session_factory
from app.dev import orchestrator
from app.dev.orchestrator import PROJECT
from app.dev.process import Process
from app.dev.stack import DATABASE, Stack
from app.settings import DatabaseSettings
from tests.faults.drill_worker import WORK_POOL, WORK_POOL_TYPE
from tests.faults.proxy import Proxy

LEASE_SECONDS = 5
"""Shorter than by default, so that the runs of a dispatcher that died are rescued within 10 s."""

LINKS = (
    "sns-gateway",
    "gateway-postgresql",
    "dispatcher-postgresql",
    "follower-postgresql",
    "dispatcher-prefect",
    "follower-prefect",
    "worker-prefect",
    "prefect-postgresql",
)
TEST_NAME = "faults-test"
"""The test's own connections, by application_name."""


class Rig:
    """Gateway, two dispatchers, two followers, two workers: each a process, each behind a proxy.

    An async context manager. `held` keeps two faults from handling one part at the same time.
    """

    def __init__(self, folder: Path, *, retry_seconds: float) -> None:
        settings = {
            "SLUICE_ROUTES_FILE": str(Path(__file__).with_name("routes.toml")),
            "SLUICE_DISPATCHER_ENABLED": "false",
            "SLUICE_DISPATCHER_LEASE_SECONDS": str(LEASE_SECONDS),
            "SLUICE_PROJECTION_ENABLED": "false",
            "SLUICE_HTTP_SHUTDOWN_SECONDS": "8",  # as by default; the stack is in more of a hurry
            # Runs that lost their worker must not hold the places of others for the whole storm.
            "SLUICE_PROJECTION_STUCK_PENDING_SECONDS": "20",
            "SLUICE_PROJECTION_STUCK_RUNNING_SECONDS": "30",
            # Dead at once, or after its attempts, is what a drill must never become.
            "SLUICE_DISPATCHER_MAX_ATTEMPTS": "30",
        }
        self.stack = Stack(folder, settings=settings)
        self.stack.sns.retry_seconds = retry_seconds
        self.links = self._links()
        for part, changes in self._detours().items():
            part.env.update(changes)
        self.gateway, self.prefect, self.worker = self.stack.gateway, self.stack.prefect, self.stack.worker
        self.dispatchers: list[Process] = []
        self.followers: list[Process] = []
        self.drill_worker: Process | None = None
        self.ended_by_themselves: list[str] = []
        """Parts that nobody had asked to end. Ours must not; Prefect's are started again, as elsewhere."""
        self.groups: set[int] = set()
        """Every process group that was ever started."""
        self._locks: dict[str, asyncio.Lock] = {}
        self._cleanup = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as undo:
            for link in self.links.values():
                await undo.enter_async_context(link)
            await undo.enter_async_context(self.stack)
            [subscription] = self.stack.sns.subscriptions
            subscription.endpoint = f"http://127.0.0.1:{self.links['sns-gateway'].port}/v1/sns"
            undo.push_async_callback(self._stop_loops)
            await self._start_drills()
            self.dispatchers = [self._loop("dispatch", "dispatcher", copy) for copy in (1, 2)]
            self.followers = [self._loop("follow", "follower", copy) for copy in (1, 2)]
            for loop in (*self.dispatchers, *self.followers):
                await loop.up()
            engine = create_engine(
                DatabaseSettings(url=self.stack.settings["SLUICE_DATABASE_URL"]), application_name=TEST_NAME
            )
            undo.push_async_callback(engine.dispose)
            self.sessions: Sessions = session_factory(engine)
            self.http = await undo.enter_async_context(httpx.AsyncClient(trust_env=False, timeout=30))
            self._note_groups()
            self._cleanup = undo.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Stop everything; may be called twice."""
        self._note_groups()
        await self._cleanup.aclose()

    @property
    def ours(self) -> list[Process]:
        """The parts that must outlive every fault."""
        return [self.gateway, *self.dispatchers, *self.followers]

    @property
    def workers(self) -> list[Process]:
        return [self.worker, *([self.drill_worker] if self.drill_worker else [])]

    @property
    def prefect_api(self) -> str:
        return f"{self.stack.prefect_url}/api"

    @asynccontextmanager
    async def held(self, parts: Iterable[str]) -> AsyncIterator[None]:
        """Have these parts and links to oneself, so that what one fault breaks no other one mends."""
        async with AsyncExitStack() as locks:
            for part in sorted(parts):  # always in one order: nobody waits in a circle
                await locks.enter_async_context(self._locks.setdefault(part, asyncio.Lock()))
            yield

    @asynccontextmanager
    async def database(self, name: str = DATABASE) -> AsyncIterator[asyncpg.Connection[Any]]:
        """A connection of the test's own, past every proxy."""
        url = self.stack.postgres.url(name).replace("+asyncpg", "")
        connection = await asyncpg.connect(url, timeout=10, server_settings={"application_name": TEST_NAME})
        try:
            yield connection
        finally:
            await connection.close(timeout=5)

    async def start(self, process: Process, *, within: float = 90.0) -> None:
        """Start it and wait until it does its work. Meanwhile it may end and be started again, as Prefect's
        server is when it begins while its database is away."""
        process.start()
        async with asyncio.timeout(within):
            while process.ready is not None and not await process.ready():  # noqa: ASYNC110 (nobody tells)
                await asyncio.sleep(0.1)

    async def kill(self, process: Process) -> None:
        """SIGKILL to its whole group."""
        self._note_groups()
        await asyncio.to_thread(process.kill)

    async def terminate(self, process: Process, *, within: float) -> int:
        """SIGTERM, as a platform ends a process; returns its exit code. Raises PartFailed if it stays."""
        self._note_groups()
        process._stopping = True  # so that `supervised` leaves it alone
        os.kill(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + within
        while process.running:
            if time.monotonic() > deadline:
                raise process.failure(f"did not end within {within:.0f} s of SIGTERM")
            await asyncio.sleep(0.05)
        code = process._child.returncode if process._child else 0
        await asyncio.to_thread(process.kill)
        return int(code)

    @asynccontextmanager
    async def supervised(self) -> AsyncIterator[None]:
        """Start again, as any platform would, what ends by itself, and note that it did."""
        task = asyncio.create_task(self._supervise())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _supervise(self) -> None:
        while True:
            for process in (*self.ours, *self.workers, self.prefect):
                if process.crashed:
                    self.ended_by_themselves.append(process.name)
                    process.kill()
                    process.start()
            self._note_groups()
            await asyncio.sleep(0.5)

    def _links(self) -> dict[str, Proxy]:
        stack = self.stack
        targets = {
            "postgresql": stack.postgres.port,
            "prefect": int(stack.prefect_url.rpartition(":")[2]),
            "gateway": int(stack.gateway_url.rpartition(":")[2]),
        }
        return {name: Proxy(targets[name.partition("-")[2]]) for name in LINKS}

    def _postgres_by(self, link: str, database: str = DATABASE) -> str:
        postgres = self.stack.postgres
        return postgres.url(database).replace(f":{postgres.port}/", f":{self.links[link].port}/")

    def _prefect_by(self, link: str) -> str:
        return f"http://127.0.0.1:{self.links[link].port}/api"

    def _detours(self) -> dict[Process, dict[str, str]]:
        """What the stack's own parts are told in addition: mostly to go through the proxies."""
        stack = self.stack
        return {
            stack.gateway: {"SLUICE_DATABASE_URL": self._postgres_by("gateway-postgresql")},
            stack.worker: {"PREFECT_API_URL": self._prefect_by("worker-prefect")},
            stack.prefect: {
                # A killed worker's places under a deployment's concurrency limit come back after this time.
                "PREFECT_SERVER_CONCURRENCY_INITIAL_DEPLOYMENT_LEASE_DURATION": "30",
                "PREFECT_API_DATABASE_CONNECTION_URL": self._postgres_by(
                    "prefect-postgresql", orchestrator.DATABASE
                ),
            },
        }

    def _loop(self, command: str, part: str, copy: int) -> Process:
        detour = {
            "SLUICE_DATABASE_URL": self._postgres_by(f"{part}-postgresql"),
            "SLUICE_PREFECT_API_URL": self._prefect_by(f"{part}-prefect"),
        }
        return Process(
            f"{part} {copy}",
            [Path(sys.executable).with_name("sluice"), command],
            log=self.stack.folder.log(f"{part} {copy}"),
            env=self.stack.environment | detour,
            cwd=PROJECT,
        )

    async def _start_drills(self) -> None:
        """Their work pool, deployment and worker."""
        template = {
            "job_configuration": {"name": "{{ name }}"},
            "variables": {"type": "object", "properties": {"name": {"type": "string"}}},
        }
        pool = {"name": WORK_POOL, "type": WORK_POOL_TYPE, "base_job_template": template}
        async with httpx.AsyncClient(base_url=self.prefect_api, trust_env=False, timeout=30) as http:
            (await http.post("/work_pools/", json=pool)).raise_for_status()
            flow = (await http.post("/flows/", json={"name": "drill"})).raise_for_status().json()
            deployment = {"name": "default", "flow_id": flow["id"], "work_pool_name": WORK_POOL}
            deployment["entrypoint"] = "tests.faults.flows.drill"
            (await http.post("/deployments/", json=deployment)).raise_for_status()
        self.drill_worker = Process(
            "drill worker",
            [sys.executable, "-m", "tests.faults.drill_worker"],
            log=self.stack.folder.log("drill worker"),
            env=self.stack.environment
            | {
                "PREFECT_API_URL": self._prefect_by("worker-prefect"),
                # The server is the narrow place, and storing every line of a drill is half of its work.
                "PREFECT_LOGGING_TO_API_ENABLED": "false",
            },
            cwd=PROJECT,
        )
        self.drill_worker.start()

    async def _stop_loops(self) -> None:
        parts = [*self.dispatchers, *self.followers, *self.workers[1:]]
        await asyncio.gather(*(asyncio.to_thread(part.stop) for part in parts))

    def _note_groups(self) -> None:
        for process in (*self.ours, *self.workers, self.prefect, self.stack.aws, self.stack.postgres.process):
            try:
                self.groups.add(process.pid)
            except RuntimeError:
                continue  # never started
