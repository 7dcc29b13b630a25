"""Traces of requests: what is sent about them, whose parent is believed, and that off means off."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from sqlalchemy import select, update

from app.db import Sessions
from app.dev.process import free_port
from app.dev.sns_signing import Signer
from app.main import create_app
from app.models import Run, RunState
from app.settings import Settings, TracingSettings
from tests.collector import Collector, Span, collecting
from tests.web.conftest import (
    DECISIONS_URL,
    Decide,
    Headers,
    Notify,
    notification,
    s3_event,
    s3_events,
    s3_record,
)

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT_ID = "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE_ID}-{PARENT_ID}-01"
KEY = "applications/A-1/license-front/front.jpg"
APPROVED = {"outcome": "approved", "decided_by": "underwriter-17"}


@pytest.fixture
async def collector(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Collector]:
    async with collecting(monkeypatch) as collector:
        yield collector


@pytest.fixture
def settings(settings: Settings, collector: Collector) -> Settings:
    """The gateway under test traces."""
    return settings.model_copy(update={"tracing": TracingSettings(enabled=True)})


async def traceparents(sessions: Sessions) -> list[str | None]:
    async with sessions() as session:
        return list(await session.scalars(select(Run.traceparent).order_by(Run.id)))


def stands_at(traceparent: str | None, span: Span) -> bool:
    """Whether it names the span, and says that it is sampled (W3C Trace Context, 3.2.2.5)."""
    version, trace_id, span_id, flags = (traceparent or "").split("-")
    return (version, trace_id, span_id) == ("00", span.trace_id, span.span_id) and int(flags, 16) & 1 == 1


async def test_a_notification_is_one_trace_and_its_run_keeps_where_it_stands(
    notify: Notify, collector: Collector, sessions: Sessions
) -> None:
    assert (await notify(s3_event(KEY))).status_code == 200

    await collector.until(lambda: len(collector.spans) == 3)
    request, wait = collector.named("POST /v1/sns"), collector.named("inbox wait")
    assert request.parent_id == ""
    assert request.service == "sluice"
    assert request.attributes == {
        "http.request.method": "POST",
        "http.route": "/v1/sns",
        "http.response.status_code": 200,
    }
    assert (wait.trace_id, wait.parent_id) == (request.trace_id, request.span_id)
    [kept] = await traceparents(sessions)
    assert stands_at(kept, request)


async def test_a_commit_that_requests_share_is_a_trace_of_its_own_linked_to_each(
    notify: Notify, collector: Collector
) -> None:
    await asyncio.gather(*(notify(s3_event(f"applications/A-{n}/license-front/a.jpg")) for n in range(4)))

    def called(name: str) -> list[Span]:
        return [span for span in collector.spans if span.name == name]

    def linked() -> list[str]:
        return [span_id for commit in called("inbox commit") for span_id in commit.links]

    await collector.until(lambda: len(linked()) == len(called("POST /v1/sns")) == 4)
    requests = called("POST /v1/sns")
    assert sorted(linked()) == sorted(span.span_id for span in requests)
    assert not {one.trace_id for one in called("inbox commit")} & {one.trace_id for one in requests}


async def test_every_run_of_one_message_belongs_to_its_trace(
    notify: Notify, collector: Collector, sessions: Sessions
) -> None:
    keys = ("applications/A-1/license-front/a.jpg", "applications/A-2/license-front/b.jpg")
    await notify(s3_events(*(s3_record(key) for key in keys)))

    [one, other] = await traceparents(sessions)
    assert one is not None
    assert one == other


async def test_a_decision_goes_on_in_the_trace_of_who_signed_it(
    in_review: None,
    client: httpx.AsyncClient,
    underwriter: Headers,
    collector: Collector,
    sessions: Sessions,
) -> None:
    headers = {**underwriter, "Idempotency-Key": "decision-17", "traceparent": TRACEPARENT}
    answer = await client.post(DECISIONS_URL, json=APPROVED, headers=headers)
    assert answer.status_code == 202

    name = "POST /v1/applications/{application_id}/decisions"
    await collector.until(lambda: name in collector.of_trace(TRACE_ID))
    trace = collector.of_trace(TRACE_ID)
    assert trace[name].parent_id == PARENT_ID
    assert trace["record decision"].parent_id == trace[name].span_id
    assert stands_at((await traceparents(sessions))[-1], trace["record decision"])


async def test_a_caller_who_does_not_sample_is_not_sampled_and_the_run_says_so(
    in_review: None, client: httpx.AsyncClient, underwriter: Headers, collector: Collector, sessions: Sessions
) -> None:
    headers = {**underwriter, "Idempotency-Key": "decision-17", "traceparent": f"{TRACEPARENT[:-2]}00"}
    assert (await client.post(DECISIONS_URL, json=APPROVED, headers=headers)).status_code == 202

    kept = (await traceparents(sessions))[-1]
    assert kept is not None
    assert kept.startswith(f"00-{TRACE_ID}-")
    assert kept.endswith("-00")
    await client.get("/v1/sns")  # and what is asked later is
    await collector.until(lambda: any(span.name == "GET /v1/sns" for span in collector.spans))
    assert collector.of_trace(TRACE_ID) == {}


async def test_a_replayed_run_belongs_to_the_trace_of_who_replayed_it(
    notify: Notify,
    client: httpx.AsyncClient,
    operator: Headers,
    collector: Collector,
    sessions: Sessions,
) -> None:
    await notify(s3_event(KEY))
    async with sessions.begin() as session:
        run_id = await session.scalar(update(Run).values(state=RunState.DEAD).returning(Run.id))
    answer = await client.post(f"/v1/runs/{run_id}/replay", headers={**operator, "traceparent": TRACEPARENT})
    assert answer.status_code == 202

    name = "POST /v1/runs/{run_id}/replay"
    await collector.until(lambda: name in collector.of_trace(TRACE_ID))
    [kept] = await traceparents(sessions)
    assert stands_at(kept, collector.named(name))


@pytest.mark.parametrize("path", ["/v1/applications/A-1", "/v1/sns", "/nothing"])
async def test_a_strangers_parent_is_not_believed(
    client: httpx.AsyncClient, collector: Collector, path: str
) -> None:
    method = "POST" if path == "/v1/sns" else "GET"
    headers = {"traceparent": TRACEPARENT, "Authorization": "Bearer wrong"}
    answer = await client.request(method, path, headers=headers)
    assert answer.is_client_error

    await collector.until(lambda: bool(collector.spans))
    [span] = collector.spans
    assert span.trace_id != TRACE_ID
    assert span.parent_id == ""
    assert span.attributes["http.response.status_code"] == answer.status_code


@pytest.mark.parametrize(
    "header", ["", "00-0-0-01", f"ff-{TRACE_ID}-{PARENT_ID}-01", f"00-{TRACE_ID}-{'0' * 16}-01"]
)
async def test_a_parent_that_is_not_well_formed_is_none(
    client: httpx.AsyncClient, loan_app: Headers, collector: Collector, header: str
) -> None:
    answer = await client.get("/v1/applications/unknown", headers={**loan_app, "traceparent": header})
    assert answer.status_code == 404

    await collector.until(lambda: bool(collector.spans))
    [span] = collector.spans
    assert span.parent_id == ""


async def test_probes_make_no_spans(client: httpx.AsyncClient, collector: Collector) -> None:
    for path in ("/livez", "/readyz", "/metrics", "/v1/sns"):
        await client.get(path)
    await collector.until(lambda: bool(collector.spans))
    assert [span.name for span in collector.spans] == ["GET /v1/sns"]


async def test_a_method_that_is_none_of_http_is_not_named(
    client: httpx.AsyncClient, collector: Collector
) -> None:
    await client.request("BREW", "/coffee")

    await collector.until(lambda: len(collector.spans) == 1)
    assert collector.named("_OTHER unknown").attributes["http.request.method"] == "_OTHER"


async def test_nothing_about_a_person_is_sent(
    client: httpx.AsyncClient,
    notify: Notify,
    decide: Decide,
    loan_app: Headers,
    collector: Collector,
    in_review: None,
) -> None:
    applicant = {"name": "Jane Quimby Sample", "email": "jane.quimby@example.net"}
    put = await client.put("/v1/applications/A-1", json={"applicant": applicant}, headers=loan_app)
    assert put.is_success, put.text
    await notify(s3_event("applications/A-2/license-front/jane-quimby.jpg"))
    await notify("Jane Quimby sent this")
    await client.get("/v1/applications/A-1?who=jane.quimby", headers={**loan_app, "X-Request-Id": "jane"})
    assert (await decide({**APPROVED, "note": "Spoke to Jane Quimby."})).status_code == 202
    await client.post(DECISIONS_URL, content=json.dumps({"outcome": "Jane"}))

    await collector.until(lambda: sum(span.name.endswith("decisions") for span in collector.spans) == 2)
    sent = b"".join(collector.bodies).lower()
    for secret in (
        "jane",
        "quimby",
        "example.net",
        "applications/a-1",
        "127.0.0.1",
        loan_app["Authorization"][7:].lower(),
    ):
        assert secret.encode() not in sent


@asynccontextmanager
async def gateway(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sluice") as client,
    ):
        yield client


async def test_off_nothing_is_made_sent_or_stored(
    settings: Settings,
    collector: Collector,
    signer: Signer,
    sessions: Sessions,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    async with gateway(settings.model_copy(update={"tracing": TracingSettings()})) as client:
        envelope = signer.envelope(notification(s3_event(KEY)))
        answer = await client.post("/v1/sns", content=envelope, headers={"traceparent": TRACEPARENT})

    assert answer.status_code == 200
    assert await traceparents(sessions) == [None]
    assert collector.bodies == []


async def test_a_collector_that_is_down_holds_up_nobody(
    settings: Settings, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    async with asyncio.timeout(10):
        async with gateway(settings) as client:
            answer = await client.post("/v1/sns", content=signer.envelope(notification(s3_event(KEY))))
    assert answer.status_code == 200
