"""Routes to flows beside the loan: any JSON message starts one, a message on a topic of its own another."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from app.dev.orchestrator import PROJECT
from app.models import Notification, Run
from tests.e2e.conftest import EXAMPLE_ROUTES, REPORTS_TOPIC_ARN, Driver, until

SLUICE = Path(sys.executable).with_name("sluice")
MESSAGE = {"account": "4711", "amount": 12.5}


async def command(driver: Driver, *words: str | Path) -> str:
    """Run a program with the stack's own environment; its output when it ends well."""
    process = await asyncio.create_subprocess_exec(
        *words,
        env=driver.stack.environment,
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


@pytest.fixture(scope="module")
async def deployed(driver: Driver) -> None:
    """Deploy the example as docs/routes.md says."""
    options = ("--all", "--no-prompt", "--prefect-file", "examples/prefect.yaml")
    await command(driver, sys.executable, "-m", "prefect", "deploy", *options)


async def runs_of(driver: Driver, message_id: str) -> list[dict[str, Any]]:
    """The runs that the message started, as the status API shows them."""
    async with driver.sessions() as session:
        notifications = await session.scalars(
            select(Notification.id).where(Notification.message_id == message_id)
        )
        causes = [str(notification_id) for notification_id in notifications]
        runs = list(await session.scalars(select(Run.id).where(Run.cause_id.in_(causes))))
    answers = [await driver.operator.get(f"/v1/runs/{run_id}") for run_id in runs]
    return [answer.raise_for_status().json() for answer in answers]


async def ended(driver: Driver, message_id: str) -> dict[str, Any]:
    """The message's one run, once it has ended."""

    async def has_ended() -> bool:
        return any(run["ended_at"] for run in await runs_of(driver, message_id))

    await until(has_ended)
    [run] = await runs_of(driver, message_id)
    return run


async def test_the_example_is_one_that_prefect_accepts(driver: Driver, deployed: None) -> None:
    output = await command(driver, SLUICE, "routes", "check", EXAMPLE_ROUTES)
    places = [line.partition(": ")[::2] for line in output.splitlines() if line.startswith("line")]
    assert [verdict for _, verdict in places] == ["OK"] * 4, output


async def test_a_message_starts_its_flow_once_and_the_flow_reads_it(driver: Driver, deployed: None) -> None:
    sns = driver.stack.sns
    message_id = sns.publish(json.dumps(MESSAGE), message_id=str(uuid.uuid4()))
    run = await ended(driver, message_id)
    assert (run["route"], run["state"]) == ("message-outline", "COMPLETED")

    sns.redeliver(message_id)
    sns.publish(json.dumps(MESSAGE), message_id=message_id)
    await sns.settled()
    delivered = [delivery.status for delivery in sns.deliveries if delivery.message_id == message_id]
    assert delivered == [200, 200, 200]
    assert await runs_of(driver, message_id) == [run]

    [flow_run] = await driver.flow_runs_of(run["id"])
    async with driver.sessions() as session:
        notification = await session.scalar(
            select(Notification.id).where(Notification.message_id == message_id)
        )
    assert flow_run["parameters"] == {"notification_id": str(notification)}
    assert flow_run["state"]["message"] == "Members: account, amount."
    assert flow_run["work_queue_name"] == "messages"
    assert sorted(flow_run["tags"]) == ["message", "sluice"]


async def test_a_message_that_names_a_day_starts_its_report(driver: Driver, deployed: None) -> None:
    day = datetime.now(UTC).date()
    message_id = driver.stack.sns.publish(json.dumps({"day": str(day)}), topic_arn=REPORTS_TOPIC_ARN)

    async def reported() -> dict[str, Any] | None:
        runs = {run["route"]: run for run in await runs_of(driver, message_id)}
        return runs.get("daily-etl")

    async def ended() -> bool:
        run = await reported()
        return run is not None and run["ended_at"] is not None

    await until(ended)
    run = await reported()
    assert run is not None
    assert run["state"] == "COMPLETED"
    [flow_run] = await driver.flow_runs_of(run["id"])
    assert flow_run["state"]["message"].startswith(f"{day} so far: ")


async def test_a_message_the_flow_cannot_use_ends_as_failed_and_can_be_replayed(
    driver: Driver, deployed: None
) -> None:
    message_id = driver.stack.sns.publish("no JSON")
    run = await ended(driver, message_id)
    assert run["state"] == "FAILED"
    [flow_run] = await driver.flow_runs_of(run["id"])
    assert flow_run["state"]["message"] == "The message is not a JSON object."

    answer = await driver.operator.post(f"/v1/runs/{run['id']}/replay")
    assert answer.status_code == 202
    again = await ended(driver, message_id)
    assert again["replays"] == 1
