"""Composition: the gateway's parts from the settings, its background loops, and the web application."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import httpx
import structlog
from fastapi import FastAPI

from app import audit, changes, db, dispatcher, projection, routing, standard_webhooks
from app.circuit import Circuit
from app.db import Sessions
from app.encryption import Keyring
from app.errors import Misconfigured
from app.loops import Loop, supervised
from app.object_store import ObjectStore
from app.prefect_client import PrefectClient
from app.routing import Routes
from app.settings import RoutesSettings, Settings
from app.sns_client import CertificateCache
from app.status import Watchers
from app.web import applications, decisions, documents, ops, problems, runs, sns
from app.web.deps import Gateway
from app.web.middleware import BodyLimit, Timing

log = structlog.get_logger()

VERSION = "0.1.0"

_SEAL_SECONDS = 5.0
_LISTEN_CHECK_SECONDS = 5.0


def create_app(settings: Settings) -> FastAPI:
    """The web application, with its background loops as the settings say.

    Raises Misconfigured when the routes file, a key or a secret cannot work: a gateway that would lose
    something does not start.
    """
    routes = load_routes(settings.routes)
    keyring = Keyring(settings.encryption.keys)
    for secret in settings.decisions.webhook_secrets:
        standard_webhooks.secret_key(secret)
    if settings.sns.extra_certificate_origins:
        origins = settings.sns.extra_certificate_origins
        log.warning("whoever controls these origins can forge SNS messages", origins=origins)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
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
            )
            parts.loops = background_loops(
                settings,
                parts.sessions,
                prefect,
                parts.watchers,
                dispatching=settings.dispatcher.enabled,
                following=settings.projection.enabled,
            )
            app.state.gateway = parts
            await stack.enter_async_context(supervised(parts.loops))
            yield

    app = FastAPI(
        title="Sluice",
        version=VERSION,
        summary="The ingestion gateway in front of Prefect: every event becomes exactly one flow run.",
        lifespan=lifespan,
    )
    app.add_middleware(BodyLimit, max_bytes=settings.http.max_body_bytes)
    app.add_middleware(Timing)
    problems.install(app)
    for endpoints in (sns, applications, decisions, documents, runs, ops):
        app.include_router(endpoints.router)
    return app


def load_routes(settings: RoutesSettings) -> Routes:
    """The routes of the file that is set, or the loan routes that come with the package."""
    if settings.file is None:
        return routing.shipped()
    try:
        text = settings.file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"SLUICE_ROUTES_FILE {settings.file} cannot be read: {error}") from error
    return routing.load(text, str(settings.file))


def background_loops(
    settings: Settings,
    sessions: Sessions,
    prefect: PrefectClient,
    watchers: Watchers,
    *,
    dispatching: bool,
    following: bool,
) -> list[Loop]:
    """The loops of one process. Any number of processes may run the same ones."""
    wake_dispatcher = asyncio.Event()

    async def listen() -> float:
        return await listen_for_changes(settings, watchers, wake_dispatcher)

    loops = [Loop("listener", listen), Loop("audit-sealer", lambda: seal(sessions))]
    if dispatching:
        circuit = Circuit("dispatcher")
        body = partial(dispatcher.dispatch, sessions, prefect, settings.dispatcher, circuit)
        loops.append(Loop("dispatcher", body, wake_dispatcher))
    if following:
        body = partial(projection.follow, settings.database, sessions, prefect, settings.projection)
        loops.append(Loop("projection", body))
    return loops


async def run_loops(settings: Settings, *, dispatching: bool = False, following: bool = False) -> None:
    """The loops without HTTP, until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    engine = db.create_engine(settings.database)
    async with PrefectClient(settings.prefect) as prefect:
        loops = background_loops(
            settings,
            db.session_factory(engine),
            prefect,
            Watchers(),
            dispatching=dispatching,
            following=following,
        )
        async with supervised(loops):
            await stop.wait()
    await engine.dispose()


async def seal(sessions: Sessions) -> float:
    """One round of the audit sealer: straight on while there is a backlog."""
    return 0.0 if await audit.seal(sessions) else _SEAL_SECONDS


async def listen_for_changes(settings: Settings, watchers: Watchers, wake_dispatcher: asyncio.Event) -> float:
    """Pass NOTIFYs on for as long as the connection lasts."""
    callbacks = {
        changes.CHANGES: watchers.changed,
        changes.DUE: lambda _: wake_dispatcher.set(),
    }
    async with db.listen(settings.database, callbacks) as connection:
        watchers.anything_may_have_changed()
        wake_dispatcher.set()
        while True:
            await asyncio.sleep(_LISTEN_CHECK_SECONDS)
            await connection.execute("SELECT 1", timeout=_LISTEN_CHECK_SECONDS)
