"""What a trace tells of a run: when it waited, whether Prefect took it, how it ended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from app import run_spans, tracing
from app.models import Run, RunState, new_id
from app.settings import TracingSettings
from tests.collector import Collector, collecting

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)


@pytest.fixture
async def collector(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Collector]:
    async with collecting(monkeypatch) as collector:
        yield collector


def run(state: RunState = RunState.COMPLETED, *, traced: bool = True) -> Run:
    return Run(
        id=new_id(),
        route="documents",
        replays=0,
        state=state,
        state_name=state.capitalize(),
        next_attempt_at=NOW,
        dispatched_at=NOW,
        ended_at=None if state is RunState.RUNNING else NOW + timedelta(seconds=2),
        traceparent=f"00-{TRACE_ID}-00f067aa0ba902b7-01" if traced else None,
    )


async def sent(collector: Collector, *about: Run) -> None:
    """Tell of these states; afterwards all spans have arrived."""
    async with tracing.exporting(TracingSettings(enabled=True), "sluice"):
        for one in about:
            run_spans.changed_state(one)


@pytest.mark.parametrize(
    ("state", "failed"),
    [
        (RunState.COMPLETED, False),
        (RunState.FAILED, True),
        (RunState.CRASHED, True),
        (RunState.CANCELLED, True),
    ],
)
async def test_the_end_of_a_run_is_a_span_from_its_dispatch_on(
    collector: Collector, state: RunState, failed: bool
) -> None:
    await sent(collector, run(state))
    span = collector.named("run in Prefect")
    assert (span.trace_id, span.failed, span.seconds) == (TRACE_ID, failed, 2)
    assert span.attributes["sluice.run.state"] == state


async def test_no_other_state_is_a_span_and_neither_is_a_run_of_no_trace(collector: Collector) -> None:
    await sent(collector, run(RunState.RUNNING), run(traced=False))
    assert collector.spans == []


async def test_a_refused_dispatch_failed_and_one_clock_behind_the_other_does_no_harm(
    collector: Collector,
) -> None:
    async with tracing.exporting(TracingSettings(enabled=True), "sluice"):
        run_spans.dispatched(run(), NOW - timedelta(seconds=1), flow_run_id=None, together=None)
    assert collector.named("run waiting").seconds == 0
    assert collector.named("run dispatch").failed
