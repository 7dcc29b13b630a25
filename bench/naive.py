"""The gateway anybody would write first: verify, insert, commit, create the flow run, all in the handler."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx
import uvicorn
from fastapi import FastAPI, Request
from prefect.client.orchestration import get_client

from app import db, s3_events, sns, sns_client
from app.models import Notification, NotificationOutcome
from app.settings import Settings
from bench.grounds import DEPLOYMENT


def create_app(settings: Settings) -> FastAPI:
    engine = db.create_engine(settings.database)
    sessions = db.session_factory(engine)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with httpx.AsyncClient() as http, get_client() as prefect:
            app.state.certificates = sns_client.CertificateCache(http)
            app.state.prefect = prefect
            app.state.deployment = await prefect.read_deployment_by_name(DEPLOYMENT)
            yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/livez")
    async def livez() -> dict[str, str]:
        return {"status": "alive"}

    @app.post("/v1/sns")
    async def receive(request: Request) -> dict[str, str]:
        body, now = await request.body(), datetime.now(UTC)
        message = sns.parse(body)
        sns.check_policy(message, settings.sns.topics, now)
        await sns_client.check_signature(app.state.certificates, settings.sns, message, now=now)
        notification = Notification(
            topic_arn=message.topic_arn,
            message_id=message.message_id,
            kind=message.kind,
            envelope=body.decode(),
            outcome=NotificationOutcome.ROUTED,
            sent_at=message.sent_at,
        )
        async with sessions() as session:
            session.add(notification)
            await session.commit()
        events = s3_events.parse(message.message)
        keys = [event.key for event in events] if isinstance(events, list) else []
        await app.state.prefect.create_flow_run_from_deployment(
            app.state.deployment.id,
            parameters={"document_id": keys[0]},
            idempotency_key=message.message_id,
        )
        return {"outcome": "routed"}

    return app


if __name__ == "__main__":
    uvicorn.run(create_app(Settings()), port=int(sys.argv[1]), access_log=False, log_level="warning")
