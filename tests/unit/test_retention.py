"""What is old enough to be purged."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from app import models  # noqa: F401 (the models fill Base.metadata)
from app.db import Base
from app.retention import Cutoffs, cutoffs
from app.settings import LONGEST_REDELIVERY_DAYS, RetentionSettings

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def test_without_a_period_nothing_is_old_enough() -> None:
    which = cutoffs(RetentionSettings(), now=NOW)
    assert which == Cutoffs()
    assert not which.any()


def test_each_kind_has_its_own_period() -> None:
    settings = RetentionSettings(documents_days=30, notifications_days=0.5)
    assert cutoffs(settings, now=NOW) == Cutoffs(
        documents=datetime(2026, 10, 21, tzinfo=UTC), notifications=datetime(2026, 11, 19, 12, tzinfo=UTC)
    )


def test_a_given_time_replaces_the_periods_but_never_reaches_runs_that_may_be_told_of_again() -> None:
    yesterday = NOW - timedelta(days=1)
    which = cutoffs(RetentionSettings(documents_days=900), now=NOW, before=yesterday)
    assert which == Cutoffs(yesterday, yesterday, yesterday, NOW - timedelta(days=LONGEST_REDELIVERY_DAYS))
    long_ago = NOW - timedelta(days=400)
    assert cutoffs(RetentionSettings(), now=NOW, before=long_ago).runs == long_ago


def test_every_table_that_hangs_on_an_application_is_erased_with_it() -> None:
    """A new one is to be taught to app/erasure.py, and then added here."""
    reached = {"applications"}
    for _ in Base.metadata.tables:
        for table in Base.metadata.tables.values():
            if {key.column.table.name for key in table.foreign_keys} & reached:
                reached.add(table.name)
    assert reached == {
        *("applications", "assessments", "decisions", "documents", "emails", "extractions", "fingerprints"),
        "runs",
    }


@pytest.mark.parametrize("name", ["documents_days", "applications_days", "notifications_days", "runs_days"])
def test_a_period_that_would_remove_everything_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        RetentionSettings.model_validate({name: 0})


def test_runs_are_kept_for_longer_than_sns_may_send_again() -> None:
    with pytest.raises(ValidationError):
        RetentionSettings(runs_days=LONGEST_REDELIVERY_DAYS)
