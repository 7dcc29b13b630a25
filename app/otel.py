"""Spans by OpenTelemetry's SDK, sent by OTLP over HTTP. Loaded by app.tracing, and only where that is on.

Where they are sent, how many are kept and what else they bear is OpenTelemetry's own business:
https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

Attributes = Mapping[str, str | int]

_PATIENCE_SECONDS = 3.0
"""How long the end of a process may wait for its last spans to be sent."""

_PROPAGATOR = TraceContextTextMapPropagator()
_HEADER = "traceparent"


@dataclass
class Served:
    """What is known of a request's span only at its end."""

    name: str = "HTTP"
    attributes: dict[str, str | int] = field(default_factory=dict)
    failed: bool = False
    parent_believed: bool = True
    ended_at: int | None = None
    """Nanoseconds since 1970; None: when the block ends."""
    trace_id: str = ""


class Tracer:
    """Makes the spans of one process."""

    def __init__(self, service: str) -> None:
        """`service` is its name, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES gives another."""
        named = Resource.create({SERVICE_NAME: service}).merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(resource=named, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("sluice")

    def serve_whole_process(self) -> None:
        """Make the spans of libraries too that ask OpenTelemetry for a tracer, as Prefect does."""
        trace.set_tracer_provider(self._provider)

    def shutdown(self) -> None:
        """Send what has ended, and no more from now on. Blocks, but not for long: a collector may be down."""
        # The SDK would try for as long as one request may take, 10 s by default.
        sending = threading.Thread(target=self._provider.shutdown, daemon=True)
        sending.start()
        sending.join(_PATIENCE_SECONDS)

    def current(self) -> str | None:
        """The span we are in as a W3C `traceparent`; None outside of any."""
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier)
        return carrier.get(_HEADER)

    @contextmanager
    def span(self, name: str, attributes: Attributes) -> Iterator[None]:
        """A span below the one we are in."""
        with self._failing(self._tracer.start_span(name, attributes=attributes)):
            yield

    @contextmanager
    def group(self, name: str, members: Iterable[str | None], attributes: Attributes) -> Iterator[None]:
        """A span that works for many traces at once: of none of them, with a link to each."""
        span = self._tracer.start_span(name, Context(), attributes=attributes, links=_links(members))
        with self._failing(span):
            yield

    def record(
        self,
        name: str,
        parent: str,
        times: tuple[int, int],
        attributes: Attributes,
        *,
        failed: bool = False,
        links: Iterable[str | None] = (),
    ) -> None:
        """A span below `parent` that has been and gone; times are nanoseconds since 1970."""
        started, ended = times
        # Two clocks may have told them: the database's and ours.
        span = self._tracer.start_span(
            name,
            _context(parent),
            attributes=attributes,
            links=_links(links),
            start_time=min(started, ended),
        )
        _end(span, failed=failed, ended_at=ended)

    @contextmanager
    def serving(self, parent: str | None) -> Iterator[Served]:
        """A request's span, below the caller's if it brought one.

        The caller proves who it is only while we serve it. A stranger's parent is not believed: what
        stands below it is then left unsent, and the request gets a trace of its own.
        """
        served, started_at = Served(), time.time_ns()
        span = self._tracer.start_span(served.name, _context(parent), SpanKind.SERVER, start_time=started_at)
        served.trace_id = trace.format_trace_id(span.get_span_context().trace_id)
        try:
            with trace.use_span(span, record_exception=False, set_status_on_exception=False):
                yield served
        finally:
            if parent is not None and not served.parent_believed:
                # A span that never ends is never sent.
                span = self._tracer.start_span(served.name, Context(), SpanKind.SERVER, start_time=started_at)
            span.update_name(served.name)
            span.set_attributes(served.attributes)
            _end(span, failed=served.failed, ended_at=served.ended_at)

    @contextmanager
    def _failing(self, span: Span) -> Iterator[None]:
        """Enter the span and end it. Of an error only its class is told: its text may quote anything."""
        failed = False
        try:
            with trace.use_span(span, record_exception=False, set_status_on_exception=False):
                yield
        except BaseException as error:
            failed = True
            span.set_attribute("error.type", type(error).__name__)
            raise
        finally:
            _end(span, failed=failed)


def _context(parent: str | None) -> Context:
    """What the `traceparent` says; one that is not well-formed says nothing (W3C Trace Context, 3.2.2)."""
    return _PROPAGATOR.extract({} if parent is None else {_HEADER: parent}, Context())


def _links(members: Iterable[str | None]) -> list[Link]:
    contexts = (trace.get_current_span(_context(member)).get_span_context() for member in members)
    return [Link(context) for context in contexts if context.is_valid]


def _end(span: Span, *, failed: bool, ended_at: int | None = None) -> None:
    if failed:
        span.set_status(StatusCode.ERROR)
    span.end(ended_at)
