"""Traces, off by default: one from a request through the queue into its flow run (docs/tracing.md).

A trace goes on in other processes and at other times, so where it stands is kept with the run, as a W3C
`traceparent` (https://www.w3.org/TR/trace-context/). While tracing is off OpenTelemetry's SDK is not even
imported, and everything here does nothing.
"""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from app.errors import Misconfigured
from app.settings import TracingSettings

if TYPE_CHECKING:
    from app.otel import Tracer

log = structlog.get_logger()

FLOW_RUN_LABEL = "__OTEL_TRACEPARENT"
"""Where Prefect looks for the parent of a flow run's span (its prefect/telemetry/run_telemetry.py)."""

Attributes = Mapping[str, str | int]

_NOTHING = nullcontext()


class _Process:
    tracer: Tracer | None = None


@asynccontextmanager
async def exporting(settings: TracingSettings, service: str) -> AsyncIterator[None]:
    """While the block runs, spans are made and sent if the settings say so.

    `service` is this process's name, unless OTEL_SERVICE_NAME gives another. Raises Misconfigured when the
    packages are missing.
    """
    if not settings.enabled:
        yield
        return
    tracer = _make_tracer(service)
    before, _Process.tracer = _Process.tracer, tracer
    try:
        yield
    finally:
        _Process.tracer = before
        await asyncio.to_thread(tracer.shutdown)


def export_from_flows(settings: TracingSettings) -> None:
    """Give Prefect, which makes a span for each flow run and task run, somewhere to send them; until the end.

    A worker without the packages runs its flows all the same.
    """
    if not settings.enabled:
        return
    try:
        tracer = _make_tracer("sluice-flows")
    except Misconfigured as error:
        log.warning("flow runs are not traced", error=error.detail)
        return
    tracer.serve_whole_process()
    atexit.register(tracer.shutdown)
    _Process.tracer = tracer


def _make_tracer(service: str) -> Tracer:
    try:
        from app.otel import Tracer  # noqa: PLC0415 - only where tracing is on, and installed
    except ImportError as error:
        raise Misconfigured(
            "SLUICE_TRACING_ENABLED is on and OpenTelemetry is not installed. Install sluice[telemetry]."
        ) from error
    return Tracer(service)


def active() -> Tracer | None:
    """What makes this process's spans; None while tracing is off."""
    return _Process.tracer


def current() -> str | None:
    """The span we are in as a `traceparent`, to be kept with what it causes; None while tracing is off."""
    return None if _Process.tracer is None else _Process.tracer.current()


def span(name: str, attributes: Attributes | None = None) -> AbstractContextManager[None]:
    """A span below the one we are in, as long as the block runs."""
    return _NOTHING if _Process.tracer is None else _Process.tracer.span(name, attributes or {})


def group(
    name: str, members: Iterable[str | None], attributes: Attributes | None = None
) -> AbstractContextManager[None]:
    """A span of a block that works for many traces: it belongs to none and links to each."""
    tracer = _Process.tracer
    return _NOTHING if tracer is None else tracer.group(name, members, attributes or {})


def record(
    name: str,
    parent: str | None,
    *,
    started_at: datetime,
    ended_at: datetime,
    attributes: Attributes,
    failed: bool = False,
    links: Iterable[str | None] = (),
) -> None:
    """A span that has been and gone, below what was kept with its cause; nothing was: no span."""
    if _Process.tracer is not None and parent is not None:
        times = _nanoseconds(started_at), _nanoseconds(ended_at)
        _Process.tracer.record(name, parent, times, attributes, failed=failed, links=links)


def _nanoseconds(time: datetime) -> int:
    return int(time.timestamp() * 1_000_000) * 1_000
