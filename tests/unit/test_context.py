"""What an error that leaves a task may say: Prefect keeps it."""

from __future__ import annotations

import traceback

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.errors import DatabaseUnavailable, Misconfigured, NotFound
from flows.context import discreet, opened, step, transient
from flows.discretion import UnexpectedError

SECRET = "Jane Quimby Sample"


def test_an_unforeseen_error_is_told_by_class_and_place_only() -> None:
    with pytest.raises(UnexpectedError) as caught, discreet():
        raise IntegrityError("INSERT", {"name": SECRET}, ValueError(f"Failing row contains ({SECRET})."))
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert str(caught.value).startswith("IntegrityError in test_an_unforeseen_error")
    assert "(test_context.py:" in str(caught.value)


def test_a_foreseen_error_loses_its_cause_and_keeps_its_words() -> None:
    with pytest.raises(NotFound, match="There is no document") as caught, discreet():
        raise NotFound("There is no document 7.") from ValueError(SECRET)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_trouble_with_the_database_that_passes_is_known_as_such() -> None:
    with pytest.raises(DatabaseUnavailable), discreet():
        raise PoolTimeoutError


async def test_a_step_is_discreet_and_never_persists_its_result() -> None:
    @step(timeout=1, retry_delays=(1, 2))
    async def read_a_name() -> str:
        raise ValueError(SECRET)

    assert read_a_name.persist_result is False
    assert (read_a_name.retries, read_a_name.retry_condition_fn) == (2, transient)
    with pytest.raises(UnexpectedError, match=r"^ValueError in read_a_name"):
        await read_a_name.fn()


async def test_a_setting_that_cannot_work_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_MAIL_SMTP_PORT", "hunter2")
    with pytest.raises(Misconfigured, match="MailSettings is not valid: smtp_port") as caught:
        async with opened():
            pass
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))
