"""The whole of Sluice on one machine, from real parts where they can be had and stand-ins for AWS.

Every start is fresh: PostgreSQL's data is temporary, and logs, mail and Prefect's home lie in one folder
that is emptied first. Everything listens on 127.0.0.1 and on ports that were free.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self, TypeVar

import httpx
from pydantic import SecretStr

from app import api_keys, db, encryption
from app.dev import bucket, orchestrator
from app.dev.folder import Folder
from app.dev.mail import MailSink
from app.dev.postgres import EmbeddedPostgres
from app.dev.process import PartFailed, Process, free_port
from app.dev.sns import TOPIC_ARN, SnsStandIn
from app.dev.underwriter import Rule, Underwriter
from app.models import Role
from app.settings import DatabaseSettings
from app.standard_webhooks import new_secret

Value = TypeVar("Value")

DATABASE = "sluice"
BUCKET = "sluice-documents"


class Stack:
    """An async context manager; `start` and `stop` may also be called by hand, once each.

    The parts that are processes (`gateway`, `worker`, `prefect`, `aws`) can be killed, stopped and brought
    `up` again one by one, on the same ports and with a changed `env`. `postgres` can be restarted, `sns`
    told to hold or repeat, `mail` asked what came.
    """

    def __init__(
        self,
        folder: Path = Path(".sluice"),
        *,
        rule: Rule | None = None,
        settings: Mapping[str, str] | None = None,
        on_ready: Callable[[str, float], object] = lambda _part, _seconds: None,
    ) -> None:
        """With a `rule` documents are handed to an underwriting tool that decides by it; without one, they
        wait for a person. `settings` are further `SLUICE_…` variables. `on_ready` hears of each part that is
        ready, and after how many seconds.
        """
        self.folder = Folder(folder)
        self.postgres = EmbeddedPostgres(log=self.folder.log("postgresql"))
        self.sns = SnsStandIn(free_port())
        self.mail = MailSink(free_port(), self.folder.mail)
        self.gateway_url, self.prefect_url, self.aws_url = (
            f"http://127.0.0.1:{free_port()}" for _ in range(3)
        )
        self.decision_secret = new_secret()
        self.underwriter = Underwriter(
            free_port(), self.gateway_url, self.decision_secret, rule=rule or (lambda _handover: None)
        )
        self._has_underwriter = rule is not None
        self.settings = self._own_settings() | dict(settings or {})
        """The `SLUICE_…` variables of the gateway and the flows."""
        self._http = httpx.AsyncClient(trust_env=False, timeout=5)
        self._on_ready = on_ready
        self._began = 0.0
        self._background: list[asyncio.Task[None]] = []
        self._cleanup = ExitStack()
        self._orchestrator = orchestrator.Orchestrator(
            self.prefect_url,
            self.postgres.url(orchestrator.DATABASE),
            folder=self.folder,
            env=self.environment,
            http=self._http,
        )
        self.prefect = self._orchestrator.server
        self.worker = self._orchestrator.worker
        sluice = Path(sys.executable).with_name("sluice")
        self._migration = self._process("migrations", sluice, "migrate")
        self.gateway = self._process("gateway", sluice, "serve", ready=f"{self.gateway_url}/readyz")
        host, port = self.aws_url.removeprefix("http://").split(":")
        self.aws = self._process(
            "S3 stand-in",
            *(sys.executable, "-m", "moto.server", "-H", host, "-p", port),
            ready=f"{self.aws_url}/moto-api/data.json",
        )

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment of a process that belongs to the stack.

        Of the developer's own, nothing that could lead to a real Prefect, AWS or Sluice is passed on.
        """
        foreign = ("AWS_", "PREFECT_", "SLUICE_", "PYTHONDONTWRITEBYTECODE")
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(foreign)},
            "PYTHONUNBUFFERED": "1",  # so that the log of a killed process is complete
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            # Prefect's worker would share /tmp/runner_storage with other users, and be refused.
            "TMPDIR": str(self.folder.temporary),
            **bucket.CREDENTIALS,
            **orchestrator.environment(self.folder.prefect_home, f"{self.prefect_url}/api"),
            **self.settings,
        }

    async def start(self) -> None:
        """Start every part, as much at once as their order allows.

        Raises `PartFailed` naming the part that did not come up, with everything stopped again.
        """
        self._began = time.monotonic()
        try:
            self._cleanup.enter_context(self.folder.claimed())
            self._orchestrator.start()
            async with asyncio.TaskGroup() as group:
                uploads = group.create_task(self._start_uploads())
                group.create_task(self._start_stand_ins())
                group.create_task(self._start_databases())
            await self._connect_uploads(uploads.result())
        except BaseException as error:
            await self.stop()
            raise _first(error) from None

    async def stop(self) -> None:
        """Stop every part, within ten seconds, and leave no process behind."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await asyncio.gather(*(_in_thread(process.stop) for process in self._processes))
        await _in_thread(self.postgres.stop)
        await self.mail.stop()
        await self._http.aclose()
        self._cleanup.close()

    async def watch(self) -> NoReturn:
        """Wait until a part ends by itself, then raise the `PartFailed` that names it."""
        while True:
            for process in (self.postgres.process, *self._processes):
                process.check_alive()
            for task in self._background:
                if task.done():
                    error = task.exception()
                    raise PartFailed(task.get_name(), f"ended ({error and _first(error)!r})") from error
            if self.underwriter.refused:
                raise PartFailed("underwriting tool", f"was refused ({self.underwriter.refused[0]})")
            await asyncio.sleep(0.2)

    async def create_key(self, role: Role, label: str) -> str:
        """Make an API key, as `sluice keys create` does."""
        engine = db.create_engine(DatabaseSettings(url=SecretStr(self.settings["SLUICE_DATABASE_URL"])))
        try:
            async with db.session_factory(engine).begin() as session:
                return await api_keys.create(session, role=role, label=label)
        finally:
            await engine.dispose()

    @property
    def _processes(self) -> list[Process]:
        return [
            self.gateway,
            self.worker,
            self.prefect,
            self.aws,
            self._migration,
            self._orchestrator.deployments,
        ]

    async def _start_databases(self) -> None:
        await _in_thread(self._create_databases)
        self._ready("PostgreSQL")
        async with asyncio.TaskGroup() as group:
            group.create_task(self._start_prefect())
            group.create_task(self._start_gateway())

    def _create_databases(self) -> None:
        self.postgres.start()
        self.postgres.create_database(DATABASE)
        orchestrator.create_database(self.postgres)

    async def _start_prefect(self) -> None:
        await self._orchestrator.serve(self.postgres)
        self._ready("Prefect server")
        async with asyncio.TaskGroup() as group:
            group.create_task(self._start_worker())
            group.create_task(self._deploy())

    async def _start_worker(self) -> None:
        await self.worker.until_ready()
        self._ready("worker")

    async def _deploy(self) -> None:
        await self._orchestrator.deployments.finish()
        self._ready("deployments")

    async def _start_gateway(self) -> None:
        self._migration.start()
        await self._migration.finish()
        self._ready("migrations")
        await self.gateway.up()
        self._ready("gateway")

    async def _start_stand_ins(self) -> None:
        await self.mail.start()
        self._ready("mail sink")
        stand_ins = {"SNS stand-in": self.sns.run}
        if self._has_underwriter:
            stand_ins["underwriting tool"] = self.underwriter.run
        for name, run in stand_ins.items():
            listening = asyncio.Event()
            self._in_background(name, run(listening))
            await listening.wait()
            self._ready(name)

    async def _start_uploads(self) -> str:
        """Start S3; returns the URL of the queue that gets the bucket's events."""
        await self.aws.up()
        queue_url = await _in_thread(lambda: bucket.create_bucket(self.aws_url, BUCKET))
        self._ready("S3 stand-in")
        return queue_url

    async def _connect_uploads(self, queue_url: str) -> None:
        """Subscribe the gateway, and let events flow once it has confirmed."""
        subscription = self.sns.subscribe(f"{self.gateway_url}/v1/sns")
        try:
            async with asyncio.timeout(20):
                await subscription.confirmed.wait()
        except TimeoutError:
            statuses = [delivery.status for delivery in self.sns.deliveries]
            raise self.gateway.failure(
                f"did not confirm its SNS subscription (it answered {statuses})"
            ) from None
        forwarding = bucket.forward_events(self.aws_url, queue_url, self.sns.publish)
        self._in_background("S3 events", forwarding)
        self._ready("SNS subscription")

    def _own_settings(self) -> dict[str, str]:
        underwriting = {
            "SLUICE_UNDERWRITING_URL": self.underwriter.url,
            "SLUICE_UNDERWRITING_WEBHOOK_SECRET": self.underwriter.secret,
        }
        return {
            **(underwriting if self._has_underwriter else {}),
            "SLUICE_HTTP_HOST": "127.0.0.1",
            "SLUICE_HTTP_PORT": self.gateway_url.rpartition(":")[2],
            "SLUICE_HTTP_SHUTDOWN_SECONDS": "3",
            "SLUICE_DATABASE_URL": self.postgres.url(DATABASE),
            "SLUICE_SNS_TOPICS": TOPIC_ARN,
            "SLUICE_SNS_EXTRA_CERTIFICATE_ORIGINS": self.sns.origin,
            "SLUICE_SNS_ENDPOINT_URL": self.sns.origin,
            "SLUICE_S3_BUCKET": BUCKET,
            "SLUICE_S3_REGION": bucket.REGION,
            "SLUICE_S3_ENDPOINT_URL": self.aws_url,
            "SLUICE_PREFECT_API_URL": f"{self.prefect_url}/api",
            "SLUICE_DECISIONS_WEBHOOK_SECRETS": self.decision_secret,
            "SLUICE_MAIL_SMTP_HOST": "127.0.0.1",
            "SLUICE_MAIL_SMTP_PORT": str(self.mail.port),
            "SLUICE_ENCRYPTION_KEYS": encryption.new_key("development"),
            "SLUICE_FINGERPRINT_KEYS": encryption.new_key("development"),
            "SLUICE_LOG_FORMAT": "json",
        }

    def _process(self, name: str, *command: str | Path, ready: str | None = None) -> Process:
        """A part that is ready when the URL `ready` answers 200."""

        async def answers() -> bool:
            try:
                return (await self._http.get(ready or "")).status_code == httpx.codes.OK
            except httpx.HTTPError:
                return False

        return Process(
            name,
            command,
            log=self.folder.log(name),
            env=self.environment,
            cwd=orchestrator.PROJECT,
            ready=answers if ready else None,
        )

    def _in_background(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        self._background.append(asyncio.create_task(work, name=name))

    def _ready(self, part: str) -> None:
        self._on_ready(part, time.monotonic() - self._began)


async def _in_thread(function: Callable[[], Value]) -> Value:
    """Like asyncio.to_thread, but when cancelled it first lets the function end.

    What the function starts must be known before `stop` goes through the parts.
    """
    task = asyncio.ensure_future(asyncio.to_thread(function))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def _first(error: BaseException) -> BaseException:
    """The first of the errors that a task group gathered."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
