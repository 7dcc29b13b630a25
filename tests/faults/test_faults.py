"""Thousands of notifications while everything breaks: what must hold afterwards, promise by promise.

`SEED=… make test-faults` has the same storm again; `LONG=1` every fault at least three times.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from pydantic import SecretStr

from app.db import dedicated
from app.dev.process import PartFailed
from app.models import Run, RunState
from app.settings import DatabaseSettings
from tests.faults import checks
from tests.faults.faults import Storm, tell
from tests.faults.rig import Rig
from tests.faults.schedule import one_of_each, plan
from tests.faults.sender import Load, Sender

LONG = bool(os.environ.get("LONG"))
SEED = int(os.environ.get("SEED") or random.randrange(1_000_000))
RIGHT_AGAIN_SECONDS = 10.0
"""The projection is right again within this time of the last fault's end."""


@dataclass
class Aftermath:
    """The rig when the storm is over, everything was delivered and nothing moves any more."""

    rig: Rig
    sender: Sender
    storm: Storm
    agreed_after: float | None
    answered: set[str]
    runs: list[Run]
    moving: list[str]


LOAD, ROUNDS, ROUND_SECONDS = (
    (Load(uploads=320, messages=100, documents=36, notifications=3_000, seconds=450), 3, 150.0)
    if LONG
    else (Load(uploads=75, messages=23, documents=2, notifications=2_400, seconds=60), 1, 60.0)
)
SNS_RETRY_SECONDS = 20.0 if LONG else 6.0
"""SNS itself waits 20 s; the short storm has not that much time."""


@pytest.fixture(scope="module")
async def aftermath(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Aftermath]:
    tell(f"\nSEED={SEED}{' LONG=1' if LONG else ''} make test-faults has this storm again.")
    async with Rig(tmp_path_factory.mktemp("faults") / ".sluice", retry_seconds=SNS_RETRY_SECONDS) as rig:
        tell(f"The logs are in {rig.stack.folder.logs}.")
        sender = Sender(rig, LOAD, SEED)
        storm, steps = Storm(rig, sender), plan(SEED, rounds=ROUNDS, round_seconds=ROUND_SECONDS)
        async with rig.supervised():
            sending = asyncio.create_task(sender.run())
            await storm.run(steps)
            agreed_after = await checks.seconds_until_states_agree(rig, within=RIGHT_AGAIN_SECONDS)
            await sending
            runs = await checks.until_nothing_moves(rig, within=240 if LONG else 90)
        tell(f"{sender.notifications} notifications, answers {sender.attempts()}, {_by_state(runs)}.")
        tell(f"States agreed {agreed_after} s after the storm. By itself ended: {rig.ended_by_themselves}.")
        yield Aftermath(rig, sender, storm, agreed_after, sender.answered(), runs, checks.moving(rig, runs))


def _by_state(runs: list[Run]) -> str:
    counts = Counter(run.state for run in runs)
    return ", ".join(f"{count} runs {state}" for state, count in counts.most_common())


async def test_the_storm_was_one(aftermath: Aftermath) -> None:
    """Every fault happened, deliveries failed, were tried again and came through after all."""
    assert Counter(aftermath.storm.done) == dict.fromkeys(one_of_each(), ROUNDS)
    assert aftermath.sender.notifications >= 2_000
    attempts = aftermath.sender.attempts()
    assert attempts["200"] >= 2_000
    assert set(attempts) == {"200", "503", "none"}


async def test_what_was_asked_to_end_ended_well(aftermath: Aftermath) -> None:
    assert aftermath.storm.complaints == []


async def test_no_part_of_ours_ended_by_itself(aftermath: Aftermath) -> None:
    await checks.every_part_is_alive(aftermath.rig)


async def test_every_notification_answered_with_200_has_its_row(aftermath: Aftermath) -> None:
    await checks.every_answered_notification_has_its_row(aftermath.rig, aftermath.answered)


async def test_every_cause_has_exactly_one_run(aftermath: Aftermath) -> None:
    await checks.every_cause_has_one_run(aftermath.rig, aftermath.sender.causes(), aftermath.answered)


async def test_every_run_has_exactly_one_flow_run_in_prefect(aftermath: Aftermath) -> None:
    await checks.every_run_has_one_flow_run(aftermath.rig)


async def test_no_run_is_dead(aftermath: Aftermath) -> None:
    assert [run.last_error for run in aftermath.runs if run.state is RunState.DEAD] == []


async def test_every_run_ended_unless_it_lost_its_worker(aftermath: Aftermath) -> None:
    assert aftermath.moving == []


async def test_states_were_right_again_within_ten_seconds(aftermath: Aftermath) -> None:
    assert aftermath.agreed_after is not None, await checks.disagreements(aftermath.rig)


async def test_every_run_is_in_the_state_prefect_has_it_in(aftermath: Aftermath) -> None:
    await checks.every_state_is_prefects(aftermath.rig)


async def test_reconcile_says_0_0_0(aftermath: Aftermath) -> None:
    await checks.reconcile_finds_nothing(aftermath.rig)


async def test_the_audit_chain_verifies(aftermath: Aftermath) -> None:
    await checks.the_audit_chain_is_whole(aftermath.rig)


async def test_no_connection_was_leaked(aftermath: Aftermath) -> None:
    await checks.connections_are_as_when_idle(aftermath.rig)


async def test_each_check_fails_when_its_promise_is_broken(aftermath: Aftermath) -> None:
    """The promises above were kept; here they are broken one after the other."""
    rig, answered, causes = aftermath.rig, aftermath.answered, aftermath.sender.causes()
    lost = next(
        id_ for cause in causes if cause.kind == "upload" for id_ in cause.message_ids if id_ in answered
    )

    async with rig.database() as connection:
        await connection.execute("DELETE FROM notifications WHERE message_id = $1", lost)
        with pytest.raises(AssertionError, match="have no row"):
            await checks.every_answered_notification_has_its_row(rig, answered)

        ended = "SELECT id FROM runs WHERE route = 'uploaded-drill' AND state = 'COMPLETED' ORDER BY id"
        first, second, *_ = [row["id"] for row in await connection.fetch(ended)]
        await connection.execute("UPDATE runs SET state = 'FAILED' WHERE id = $1", first)
        assert len(await checks.disagreements(rig)) == 1
        with pytest.raises(AssertionError, match="1 of"):
            await checks.every_state_is_prefects(rig)
        with pytest.raises(AssertionError, match="disagreements"):
            await checks.reconcile_finds_nothing(rig)

        await connection.execute("DELETE FROM runs WHERE id = $1", second)
        with pytest.raises(AssertionError, match="1 causes have no run"):
            await checks.every_cause_has_one_run(rig, causes, answered)
        with pytest.raises(AssertionError, match="1 flow runs have no run"):
            await checks.every_run_has_one_flow_run(rig)

        await connection.execute("UPDATE audit_log SET subject = 'notification:another' WHERE position = 1")
        with pytest.raises(AssertionError, match="broken at position 1"):
            await checks.the_audit_chain_is_whole(rig)

    url = rig.stack.settings["SLUICE_DATABASE_URL"]
    async with dedicated(DatabaseSettings(url=SecretStr(url)), "sluice-listen"):
        with pytest.raises(AssertionError, match="connections were left"):
            await checks.connections_are_as_when_idle(rig)

    os.kill(rig.followers[0].pid, signal.SIGKILL)
    await asyncio.sleep(0.2)
    with pytest.raises(PartFailed, match="follower 1 ended"):
        await checks.every_part_is_alive(rig)
    await rig.start(rig.followers[0])

    with pytest.raises(AssertionError, match="processes were left"):
        await checks.no_process_is_left({rig.followers[0].pid})


async def test_when_everything_has_stopped_nothing_is_left(aftermath: Aftermath) -> None:
    await checks.stopped_parts_leave_no_connection(aftermath.rig)
    await aftermath.rig.stop()
    await checks.no_process_is_left(aftermath.rig.groups)
    assert all(link.open_connections == 0 for link in aftermath.rig.links.values())
