"""Group commit: who is alone does not wait, who is in company shares, and nobody suffers for a neighbour."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from app import inbox, routing
from app.db import Sessions
from app.dev.sns_signing import Signer, now
from app.group_commit import GroupCommit
from app.models import Application, Document, DocumentStatus, Notification, NotificationOutcome, Run
from app.sns import parse
from tests.web.conftest import TOPIC, s3_event

ROUTES = routing.shipped()
SIGNER = Signer("http://127.0.0.1:9")


def _intake(
    number: int, *, application: str = "A-1", message: int | None = None, sequencer: str = "0A"
) -> inbox.Intake:
    key = f"applications/{application}/license-front/{number}.jpg"
    envelope = SIGNER.envelope(
        {
            "Type": "Notification",
            "MessageId": f"00000000-0000-4000-8000-{message if message is not None else number:012d}",
            "TopicArn": TOPIC,
            "Message": s3_event(key, etag=f"{number}-{sequencer}", sequencer=sequencer),
            "Timestamp": now(),
        }
    )
    return inbox.read(ROUTES, parse(envelope), envelope)


async def _count(sessions: Sessions, table: type) -> int:
    async with sessions() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


class Groups:
    """Commits with the inbox, slowly enough for company to gather, and keeps the size of each group."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self.sizes: list[int] = []

    async def commit(self, intakes: Sequence[inbox.Intake]) -> list[NotificationOutcome]:
        self.sizes.append(len(intakes))
        await asyncio.sleep(0.02)
        return await inbox.commit(self._sessions, intakes)


async def test_alone_is_committed_at_once_and_what_comes_meanwhile_shares_the_next_commit(
    sessions: Sessions,
) -> None:
    groups = Groups(sessions)
    group: GroupCommit[inbox.Intake, NotificationOutcome] = GroupCommit(groups.commit)
    first = asyncio.create_task(group.submit(_intake(0)))
    await asyncio.sleep(0.01)
    others = await asyncio.gather(*(group.submit(_intake(number)) for number in range(1, 9)))

    assert [await first, *others] == [NotificationOutcome.ROUTED] * 9
    assert groups.sizes == [1, 8]
    assert await _count(sessions, Run) == 9


async def test_a_group_has_a_limit(sessions: Sessions) -> None:
    groups = Groups(sessions)
    group: GroupCommit[inbox.Intake, NotificationOutcome] = GroupCommit(groups.commit, most=3)
    await asyncio.gather(*(group.submit(_intake(number)) for number in range(7)))

    assert groups.sizes == [3, 3, 1]


async def test_a_row_that_cannot_be_stored_fails_alone(sessions: Sessions) -> None:
    async def insert(names: Sequence[str]) -> list[str]:
        async with sessions.begin() as session:
            for name in names:
                statement = "INSERT INTO applications (id, status, version) VALUES (:id, :status, 1)"
                status = "awaiting_document" if name != "bad" else "no such status"
                await session.execute(text(statement), {"id": name, "status": status})
        return list(names)

    group = GroupCommit(insert)
    answers = await asyncio.gather(
        *(group.submit(name) for name in ("A-1", "bad", "A-2")), return_exceptions=True
    )

    assert answers[0] == "A-1"
    assert isinstance(answers[1], DBAPIError)
    assert answers[2] == "A-2"
    assert await _count(sessions, Application) == 2


async def test_an_outage_fails_the_group_once_and_is_not_asked_again_for_each(sessions: Sessions) -> None:
    attempts = 0

    async def unreachable(items: Sequence[int]) -> list[int]:
        nonlocal attempts
        attempts += 1
        raise ConnectionRefusedError

    group = GroupCommit(unreachable)
    answers = await asyncio.gather(*(group.submit(number) for number in range(5)), return_exceptions=True)

    assert [type(answer) for answer in answers] == [ConnectionRefusedError] * 5
    assert attempts == 1


async def test_who_goes_away_takes_nobody_along(sessions: Sessions) -> None:
    groups = Groups(sessions)
    group: GroupCommit[inbox.Intake, NotificationOutcome] = GroupCommit(groups.commit)
    tasks = [asyncio.create_task(group.submit(_intake(number))) for number in range(4)]
    await asyncio.sleep(0.01)
    tasks[0].cancel()
    waiting = asyncio.create_task(group.submit(_intake(4)))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(*tasks, waiting, return_exceptions=True)
    await group.finish()

    assert tasks[0].cancelled()
    assert [task.result() for task in tasks[1:]] == [NotificationOutcome.ROUTED] * 3
    assert groups.sizes == [4]


async def test_the_same_message_twice_in_one_group_starts_one_run(sessions: Sessions) -> None:
    outcomes = await inbox.commit(sessions, [_intake(1), _intake(1)])

    assert sorted(outcomes) == [NotificationOutcome.DUPLICATE, NotificationOutcome.ROUTED]
    assert await _count(sessions, Notification) == 1
    assert await _count(sessions, Run) == 1


async def test_two_messages_about_one_upload_in_one_group_start_one_run(sessions: Sessions) -> None:
    outcomes = await inbox.commit(sessions, [_intake(1), _intake(1, message=2)])

    assert sorted(outcomes) == [NotificationOutcome.DUPLICATE, NotificationOutcome.ROUTED]
    assert await _count(sessions, Notification) == 2
    assert await _count(sessions, Run) == 1


@pytest.mark.parametrize("order", [("0A", "0B", "0C"), ("0C", "0B", "0A"), ("0B", "0C", "0A")])
async def test_of_several_versions_in_one_group_the_latest_is_read(
    sessions: Sessions, order: Sequence[str]
) -> None:
    await inbox.commit(sessions, [_intake(1, message=9, sequencer="09")])
    await inbox.commit(
        sessions, [_intake(1, message=number, sequencer=name) for number, name in enumerate(order)]
    )

    async with sessions() as session:
        statuses = dict((await session.execute(select(Document.sequencer, Document.status))).all())
    assert {name for name, status in statuses.items() if status is not DocumentStatus.SUPERSEDED} == {"0C"}


async def test_groups_of_several_processes_about_the_same_applications_do_not_deadlock(
    sessions: Sessions,
) -> None:
    """Each commits the same messages, and others, in an order of its own."""
    names = [f"A-{number}" for number in range(6)]

    async def process(number: int) -> list[NotificationOutcome]:
        group = GroupCommit(partial(inbox.commit, sessions), most=7)
        turned = names[number:] + names[:number]
        same = [_intake(index, application=name) for index, name in enumerate(sorted(names))]
        own = [_intake(100 * (number + 1) + index, application=name) for index, name in enumerate(turned)]
        mixed = own[::2] + same[number:] + own[1::2] + same[:number]
        return await asyncio.gather(*(group.submit(intake) for intake in mixed))

    outcomes = await asyncio.gather(*(process(number) for number in range(6)))

    routed = sum(outcome is NotificationOutcome.ROUTED for each in outcomes for outcome in each)
    assert routed == 6 + 6 * 6
    assert await _count(sessions, Run) == routed
