"""From rows as they were read to a day's report: pure functions, the same for the same rows in any order."""

from __future__ import annotations

import hashlib
import io
from datetime import date

import polars as pl

from app.models import DecisionOutcome, ReportStep

_KEY = ["step", "application_id"]
_NEEDED = [*_KEY, "subject_id", "state", "at"]
_FINAL = [DecisionOutcome.APPROVED.value, DecisionOutcome.DENIED.value]

Measures = dict[str, float | None]
"""A day in numbers, by the names of the columns of `report_days`."""


class Report:
    """A day's rows, made ready, and what was left out.

    No dataclass, and with slots: what Prefect can take apart among a subflow's arguments, it stores.
    """

    __slots__ = ("duplicates", "parquet", "rows", "without_key")

    def __init__(self, rows: pl.DataFrame, *, duplicates: int, without_key: int) -> None:
        self.rows = rows
        self.duplicates = duplicates
        self.without_key = without_key
        self.parquet = to_parquet(rows)

    @property
    def digest(self) -> str:
        """SHA-256 of the rows: reports with the same digest say the same."""
        return hashlib.sha256(self.parquet).hexdigest()


def report(day: date, extracted: pl.DataFrame) -> Report:
    """Normalise, drop what has no key, and let each application take each step once.

    Of several steps of the same kind the first counts for `received`, since from then on somebody waits, and
    the last for the others: it says how the application left the day.
    """
    keyed = _normalised(extracted).drop_nulls(_NEEDED)
    in_time = keyed.sort("at", pl.exclude("at"))
    received = pl.col("step") == ReportStep.RECEIVED.value
    kept = pl.concat(
        [
            in_time.filter(received).unique(_KEY, keep="first"),
            in_time.filter(~received).unique(_KEY, keep="last"),
        ]
    )
    rows = kept.sort(_KEY).select(
        pl.lit(day).alias("day"),
        *_NEEDED,
        _seconds_since("first_received_at").alias("seconds_since_received"),
        _seconds_since("last_read_at").alias("seconds_since_read"),
    )
    return Report(rows, duplicates=keyed.height - kept.height, without_key=extracted.height - keyed.height)


def _normalised(rows: pl.DataFrame) -> pl.DataFrame:
    """No space around texts, none instead of empty ones, steps and states in lower case."""
    trimmed = rows.with_columns(pl.col(pl.String).str.strip_chars().replace("", None))
    return trimmed.with_columns(pl.col("step", "state").str.to_lowercase())


def _seconds_since(column: str) -> pl.Expr:
    """To the millisecond; null for what had not happened yet."""
    seconds = ((pl.col("at") - pl.col(column)).dt.total_microseconds() / 1_000_000).round(3)
    return pl.when(seconds >= 0).then(seconds)


def to_parquet(rows: pl.DataFrame) -> bytes:
    """The same bytes for the same rows, as long as polars stays the same."""
    buffer = io.BytesIO()
    rows.write_parquet(buffer, compression="zstd", compression_level=3)
    return buffer.getvalue()


def measures(rows: pl.DataFrame) -> Measures:
    """How many applications took each step, and how long it took them in seconds: median, 95th percentile."""
    step, state = pl.col("step"), pl.col("state")
    is_final = (step == ReportStep.DECIDED.value) & state.is_in(_FINAL)
    to_read = pl.col("seconds_since_received").filter(step == ReportStep.READ.value)
    to_decide = pl.col("seconds_since_read").filter(is_final)
    measured = rows.select(
        (step == ReportStep.RECEIVED.value).sum().alias("received"),
        (step == ReportStep.READ.value).sum().alias("read"),
        is_final.sum().alias("decided"),
        (step == ReportStep.FAILED.value).sum().alias("failed"),
        to_read.median().round(3).alias("read_seconds_median"),
        to_read.quantile(0.95, "nearest").alias("read_seconds_p95"),
        to_decide.median().round(3).alias("decision_seconds_median"),
        to_decide.quantile(0.95, "nearest").alias("decision_seconds_p95"),
    )
    return measured.row(0, named=True)
