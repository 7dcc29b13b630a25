"""The `daily-etl` flow: what happened to the applications on a day, as tables, a file and a funnel.

A day's report is a function of the database. So running a day again changes nothing, or what has changed in
the database since, and every stage may be tried again. Ids, states and times are all that is read; rows
travel from stage to stage in memory, and Prefect is given numbers.
"""

from __future__ import annotations

import hashlib
import inspect
import uuid
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any, ParamSpec, TypeVar
from zoneinfo import ZoneInfo

import polars as pl
from prefect import Flow, flow, runtime
from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact
from prefect.cache_policies import CacheKeyFnPolicy
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from pydantic import BaseModel, ConfigDict, ValidationError

from app import notifications
from app.object_store import ObjectStore
from flows.context import PATIENT, Context, discreet, opened, step
from flows.etl import extract, funnel, load, transform
from flows.etl.transform import Measures, Report

P = ParamSpec("P")
R = TypeVar("R")

_PARQUET = "application/vnd.apache.parquet"


def stage(name: str) -> Callable[[Callable[P, R]], Flow[P, R]]:
    """A subflow, tried again as a whole once its steps have given up trying again."""
    return flow(
        name=f"daily-etl-{name}",
        flow_run_name=f"{name} {{day}}",
        retries=1,
        retry_delay_seconds=10,
        persist_result=False,
        validate_parameters=False,
    )


class Rows:
    """What the first stage hands to the second. With slots, as `Report` is."""

    __slots__ = ("frame",)

    def __init__(self, frame: pl.DataFrame) -> None:
        self.frame = frame


class _Message(BaseModel):
    """What a message must say that starts the flow."""

    model_config = ConfigDict(extra="ignore")

    day: date


def _name() -> str:
    """With the day, where the run was given one."""
    day = runtime.flow_run.parameters.get("day")
    return f"report {day}" if day else "report"


@flow(name="daily-etl", flow_run_name=_name, timeout_seconds=1_800, persist_result=False)
async def daily_etl(day: date | None = None, notification_id: uuid.UUID | None = None) -> State[None]:
    """Report one day: `day`, or the one that a notification's message names, or the last that is over."""
    with discreet():
        async with opened() as context:
            zone = ZoneInfo(context.settings.reports.time_zone)
            if notification_id is not None:
                day = await day_of_message(context, notification_id)
                if day is None:
                    return Failed(message='The message names no day, such as {"day": "2026-11-20"}.')
            # A run that starts late reports the day that it was scheduled for.
            scheduled = runtime.flow_run.scheduled_start_time.astimezone(zone).date()
            return await _report(context, day or scheduled - timedelta(days=1), zone)


async def _report(context: Context, day: date, zone: ZoneInfo) -> State[None]:
    today = datetime.now(zone).date()
    if day > today:
        return Failed(message=f"{day} has not begun in {zone}.")
    if await outlives_its_source(context, day):
        return Completed(
            name="Kept", message=f"{day}: some of it was purged since, so its report stays as it is."
        )
    rows = await extracted(context, day)
    report, measures = await transformed(day, rows)
    changed, file = await loaded(context, day, report, measures)
    await publish(context, day)
    return Completed(
        message=f"{day}{' so far' if day == today else ''}: {_counts(measures)}. Left out: "
        f"duplicates {report.duplicates}, rows without a key {report.without_key}. "
        f"Rows changed in the tables: {changed}. {file}"
    )


def _counts(measures: Measures) -> str:
    return ", ".join(f"{measures[name]} {name}" for name in ("received", "read", "decided", "failed"))


@stage("extract")
async def extracted(context: Context, day: date) -> Rows:
    """The first stage: the day's steps as they are in the database now."""
    with discreet():
        return await read_rows(context, day)


@stage("transform")
async def transformed(day: date, rows: Rows) -> tuple[Report, Measures]:
    """The second: the rows made ready, and measured unless the same rows have been before."""
    with discreet():
        report = await make_ready(day, rows)
        return report, await measure(report)


@stage("load")
async def loaded(context: Context, day: date, report: Report, measures: Measures) -> tuple[int, str]:
    """The third: tables, then the file. Returns how many rows have changed, and a sentence about the file."""
    with discreet():
        changed = await load_tables(context, day, report, measures)
        if context.settings.reports.bucket is None:
            return changed, "No file: SLUICE_REPORTS_BUCKET is not set."
        key = f"{context.settings.reports.prefix}{day}.parquet"
        stored = await store_file(context, context.settings.reports.bucket, key, report)
        return changed, f"File {key} {'stored' if stored else 'unchanged'}."


@step(timeout=30, retry_delays=PATIENT)
async def day_of_message(context: Context, notification_id: uuid.UUID) -> date | None:
    """The day that the notification's message names; None when it names none."""
    async with context.sessions() as session:
        message = await notifications.message_of(session, notification_id)
    try:
        return _Message.model_validate_json(message).day
    except ValidationError:
        return None


@step(timeout=30, retry_delays=PATIENT)
async def outlives_its_source(context: Context, day: date) -> bool:
    """Whether the day was reported before what it is about was purged."""
    async with context.sessions() as session:
        return await load.outlives_its_source(session, day)


@step(timeout=120, retry_delays=PATIENT)
async def read_rows(context: Context, day: date) -> Rows:
    """All that happened on the day."""
    begin, end = extract.bounds(day, ZoneInfo(context.settings.reports.time_zone))
    async with context.sessions() as session:
        return Rows(await extract.rows_of(session, begin, end))


@step(timeout=120)
async def make_ready(day: date, rows: Rows) -> Report:
    """Normalised, without duplicates and without rows that have no key."""
    return transform.report(day, rows.frame)


_MEASURED_BY = hashlib.sha256(inspect.getsource(transform).encode()).hexdigest()


def _by_content(_run: object, arguments: dict[str, Any]) -> str:
    """The same for the same rows, measured by the same code."""
    return f"daily-etl-{arguments['report'].digest}-{_MEASURED_BY}"


@step(timeout=120, cached_by=CacheKeyFnPolicy(cache_key_fn=_by_content))
async def measure(report: Report) -> Measures:
    """The day in numbers."""
    return transform.measures(report.rows)


@step(timeout=120, retry_delays=PATIENT)
async def load_tables(context: Context, day: date, report: Report, measures: Measures) -> int:
    """In one transaction. Returns how many rows have changed."""
    time_zone = context.settings.reports.time_zone
    async with context.sessions.begin() as session:
        return await load.into_tables(session, day, time_zone, report, measures)


@step(timeout=120, retry_delays=PATIENT)
async def store_file(context: Context, bucket: str, key: str, report: Report) -> bool:
    """The day's Parquet file; returns whether it had to be stored."""
    return await ObjectStore(context.settings.s3).keep(bucket, key, report.parquet, _PARQUET)


@step(timeout=60, retry_delays=PATIENT)
async def publish(context: Context, day: date) -> None:
    """The funnel as artifacts, to be seen with the run and, by its key, day after day."""
    async with context.sessions() as session:
        days = await funnel.until(session, day)
    await acreate_table_artifact(
        key="daily-funnel",
        table=funnel.table(days),
        description=f"Applications by the day a document of them arrived, as they stood at the end of {day}.",
    )
    await acreate_markdown_artifact(key="daily-funnel-chart", markdown=funnel.chart(days))
