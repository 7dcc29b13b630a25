"""The funnel by day, from the reporting tables: what became of the applications that each day brought."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.models import DecisionOutcome, ReportedDay, ReportedStep, ReportStep

DAYS = 14
"""As many days as a chart shows well."""

_BAR = 40


@dataclass(frozen=True)
class FunnelDay:
    """Of the applications that a document of arrived on the day: how many were read, how many decided."""

    day: date
    received: int
    read: int
    decided: int


async def until(session: AsyncSession, last: date) -> list[FunnelDay]:
    """The reported days of the two weeks that end with `last`, as they stood at its end.

    Later days are not looked at, so that the funnel of a past day stays what it was.
    """
    received, after = aliased(ReportedStep), aliased(ReportedStep)
    is_final = and_(
        after.step == ReportStep.DECIDED, after.state != DecisionOutcome.MORE_INFORMATION_NEEDED.value
    )

    def applications(condition: ColumnElement[bool]) -> ColumnElement[int]:
        return func.count(after.application_id.distinct()).filter(condition)

    statement = (
        select(
            ReportedDay.day,
            func.count(received.application_id.distinct()),
            applications(after.step == ReportStep.READ),
            applications(is_final),
        )
        .outerjoin(received, and_(received.day == ReportedDay.day, received.step == ReportStep.RECEIVED))
        .outerjoin(
            after,
            and_(
                after.application_id == received.application_id,
                after.day.between(received.day, last),
            ),
        )
        .where(ReportedDay.day.between(last - timedelta(days=DAYS - 1), last))
        .group_by(ReportedDay.day)
        .order_by(ReportedDay.day)
    )
    return [FunnelDay(*row) for row in await session.execute(statement)]


def table(days: Sequence[FunnelDay]) -> list[dict[str, str | int]]:
    """The rows of a table artifact, the newest first."""
    return [
        {
            "day": row.day.isoformat(),
            "received": row.received,
            "read": row.read,
            "decided": row.decided,
            "still open": row.received - row.decided,
        }
        for row in reversed(days)
    ]


def chart(days: Sequence[FunnelDay]) -> str:
    """Markdown: the last day as bars of text, which everything shows, and all days as a Mermaid chart.

    Prefect's present interface draws Mermaid; its former one shows the source.
    """
    return f"{_bars(days[-1])}\n\n{_mermaid(days)}\n"


def _bars(day: FunnelDay) -> str:
    stages = {"received": day.received, "read": day.read, "decided": day.decided}
    longest = max(1, *stages.values())
    lines = [f"{name:<9} {'█' * (count * _BAR // longest)} {count}" for name, count in stages.items()]
    return "\n".join([f"Received on {day.day}:", "", "```text", *lines, "```"])


def _mermaid(days: Sequence[FunnelDay]) -> str:
    """Bars of one day stand before each other; each stage is part of the one before, so all can be seen."""
    highest = max(1, *(day.received for day in days))
    labels = ", ".join(f'"{day.day:%m-%d}"' for day in days)
    return "\n".join(
        [
            "```mermaid",
            "xychart-beta",
            '    title "Applications by day: received, of them read, of them decided"',
            f"    x-axis [{labels}]",
            f'    y-axis "applications" 0 --> {highest}',
            *(
                f"    bar {[getattr(day, stage) for day in days]}"
                for stage in ("received", "read", "decided")
            ),
            "```",
        ]
    )
