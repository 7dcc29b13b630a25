"""Composition: the gateway's parts from the settings, its background loops, and the web application."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial

import httpx
import structlog
from fastapi import FastAPI
from starlette.middleware import Middleware

from app import audit, changes, db, dispatcher, projection, quarantine, routing, standard_webhooks, tracing
from app.api_keys import KnownKeys
from app.circuit import Circuit
from app.db import Sessions
from app.encryption import Keyring
from app.errors import Misconfigured
from app.loops import Loop, supervised
from app.mail import own_templates
from app.object_store import ObjectStore
from app.prefect_client import PrefectClient
from app.routing import Routes
from app.settings import RoutesSettings, Settings
from app.sns_client import CertificateCache
from app.watchers import Watchers
from app.web import (
    applications,
    decisions,
    description,
    docs,
    documents,
    events,
    ops,
    probes,
    problems,
    runs,
    sns,
)
from app.web import quarantine as quarantine_endpoints
from app.web.body_limit import BodyLimit
from app.web.deps import Gateway, Probed
from app.web.limits import AddressLimit, Limits
from app.web.request_id import RequestId
from app.web.security_headers import SecurityHeaders
from app.web.timing import Deadline, Timing
from app.web.tracing import Traced

log = structlog.get_logger()

VERSION = "0.1.0"

_SEAL_SECONDS = 5.0
_EXPIRE_SECONDS = 3_600.0
_LISTEN_CHECK_SECONDS = 2.0


def create_app(settings: Settings) -> FastAPI:
    """The web application, with its background loops as the settings say.

    Raises Misconfigured when the routes file, a key, a secret or an email's template cannot work: a gateway
    that would lose something does not start.
    """
    routes = load_routes(settings)
    keyring = Keyring(settings.encryption.keys)
    limits = Limits(settings.limit)
    for secret in settings.decisions.webhook_secrets:
        standard_webhooks.secret_key(secret)
    own_templates.load(settings.mail)
    if settings.sns.extra_certificate_origins:
        origins = settings.sns.extra_certificate_origins
        log.warning("whoever controls these origins can forge SNS messages", origins=origins)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(tracing.exporting(settings.tracing, "sluice"))
            engine = db.create_engine(settings.database)
            stack.push_async_callback(engine.dispose)
            client = await stack.enter_async_context(httpx.AsyncClient())
            prefect = await stack.enter_async_context(PrefectClient(settings.prefect))
            timeout = settings.sns.certificate_timeout_seconds
            parts = Gateway(
                settings=settings,
                sessions=db.session_factory(engine),
                routes=routes,
                keyring=keyring,
                store=ObjectStore(settings.s3),
                certificates=CertificateCache(client, timeout_seconds=timeout),
                prefect=prefect,
                limits=limits,
                strangers=quarantine.Strangers(
                    CertificateCache(client, timeout_seconds=timeout), settings.quarantine
                ),
            )
            changes.hear_own(parts.sessions, parts.watchers.forget)
            parts.loops = background_loops(
                settings,
                parts.sessions,
                prefect,
                parts.watchers,
                parts.keys,
                dispatching=settings.dispatcher.enabled,
                following=settings.projection.enabled,
            )
            app.state.gateway = app.state.probed = parts
            await stack.enter_async_context(supervised(parts.loops))
            yield
            parts.drain()
            await parts.inbox.finish()

    app = FastAPI(
        **description.PAGE,
        version=VERSION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        # FastAPI's own would send paths, queries and the texts of errors, and believe any caller.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
        middleware=[
            Middleware(RequestId),
            *([Middleware(Traced)] if settings.tracing.enabled else []),
            Middleware(SecurityHeaders),
            Middleware(Timing),
            Middleware(problems.LastResort),
            Middleware(AddressLimit, limits=limits),
            Middleware(Deadline, seconds=settings.http.request_seconds),
            Middleware(BodyLimit, max_bytes=settings.http.max_body_bytes),
        ],
    )
    problems.install(app)
    description.install(app)
    ops.begin_at_zero()
    for endpoints in (sns, applications, decisions, documents, runs, events, ops, quarantine_endpoints, docs):
        app.include_router(endpoints.router)
    return app


def load_routes(settings: Settings) -> Routes:
    """The routes, each open to the topics whose policy lets it. Raises Misconfigured."""
    policies = settings.sns.topics.items()
    return routing.load(*read_routes(settings.routes)).limited(
        {arn: policy.routes for arn, policy in policies}
    )


def read_routes(settings: RoutesSettings) -> tuple[str, str]:
    """Text and name of the file that is set, or else of the loan routes that come with the package."""
    if settings.file is None:
        return routing.shipped_text(), routing.SHIPPED
    try:
        return settings.file.read_text("utf-8"), str(settings.file)
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"The routes file {settings.file} cannot be read: {error}.") from error


def background_loops(
    settings: Settings,
    sessions: Sessions,
    prefect: PrefectClient,
    watchers: Watchers,
    keys: KnownKeys,
    *,
    dispatching: bool,
    following: bool,
) -> list[Loop]:
    """The loops of one process. Any number of processes may run the same ones."""
    wake_dispatcher = asyncio.Event()

    async def listen() -> float:
        return await listen_for_changes(settings, watchers, keys, wake_dispatcher)

    loops = [
        Loop("listener", listen),
        Loop("audit-sealer", lambda: seal(sessions)),
        Loop("quarantine", lambda: expire(settings, sessions)),
    ]
    if dispatching:
        circuit = Circuit("dispatcher")
        body = partial(dispatcher.dispatch, sessions, prefect, settings.dispatcher, circuit)
        loops.append(Loop("dispatcher", body, wake_dispatcher, note=circuit.note))
    if following:
        circuits = projection.Circuits()
        body = partial(projection.follow, settings.database, sessions, prefect, settings.projection, circuits)
        loops.append(Loop("projection", body, note=circuits.note))
    return loops


async def run_loops(settings: Settings, *, dispatching: bool = False, following: bool = False) -> None:
    """The loops without a gateway, until SIGTERM or SIGINT; probes are answered if a port is set for them."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    engine = db.create_engine(settings.database)
    sessions = db.session_factory(engine)
    async with tracing.exporting(settings.tracing, "sluice"), PrefectClient(settings.prefect) as prefect:
        loops = background_loops(
            settings,
            sessions,
            prefect,
            Watchers(),
            KnownKeys(),
            dispatching=dispatching,
            following=following,
        )
        async with supervised(loops), probes.answering(Probed(sessions=sessions, loops=loops), settings):
            await stop.wait()
    await engine.dispose()


async def seal(sessions: Sessions) -> float:
    """One round of the audit sealer: straight on while there is a backlog."""
    return 0.0 if await audit.seal(sessions) else _SEAL_SECONDS


async def expire(settings: Settings, sessions: Sessions) -> float:
    """One round of the quarantine's age limit; messages that arrive apply it too."""
    async with sessions.begin() as session:
        await quarantine.expire(session, settings.quarantine, now=datetime.now(UTC))
    return _EXPIRE_SECONDS


async def listen_for_changes(
    settings: Settings, watchers: Watchers, keys: KnownKeys, wake_dispatcher: asyncio.Event
) -> float:
    """Pass NOTIFYs on for as long as the connection lasts, which is how long anything is kept in memory.

    A connection that breaks is noticed at once, one that only hangs within twice the time of a check.
    """
    lost = asyncio.Event()
    callbacks = {
        changes.CHANGES: watchers.changed,
        changes.KEYS: lambda _: keys.forget_all(),
        changes.DUE: lambda _: wake_dispatcher.set(),
    }
    async with db.listen(settings.database, callbacks) as connection:
        connection.add_termination_listener(lambda _: lost.set())
        with watchers.listening(), keys.listening():
            wake_dispatcher.set()
            while not lost.is_set():
                await connection.execute("SELECT 1", timeout=_LISTEN_CHECK_SECONDS)
                with suppress(TimeoutError):
                    await asyncio.wait_for(lost.wait(), _LISTEN_CHECK_SECONDS)
    raise ConnectionError("The connection that listens for changes was lost.")
