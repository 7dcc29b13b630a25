"""What happened on a day, read from the gateway's tables: ids, states and times, and nothing of a person."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
from sqlalchemy import ColumnElement, DateTime, Select, Text, cast, func, literal, null, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, aliased

from app.models import UNSUCCESSFUL_RUN_STATES, Decision, Document, ReportStep, Run, RunState

_TIME = pl.Datetime("us", "UTC")

SCHEMA = pl.Schema(
    {
        "step": pl.String(),
        "application_id": pl.String(),
        "subject_id": pl.String(),
        "state": pl.String(),
        "at": _TIME,
        "first_received_at": _TIME,
        "last_read_at": _TIME,
    }
)
"""A row is one step of one application; the last two columns are of the application, where known."""

_FAILED = UNSUCCESSFUL_RUN_STATES - {RunState.CANCELLED}


def bounds(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The day's first moment and the next day's, in UTC. Where clocks change, it has 23 or 25 hours."""
    begin, end = (datetime.combine(start, time.min, zone) for start in (day, day + timedelta(days=1)))
    return begin.astimezone(UTC), end.astimezone(UTC)


async def rows_of(session: AsyncSession, begin: datetime, end: datetime) -> pl.DataFrame:
    """All steps from `begin` until before `end`. One statement, so they are of the same moment."""
    found = await session.execute(union_all(*_steps(begin, end)))
    return pl.DataFrame([tuple(row) for row in found], schema=SCHEMA, orient="row")


def _steps(begin: datetime, end: datetime) -> list[Select[Any]]:
    """A statement for each step.

    A decision counts on the day we received it: `decided_at` is its sender's word, and might name a day
    whose report is written.
    """
    day = {"begin": begin, "end": end}
    return [
        _step(ReportStep.RECEIVED, Document, literal("received", Text), Document.received_at, **day),
        _step(ReportStep.READ, Document, Document.status, Document.verified_at, **day),
        _step(ReportStep.DECIDED, Decision, Decision.outcome, Decision.received_at, **day),
        _step(ReportStep.FAILED, Run, Run.state, Run.ended_at, **day).where(Run.state.in_(_FAILED)),
    ]


def _step(
    step: ReportStep,
    subject: type[Document | Decision | Run],
    state: ColumnElement[Any] | InstrumentedAttribute[Any],
    at: InstrumentedAttribute[Any],
    *,
    begin: datetime,
    end: datetime,
) -> Select[Any]:
    last_read = _last_read(Decision.application_id, at) if step is ReportStep.DECIDED else null()
    return select(
        literal(step.value, Text),
        subject.application_id,
        cast(subject.id, Text),
        cast(state, Text),
        at,
        _first_received(subject.application_id),
        cast(last_read, DateTime(timezone=True)),
    ).where(at >= begin, at < end)


def _first_received(application_id: ColumnElement[Any] | InstrumentedAttribute[Any]) -> ColumnElement[Any]:
    document = aliased(Document)
    first = select(func.min(document.received_at)).where(document.application_id == application_id)
    return first.scalar_subquery()


def _last_read(
    application_id: ColumnElement[Any] | InstrumentedAttribute[Any], until: InstrumentedAttribute[Any]
) -> ColumnElement[Any]:
    document = aliased(Document)
    last = select(func.max(document.verified_at)).where(
        document.application_id == application_id, document.verified_at <= until
    )
    return last.scalar_subquery()
