"""Which kinds of documents an application needs, and where it goes when one of them was read."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Collection

import pytest
from pydantic import SecretStr

from app import applications, decisions, routing, status
from app.db import Sessions
from app.encryption import Keyring, new_key
from app.models import (
    Application,
    ApplicationStatus,
    DecisionOutcome,
    Document,
    DocumentStatus,
)
from tests.integration.arrivals import arrive

BOTH_SIDES = ("license-front", "license-back")
KEYRING = Keyring([SecretStr(new_key("test"))])


async def read(sessions: Sessions, document: Document, shows: Collection[str] = ()) -> bool:
    async with sessions.begin() as session:
        return await applications.record_extraction(
            session,
            KEYRING,
            document.id,
            fields={},
            checks=[],
            recommendation="review",
            engine={},
            shows=shows,
        )


async def found_unreadable(sessions: Sessions, document_id: uuid.UUID) -> bool:
    async with sessions.begin() as session:
        return await applications.record_unreadable(
            session, document_id, status=DocumentStatus.UNREADABLE, reason="Too dark."
        )


async def seen(sessions: Sessions) -> tuple[ApplicationStatus, list[str]]:
    """What the loan app is told of the application: its status and the kinds that are missing."""
    async with sessions() as session:
        view = await status.application(session, "A-1")
    return view.status, view.missing_kinds


async def test_without_required_kinds_it_goes_to_review_when_all_is_read(sessions: Sessions) -> None:
    front, back = await arrive(sessions), await arrive(sessions, kind="license-back")
    assert not await read(sessions, front)
    assert await seen(sessions) == (ApplicationStatus.VERIFYING, [])
    assert await read(sessions, back)
    assert await seen(sessions) == (ApplicationStatus.IN_REVIEW, [])


async def test_it_waits_for_the_kind_that_is_missing(sessions: Sessions) -> None:
    front = await arrive(sessions, requires=BOTH_SIDES)
    assert await seen(sessions) == (ApplicationStatus.VERIFYING, ["license-back"])
    assert not await read(sessions, front)
    assert await seen(sessions) == (ApplicationStatus.AWAITING_DOCUMENT, ["license-back"])

    back = await arrive(sessions, kind="license-back", requires=BOTH_SIDES)
    assert await seen(sessions) == (ApplicationStatus.VERIFYING, [])
    assert await read(sessions, back)
    assert await seen(sessions) == (ApplicationStatus.IN_REVIEW, [])


async def test_missing_kinds_are_told_in_the_order_of_the_route(sessions: Sessions) -> None:
    await arrive(sessions, kind="payslip", requires=("passport", "payslip", "license-back"))
    assert (await seen(sessions))[1] == ["passport", "license-back"]


async def test_an_unreadable_document_is_there(sessions: Sessions) -> None:
    front = await arrive(sessions, requires=BOTH_SIDES)
    back = await arrive(sessions, kind="license-back", requires=BOTH_SIDES)
    await read(sessions, front)
    assert await found_unreadable(sessions, back.id)
    assert await seen(sessions) == (ApplicationStatus.IN_REVIEW, [])


async def test_a_picture_of_both_sides_stands_for_both(sessions: Sessions) -> None:
    front = await arrive(sessions, requires=BOTH_SIDES)
    assert await read(sessions, front, shows=BOTH_SIDES)
    assert await seen(sessions) == (ApplicationStatus.IN_REVIEW, [])


async def test_what_was_superseded_counts_no_more(sessions: Sessions) -> None:
    old = await arrive(sessions, requires=BOTH_SIDES, name="card")
    await read(sessions, old, shows=BOTH_SIDES)
    new = await arrive(sessions, requires=BOTH_SIDES, name="card")
    assert not await read(sessions, new)
    # It had gone to review before, and does not leave it for a missing kind; the status tells all the same.
    assert await seen(sessions) == (ApplicationStatus.IN_REVIEW, ["license-back"])


async def test_a_document_that_ends_after_it_was_superseded_moves_nothing(sessions: Sessions) -> None:
    old = await arrive(sessions, name="card")
    new = await arrive(sessions, name="card")
    assert not await read(sessions, old)
    assert (await seen(sessions))[0] is ApplicationStatus.VERIFYING
    assert await read(sessions, new)


async def test_a_run_without_a_result_brings_a_person_when_all_kinds_are_there(sessions: Sessions) -> None:
    front = await arrive(sessions, requires=BOTH_SIDES)
    back = await arrive(sessions, kind="license-back", requires=BOTH_SIDES)
    await read(sessions, back)
    async with sessions.begin() as session:
        await applications.verification_failed(session, front.id, "A person will look at it.")
    assert await seen(sessions) == (ApplicationStatus.IN_REVIEW, [])


async def ask_for_a_payslip(sessions: Sessions) -> None:
    payslip = decisions.NewDecision(
        application_id="A-1",
        source="underwriting-tool",
        idempotency_key="1",
        outcome=DecisionOutcome.MORE_INFORMATION_NEEDED,
        reasons=("A payslip",),
        conditions=(),
        decided_by="underwriter-17",
    )
    async with sessions.begin() as session:
        recorded = await decisions.record(session, routing.shipped(), KEYRING, payslip)
        await decisions.apply(session, recorded.decision.id)


async def test_more_information_is_asked_for_and_sent(sessions: Sessions) -> None:
    assert await read(sessions, await arrive(sessions))
    await ask_for_a_payslip(sessions)
    assert await seen(sessions) == (ApplicationStatus.AWAITING_DOCUMENT, [])
    assert await read(sessions, await arrive(sessions, kind="payslip"))
    assert await seen(sessions) == (ApplicationStatus.IN_REVIEW, [])


async def test_what_was_sent_before_more_was_asked_for_is_read_and_reviewed(sessions: Sessions) -> None:
    assert await read(sessions, await arrive(sessions))
    unread = await arrive(sessions, kind="payslip")
    await ask_for_a_payslip(sessions)
    assert await seen(sessions) == (ApplicationStatus.VERIFYING, [])
    assert await read(sessions, unread)
    assert await seen(sessions) == (ApplicationStatus.IN_REVIEW, [])


async def test_a_document_that_is_read_again_ends_the_wait_for_what_it_shows_too(sessions: Sessions) -> None:
    card = await arrive(sessions, requires=BOTH_SIDES)
    assert not await found_unreadable(sessions, card.id)
    assert await seen(sessions) == (ApplicationStatus.AWAITING_DOCUMENT, ["license-back"])
    async with sessions.begin() as session:
        await applications.verification_restarted(session, card.id)
    assert (await seen(sessions))[0] is ApplicationStatus.VERIFYING
    assert await read(sessions, card, shows=BOTH_SIDES)
    assert await seen(sessions) == (ApplicationStatus.IN_REVIEW, [])


@pytest.mark.parametrize("requires", [(), BOTH_SIDES], ids=["none required", "both required"])
async def test_two_documents_that_end_at_the_same_moment_agree_on_which_was_last(
    sessions: Sessions, requires: tuple[str, ...]
) -> None:
    for _ in range(10):
        front = await arrive(sessions, requires=requires)
        back = await arrive(sessions, kind="license-back", requires=requires)
        ended = await asyncio.gather(read(sessions, front), found_unreadable(sessions, back.id))
        assert sorted(ended) == [False, True]
        assert (await seen(sessions))[0] is ApplicationStatus.IN_REVIEW
        async with sessions.begin() as session:
            application = await session.get_one(Application, "A-1")
            application.status = ApplicationStatus.AWAITING_DOCUMENT
