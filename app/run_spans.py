"""The spans of a run: how long it waited with us, how it was handed to Prefect, how it ended there.

Each is recorded once it is over and in the database, below the request that caused the run. They bear ids
and names of ours and no parameters.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from app import tracing
from app.models import TERMINAL_RUN_STATES, UNSUCCESSFUL_RUN_STATES, Run


def dispatched(run: Run, asked_at: datetime, *, flow_run_id: uuid.UUID | None, together: str | None) -> None:
    """Prefect, asked at that time, has created the flow run, or refused to when there is no id.

    `together` is the span of the call that the run shared with others.
    """
    tracing.record(
        "run waiting",
        run.traceparent,
        started_at=run.next_attempt_at,
        ended_at=asked_at,
        attributes=_about(run),
    )
    tracing.record(
        "run dispatch",
        run.traceparent,
        started_at=asked_at,
        ended_at=datetime.now(UTC),
        attributes=_about(run, flow_run_id),
        failed=flow_run_id is None,
        links=[together],
    )


def changed_state(run: Run) -> None:
    """Prefect reported another state of the run; its end is what makes a span."""
    if run.state not in TERMINAL_RUN_STATES or run.ended_at is None:
        return
    tracing.record(
        "run in Prefect",
        run.traceparent,
        started_at=run.dispatched_at or run.ended_at,
        ended_at=run.ended_at,
        attributes={
            **_about(run, run.flow_run_id),
            "sluice.run.state": run.state,
            "sluice.run.state_name": run.state_name,
        },
        failed=run.state in UNSUCCESSFUL_RUN_STATES,
    )


def _about(run: Run, flow_run_id: uuid.UUID | None = None) -> dict[str, str | int]:
    ours: dict[str, str | int] = {
        "sluice.run.id": str(run.id),
        "sluice.route": run.route,
        "sluice.run.replays": run.replays,
    }
    return ours if flow_run_id is None else {**ours, "prefect.flow_run.id": str(flow_run_id)}
