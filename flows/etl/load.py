"""Into the reporting tables: what is new or has changed is written, what is the same is left alone."""

from __future__ import annotations

from datetime import date

import polars as pl
from sqlalchemy import (
    JSON,
    ColumnElement,
    Table,
    bindparam,
    delete,
    exists,
    func,
    literal_column,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import insert_many
from app.models import Application, ReportedDay, ReportedStep
from flows.etl.transform import Measures, Report

_KEY = ["day", "step", "application_id"]
_BATCH = 20_000
"""Rows for one statement, which has only so much time (SLUICE_DATABASE_STATEMENT_TIMEOUT_SECONDS)."""

_VALUES = ["subject_id", "state", "at", "seconds_since_received", "seconds_since_read"]


def _upsert(new: Insert, table: Table, key: list[str], values: list[str]) -> Insert:
    """Write only rows that differ: a row that is written anew is a change to whoever reads it."""
    given: dict[str, ColumnElement[object]] = {name: new.excluded[name] for name in values}
    differs = tuple_(*(table.c[name] for name in values)).is_distinct_from(tuple_(*given.values()))
    return new.on_conflict_do_update(index_elements=key, set_=given, where=differs)


_steps, _days = (model.metadata.tables[model.__tablename__] for model in (ReportedStep, ReportedDay))
_UPSERT_STEPS = _upsert(insert_many(ReportedStep, *_KEY, *_VALUES), _steps, _KEY, _VALUES).returning(
    ReportedStep.application_id
)
_given = func.json_populate_recordset(
    literal_column("NULL::report_steps"), bindparam("rows", type_=JSON)
).table_valued("step", "application_id", name="given")
_DELETE_OTHERS = (
    delete(ReportedStep)
    .where(
        ReportedStep.day == bindparam("of_day"),
        ~exists().where(_given.c.step == _steps.c.step, _given.c.application_id == _steps.c.application_id),
    )
    .returning(ReportedStep.application_id)
)


async def outlives_its_source(session: AsyncSession, day: date) -> bool:
    """Whether applications in the day's report have been purged since: it cannot be made again."""
    purged = (
        select(ReportedStep)
        .join(Application, Application.id == ReportedStep.application_id)
        .where(ReportedStep.day == day, Application.purged_at.is_not(None))
    )
    return bool(await session.scalar(select(purged.exists())))


async def into_tables(
    session: AsyncSession, day: date, time_zone: str, report: Report, measures: Measures
) -> int:
    """Make the tables say of the day what the report says; returns how many rows of steps have changed.

    The day's row is written first, also when nothing changes: PostgreSQL then locks it, so that two runs of
    the same day wait for each other.
    """
    left_out = {"duplicates": report.duplicates, "without_key": report.without_key}
    numbers = {"time_zone": time_zone, **measures, **left_out}
    new_day = insert(ReportedDay).values(day=day, **numbers)
    await session.execute(_upsert(new_day, _days, ["day"], list(numbers)))
    keys = {"rows": report.rows.select("step", "application_id").to_dicts(), "of_day": day}
    changed = len((await session.scalars(_DELETE_OTHERS, keys)).all())
    for rows in _as_json(report.rows).iter_slices(_BATCH):
        changed += len((await session.scalars(_UPSERT_STEPS, {"rows": rows.to_dicts()})).all())
    return changed


def _as_json(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(
        pl.col("day").dt.strftime("%Y-%m-%d"), pl.col("at").dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
    )
