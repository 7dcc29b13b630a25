"""A collector of spans: it speaks OTLP over HTTP and keeps what it is sent, as sent and decoded."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.dev.process import free_port
from app.dev.serving import serving


@dataclass(frozen=True)
class Span:
    """A span as it was received; ids in hexadecimal."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, str | int]
    links: list[str]
    """Ids of the spans it is linked to."""
    failed: bool
    seconds: float


@dataclass
class Collector:
    """What was received, and where it listens."""

    url: str
    bodies: list[bytes] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)

    async def receive(self, request: Request) -> Response:
        body = await request.body()
        if request.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.bodies.append(body)
        self.spans += decoded(body)
        return Response(media_type="application/x-protobuf")

    def named(self, name: str) -> Span:
        """The only span of that name."""
        [found] = [span for span in self.spans if span.name == name]
        return found

    def of_trace(self, trace_id: str) -> dict[str, Span]:
        return {span.name: span for span in self.spans if span.trace_id == trace_id}

    async def until(self, arrived: Callable[[], bool], *, seconds: float = 60) -> None:
        """Wait for spans, which are sent when it suits their sender."""
        try:
            async with asyncio.timeout(seconds):
                while not arrived():  # noqa: ASYNC110 (nobody announces it)
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"only {[span.name for span in self.spans]} arrived") from None


def decoded(body: bytes) -> list[Span]:
    """The spans in an `ExportTraceServiceRequest` of opentelemetry-proto."""
    return [
        Span(
            service=next(
                one.value.string_value for one in sent.resource.attributes if one.key == "service.name"
            ),
            name=span.name,
            trace_id=span.trace_id.hex(),
            span_id=span.span_id.hex(),
            parent_id=span.parent_span_id.hex(),
            attributes={one.key: one.value.string_value or one.value.int_value for one in span.attributes},
            links=[link.span_id.hex() for link in span.links],
            failed=span.status.code == Status.STATUS_CODE_ERROR,
            seconds=(span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
        )
        for sent in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in sent.scope_spans
        for span in scope.spans
    ]


@asynccontextmanager
async def collecting(environment: pytest.MonkeyPatch) -> AsyncIterator[Collector]:
    """A collector that listens while the block runs, and to which the environment sends spans at once."""
    port = free_port()
    collector = Collector(f"http://127.0.0.1:{port}")
    environment.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    environment.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    async with serving(Starlette(routes=[Route("/v1/traces", collector.receive, methods=["POST"])]), port):
        yield collector
