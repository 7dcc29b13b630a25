"""The daily report: what counts, what is left out, and that the order of the rows does not matter."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.etl import extract, funnel, transform
from flows.etl.funnel import FunnelDay
from flows.etl.transform import Report

DAY = date(2026, 11, 20)
NINE = datetime(2026, 11, 20, 9, tzinfo=UTC)

Row = tuple[Any, ...]


def row(step: str, application: str | None, minutes: float, **others: Any) -> Row:
    """A step so many minutes after nine; the application's first document arrived at nine."""
    values = {
        "step": step,
        "application_id": application,
        "subject_id": f"{step}-{minutes}",
        "state": "some",
        "at": NINE + timedelta(minutes=minutes),
        "first_received_at": NINE,
        "last_read_at": None,
    }
    return tuple((values | others).values())


def report(rows: Sequence[Row]) -> Report:
    return transform.report(DAY, pl.DataFrame(rows, schema=extract.SCHEMA, orient="row"))


def test_of_received_the_first_counts_and_of_all_else_the_last() -> None:
    made = report(
        [
            row("received", "A-1", 1),
            row("received", "A-1", 0),
            row("decided", "A-1", 60, state="more_information_needed"),
            row("decided", "A-1", 300, state="approved"),
            row("read", "A-1", 3),
            row("read", "A-1", 2),
        ]
    )
    assert made.rows.select("step", "subject_id", "state").rows() == [
        ("decided", "decided-300", "approved"),
        ("read", "read-3", "some"),
        ("received", "received-0", "some"),
    ]
    assert (made.duplicates, made.without_key) == (3, 0)


def test_what_belongs_to_no_application_is_left_out_and_counted() -> None:
    made = report([row("failed", None, 1), row("failed", "  ", 2), row("failed", "A-1", 3)])
    assert made.rows["application_id"].to_list() == ["A-1"]
    assert (made.duplicates, made.without_key) == (0, 2)


def test_the_same_written_differently_is_the_same() -> None:
    made = report([row("failed", " A-1", 1, state="FAILED"), row("FAILED", "A-1 ", 2, state="Crashed")])
    assert made.rows.select("step", "application_id", "state").rows() == [("failed", "A-1", "crashed")]


def test_times_are_measured_from_the_step_before_and_never_backwards() -> None:
    made = report(
        [
            row("read", "A-1", 0.25),
            row("decided", "A-1", 61, last_read_at=NINE + timedelta(minutes=1)),
            row("read", "A-2", -1),
            row("failed", "A-3", 5, first_received_at=None),
        ]
    )
    seconds = made.rows.select("application_id", "step", "seconds_since_received", "seconds_since_read")
    assert sorted(seconds.rows()) == [
        ("A-1", "decided", 3_660.0, 3_600.0),
        ("A-1", "read", 15.0, None),
        ("A-2", "read", None, None),
        ("A-3", "failed", None, None),
    ]


def test_a_day_in_numbers() -> None:
    rows = [row("received", f"A-{number}", 0) for number in range(21)]
    rows += [row("read", f"A-{number}", number) for number in range(21)]
    rows += [
        row("decided", "A-1", 60, state="approved", last_read_at=NINE),
        row("decided", "A-2", 120, state="denied", last_read_at=NINE),
        row("decided", "A-3", 1, state="more_information_needed", last_read_at=NINE),
        row("failed", "A-4", 1),
    ]
    assert transform.measures(report(rows).rows) == {
        "received": 21,
        "read": 21,
        "decided": 2,
        "failed": 1,
        "read_seconds_median": 600.0,
        "read_seconds_p95": 1_140.0,
        "decision_seconds_median": 5_400.0,
        "decision_seconds_p95": 7_200.0,
    }


def test_a_day_on_which_nothing_happened_is_a_report_too() -> None:
    made = report([])
    assert transform.measures(made.rows)["received"] == 0
    assert transform.measures(made.rows)["read_seconds_median"] is None
    assert pl.read_parquet(io.BytesIO(made.parquet)).schema == report([row("read", "A-1", 1)]).rows.schema


applications = st.sampled_from([None, "", " ", "A-1", "A-1 ", "A-2", "B.7"])
times = st.timedeltas(timedelta(-1), timedelta(1)).map(lambda since: NINE + since)
any_rows = st.lists(
    st.tuples(
        st.sampled_from(["received", "read", "decided", "failed", "READ"]),
        applications,
        st.sampled_from([None, "x", "y", "z"]),
        st.sampled_from(["verified", "Approved", "denied", "FAILED"]),
        times,
        st.none() | times,
        st.none() | times,
    ),
    max_size=30,
)


@given(rows=any_rows, seed=st.integers())
def test_neither_order_nor_repetition_changes_the_report(rows: list[Row], seed: int) -> None:
    made = report(rows)
    again = [*rows, *rows[: len(rows) // 2]]
    random.Random(seed).shuffle(again)
    assert report(again).parquet == made.parquet


@given(rows=any_rows)
def test_every_row_is_in_the_report_or_counted_as_left_out(rows: list[Row]) -> None:
    made = report(rows)
    assert made.rows.height + made.duplicates + made.without_key == len(rows)
    assert made.rows.select("step", "application_id").is_unique().all()
    needed = made.rows.drop("seconds_since_received", "seconds_since_read")
    assert sum(needed.null_count().row(0)) == 0
    for name in ("seconds_since_received", "seconds_since_read"):
        assert made.rows[name].drop_nulls().ge(0).all()


@given(rows=any_rows)
def test_the_file_holds_the_report(rows: list[Row]) -> None:
    made = report(rows)
    assert pl.read_parquet(io.BytesIO(made.parquet)).equals(made.rows)


@pytest.mark.parametrize(
    ("zone", "day", "begin", "hours"),
    [
        ("UTC", DAY, datetime(2026, 11, 20, tzinfo=UTC), 24),
        ("America/New_York", DAY, datetime(2026, 11, 20, 5, tzinfo=UTC), 24),
        ("America/New_York", date(2026, 3, 8), datetime(2026, 3, 8, 5, tzinfo=UTC), 23),
        ("America/New_York", date(2026, 11, 1), datetime(2026, 11, 1, 4, tzinfo=UTC), 25),
    ],
)
def test_a_day_is_one_by_the_clock_of_its_time_zone(
    zone: str, day: date, begin: datetime, hours: int
) -> None:
    first, end = extract.bounds(day, ZoneInfo(zone))
    assert first == begin
    assert end - first == timedelta(hours=hours)


def test_the_funnel_is_a_table_with_the_newest_day_first_and_a_chart() -> None:
    days = [FunnelDay(date(2026, 11, 19), 8, 8, 8), FunnelDay(DAY, 12, 11, 6)]
    assert funnel.table(days)[0] == {
        "day": "2026-11-20",
        "received": 12,
        "read": 11,
        "decided": 6,
        "still open": 6,
    }
    chart = funnel.chart(days)
    assert f"received  {'█' * 40} 12\n" in chart
    assert f"decided   {'█' * 20} 6\n" in chart
    assert '    x-axis ["11-19", "11-20"]\n' in chart
    assert "    bar [8, 12]\n    bar [8, 11]\n    bar [8, 6]\n" in chart


def test_a_chart_of_nothing_can_be_drawn() -> None:
    assert '"applications" 0 --> 1\n    bar [0]' in funnel.chart([FunnelDay(DAY, 0, 0, 0)])
