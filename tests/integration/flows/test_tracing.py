"""One trace from the request to the flow's last step, through a real Prefect server."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import boto3
import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import select, update

from app import api_keys, standard_webhooks
from app.db import Sessions
from app.dev.mail import MailSink
from app.dev.sns_signing import Signer, now
from app.main import create_app
from app.models import Application, ApplicationStatus, Role, Run, RunState
from app.settings import (
    DecisionSettings,
    DispatcherSettings,
    LimitSettings,
    PrefectSettings,
    ProjectionSettings,
    Settings,
    SnsSettings,
    TracingSettings,
)
from tests.collector import Collector, Span, collecting
from tests.integration.flows.conftest import APPLICANT, BUCKET, execute

TOPIC = "arn:aws:sns:us-east-1:123456789012:uploads"
READING = "document-verification/default"
DECIDING = "underwriting-decision/default"
CALLERS_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class Prefect(Protocol):
    settings: PrefectSettings
    api_url: str

    async def post(self, path: str, body: Any) -> Any: ...
    async def redeploy(self, deployment: str, **more: Any) -> None: ...
    async def flow_runs(self, deployment: str) -> list[dict[str, Any]]: ...


@pytest.fixture
async def collector(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Collector]:
    async with collecting(monkeypatch) as collector:
        monkeypatch.setenv("SLUICE_TRACING_ENABLED", "true")
        yield collector


@pytest.fixture
def secret() -> SecretStr:
    return SecretStr(standard_webhooks.new_secret())


@pytest.fixture
async def gateway(
    settings: Settings, collector: Collector, prefect_server: Prefect, signer: Signer, secret: SecretStr
) -> AsyncIterator[httpx.AsyncClient]:
    """A gateway that dispatches whatever has gathered in one call, follows, and traces."""
    origin = signer.certificate_url.removesuffix(signer.certificate_path)
    traced = settings.model_copy(
        update={
            "limit": LimitSettings(sns_per_second=0),
            "sns": SnsSettings(topics=[TOPIC], extra_certificate_origins=[origin]),
            "prefect": prefect_server.settings,
            "dispatcher": DispatcherSettings(calls_in_flight=1),
            "projection": ProjectionSettings(poll_seconds=0.5),
            "decisions": DecisionSettings(webhook_secrets=[secret]),
            "tracing": TracingSettings(enabled=True),
        }
    )
    app = create_app(traced)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sluice") as client,
    ):
        yield client


def notification(signer: Signer, *objects: tuple[str, str]) -> bytes:
    """S3's signed news of these objects, each a key and an ETag."""
    records = [
        {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": "us-east-1",
            "eventTime": "2026-11-20T10:00:00.000Z",
            "eventName": "ObjectCreated:Post",
            "s3": {"bucket": {"name": BUCKET}, "object": {"key": key, "eTag": etag, "sequencer": "0A"}},
        }
        for key, etag in objects
    ]
    return signer.envelope(
        {
            "Type": "Notification",
            "MessageId": str(uuid.uuid4()),
            "TopicArn": TOPIC,
            "Message": json.dumps({"Records": records}),
            "Timestamp": now(),
        }
    )


async def dispatched(sessions: Sessions, count: int) -> list[Run]:
    async with asyncio.timeout(60):
        while True:
            async with sessions() as session:
                runs = list(await session.scalars(select(Run).where(Run.state != RunState.ACCEPTED)))
            if len(runs) == count:
                return runs
            await asyncio.sleep(0.1)


async def label(prefect: Prefect, run: Run) -> str | None:
    """Where Prefect looks for the parent of the run's flow run."""
    flow_runs = await prefect.flow_runs(run.deployment)
    [found] = [flow_run for flow_run in flow_runs if flow_run["id"] == str(run.flow_run_id)]
    value: str | None = found["labels"].get("__OTEL_TRACEPARENT")
    return value


@pytest.fixture
async def in_review(gateway: httpx.AsyncClient, sessions: Sessions) -> None:
    """Application A-17, whose applicant is known, is before an underwriter."""
    async with sessions.begin() as session:
        key = await api_keys.create(session, role=Role.LOAN_APP, label="test")
    applicant = {"name": APPLICANT.name, "email": APPLICANT.email}
    answer = await gateway.put(
        "/v1/applications/A-17",
        json={"applicant": applicant},
        headers={"Authorization": f"Bearer {key}"},
    )
    assert answer.is_success, answer.text
    async with sessions.begin() as session:
        await session.execute(update(Application).values(status=ApplicationStatus.IN_REVIEW))


async def test_from_the_request_to_the_flows_last_step_it_is_one_trace(
    gateway: httpx.AsyncClient,
    signer: Signer,
    collector: Collector,
    prefect_server: Prefect,
    prefect_home: Path,
    settings: Settings,
    sessions: Sessions,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SLUICE_MAIL_DOCUMENT_EMAILS", "false")
    await prefect_server.redeploy(READING, entrypoint="flows.document_verification.document_verification")
    s3 = boto3.client("s3", endpoint_url=settings.s3.endpoint_url, region_name="us-east-1")
    s3.create_bucket(Bucket=BUCKET)
    key = "applications/A-17/license-front/card.jpg"
    etag = s3.put_object(Bucket=BUCKET, Key=key, Body=b"no picture")["ETag"].strip('"')
    answer = await gateway.post("/v1/sns", content=notification(signer, (key, etag)))
    assert answer.status_code == 200
    [run] = await dispatched(sessions, 1)
    assert run.traceparent is not None
    assert await label(prefect_server, run) == run.traceparent
    await execute(run.flow_run_id, prefect_server, prefect_home)

    await collector.until(lambda: "run in Prefect" in {span.name for span in collector.spans})
    request = collector.named("POST /v1/sns")
    trace = collector.of_trace(request.trace_id)
    below = {name for name, span in trace.items() if span.parent_id == request.span_id}
    flow = f"document {run.parameters['document_id']}"
    assert below == {"inbox wait", "run waiting", "run dispatch", flow, "run in Prefect"}
    steps = sorted(
        name.rpartition("-")[0] or name
        for name, span in trace.items()
        if span.parent_id == trace[flow].span_id
    )
    assert steps == ["begin", "fetch", "find-due", "read by rapidocr", "record-refusal", "report"]
    assert {span.service for span in trace.values()} == {"sluice", "sluice-flows"}
    assert trace["run dispatch"].links == [collector.named("dispatch").span_id]
    ended = trace["run in Prefect"].attributes
    assert ended["sluice.run.state"] == "COMPLETED"
    assert ended["prefect.flow_run.id"] == str(run.flow_run_id)


async def test_flow_runs_that_are_created_together_each_go_on_in_their_own_trace(
    gateway: httpx.AsyncClient,
    signer: Signer,
    collector: Collector,
    prefect_server: Prefect,
    sessions: Sessions,
) -> None:
    await prefect_server.redeploy(READING)
    keys = [f"applications/A-{number}/license-front/card.jpg" for number in range(4)]
    await asyncio.gather(*(gateway.post("/v1/sns", content=notification(signer, (key, "0"))) for key in keys))
    runs = await dispatched(sessions, len(keys))

    def together() -> list[Span]:
        calls = [span for span in collector.spans if span.name == "dispatch"]
        return [call for call in calls if int(call.attributes["sluice.runs"]) > 1]

    await collector.until(lambda: bool(together()))
    assert len({run.traceparent for run in runs}) == len(keys)
    assert [await label(prefect_server, run) for run in runs] == [run.traceparent for run in runs]
    spans = {(run.traceparent or "").split("-")[2] for run in runs}
    assert all(set(call.links) <= spans for call in together())


async def test_a_decisions_flow_goes_on_in_its_callers_trace_and_tells_nothing_of_the_applicant(
    gateway: httpx.AsyncClient,
    collector: Collector,
    prefect_server: Prefect,
    prefect_home: Path,
    mailbox: MailSink,
    in_review: None,
    secret: SecretStr,
    sessions: Sessions,
) -> None:
    await prefect_server.redeploy(
        DECIDING,
        entrypoint="flows.underwriting_decision.underwriting_decision",
        parameter_openapi_schema={},
    )
    decision = {
        "application_id": "A-17",
        "outcome": "approved",
        "decided_by": "underwriter-17",
        "note": "Spoke to Quimby.",
    }
    body = json.dumps(decision).encode()
    headers = standard_webhooks.sign(secret, "msg-17", datetime.now(UTC), body)
    traceparent = f"00-{CALLERS_TRACE}-00f067aa0ba902b7-01"
    answer = await gateway.post(
        "/v1/applications/A-17/decisions",
        content=body,
        headers={**headers, "traceparent": traceparent, "Content-Type": "application/json"},
    )
    assert answer.status_code == 202, answer.text
    [run] = await dispatched(sessions, 1)
    await execute(run.flow_run_id, prefect_server, prefect_home)
    assert [mail.recipients for mail in mailbox.mails] == [(APPLICANT.email,)]

    await collector.until(lambda: "run in Prefect" in {span.name for span in collector.spans})
    trace = collector.of_trace(CALLERS_TRACE)
    assert {"record decision", "run dispatch", f"decision {run.cause_id}", "run in Prefect"} <= set(trace)
    of_flows = [span for span in collector.spans if span.service == "sluice-flows"]
    assert of_flows
    assert {span.trace_id for span in of_flows} == {CALLERS_TRACE}
    sent = b"".join(collector.bodies).lower()
    for personal in (APPLICANT.name, APPLICANT.email, "quimby", "underwriter-17"):
        assert personal.lower().encode() not in sent
