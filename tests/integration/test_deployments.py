"""The work pools and deployments, made in a real Prefect server that knew nothing of them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from app.settings import ReportsSettings
from deploy.work_pools import POOLS, TEMPLATES, template
from tests.integration.conftest import PrefectServer

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ("-m", "prefect", "deploy", "--all", "--no-prompt")
MAKE_POOLS = ("deploy/work_pools.py",)


class Commands:
    """Programs run in the project's folder, as somebody would who has just read the documents."""

    def __init__(self, server: PrefectServer, home: Path) -> None:
        self.http = httpx.AsyncClient(base_url=server.api_url, timeout=30)
        self._env = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "PREFECT_HOME": str(home),
            "PREFECT_API_URL": server.api_url,
            "PREFECT_CLI_COLORS": "false",
            "COLUMNS": "400",
        }

    async def run(self, *words: str) -> tuple[int | None, str]:
        """The exit status and everything that was printed."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, *words, env=self._env, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        output, _ = await process.communicate()
        return process.returncode, output.decode()

    async def get(self, path: str) -> Any:
        return (await self.http.get(path)).raise_for_status().json()


@pytest.fixture(scope="module")
async def commands(
    prefect_server: PrefectServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Commands]:
    commands = Commands(prefect_server, tmp_path_factory.mktemp("home"))
    yield commands
    for found in await prefect_server.post("/deployments/filter", {}):
        if found["work_pool_name"] in POOLS.values():
            await commands.http.delete(f"/deployments/{found['id']}")
    for name in set(POOLS.values()):
        await commands.http.delete(f"/work_pools/{name}")
    await commands.http.aclose()


@pytest.fixture(scope="module")
async def deployed(commands: Commands) -> dict[str, dict[str, Any]]:
    """Everything deployed by what the documents say; Prefect's own answer for each, by flow/deployment."""
    status, output = await commands.run(*MAKE_POOLS)
    assert status == 0, output
    status, output = await commands.run(*DEPLOY)
    assert status == 0, output
    written = yaml.safe_load((ROOT / "prefect.yaml").read_text("utf-8"))["deployments"]
    names = [f"{entry['entrypoint'].split('.')[-1].replace('_', '-')}/{entry['name']}" for entry in written]
    return {name: await commands.get(f"/deployments/name/{name}") for name in names}


async def test_without_work_pools_prefect_says_which_is_missing(commands: Commands) -> None:
    status, output = await commands.run(*DEPLOY)
    assert status == 1
    assert "references work pool 'sluice' which does not exist" in output


async def test_every_flow_is_deployed_to_every_kind_of_pool(deployed: dict[str, dict[str, Any]]) -> None:
    flows = {name.partition("/")[0] for name in deployed}
    assert flows == {"document-verification", "underwriting-decision", "daily-etl"}
    pools = {"default": "sluice", "docker": "sluice-docker", "ecs": "sluice-ecs"}
    pools["kubernetes"] = "sluice-kubernetes"
    assert {name: found["work_pool_name"] for name, found in deployed.items()} == {
        f"{flow}/{name}": pool for flow in flows for name, pool in pools.items()
    }


async def test_a_deployment_says_how_many_may_run_at_once_and_the_others_wait(
    deployed: dict[str, dict[str, Any]],
) -> None:
    for name, found in deployed.items():
        assert found["global_concurrency_limit"]["limit"] >= 1, name
        assert found["concurrency_options"]["collision_strategy"] == "ENQUEUE", name


async def test_the_daily_report_is_scheduled_in_one_pool(
    commands: Commands, deployed: dict[str, dict[str, Any]]
) -> None:
    schedules = {name: found["schedules"] for name, found in deployed.items() if found["schedules"]}
    assert set(schedules) == {f"daily-etl/{name}" for name in ("default", "docker", "ecs", "kubernetes")}
    for [schedule] in schedules.values():
        assert schedule["schedule"]["cron"] == "0 6 * * *"
        assert schedule["schedule"]["timezone"] == ReportsSettings().time_zone
    assert [name for name, [schedule] in schedules.items() if schedule["active"]] == ["daily-etl/default"]

    deadline = time.monotonic() + 60
    while not (flow_runs := await flow_runs_of(commands, deployed["daily-etl/default"]["id"])):
        assert time.monotonic() < deadline, "Prefect's scheduler made no run of it"
        await asyncio.sleep(0.5)
    times = {datetime.fromisoformat(found["expected_start_time"]) for found in flow_runs}
    assert {(moment.hour, moment.minute) for moment in times} == {(6, 0)}
    assert min(times) > datetime.now(UTC)


async def flow_runs_of(commands: Commands, deployment_id: str) -> list[dict[str, Any]]:
    """The deployment's flow runs."""
    which = {"deployments": {"id": {"any_": [deployment_id]}}}
    answer = await commands.http.post("/flow_runs/filter", json=which)
    found: list[dict[str, Any]] = answer.raise_for_status().json()
    return found


async def test_deploying_again_changes_nothing(
    commands: Commands, deployed: dict[str, dict[str, Any]]
) -> None:
    status, output = await commands.run(*DEPLOY)
    assert status == 0, output
    for name, before in deployed.items():
        after = await commands.get(f"/deployments/name/{name}")
        assert after["id"] == before["id"]
        assert settled(after) == settled(before), name


def settled(deployment: dict[str, Any]) -> dict[str, Any]:
    """Without when it was written, and without the ids of schedules, which Prefect writes anew."""
    passing = {"updated", "version_id", "status", "last_polled"}
    rest = {name: value for name, value in deployment.items() if name not in passing}
    members = ("slug", "schedule", "active")
    return {**rest, "schedules": [[one[name] for name in members] for one in deployment["schedules"]]}


async def test_a_pool_keeps_the_values_it_was_given_until_it_is_overwritten(
    commands: Commands, deployed: dict[str, dict[str, Any]]
) -> None:
    status, output = await commands.run(
        *MAKE_POOLS, "--overwrite", "docker", "image_pull_policy=Never", 'networks=["sluice_default"]'
    )
    assert (status, output) == (0, "sluice-docker: overwritten\n")
    pool = await commands.get("/work_pools/sluice-docker")
    variables = pool["base_job_template"]["variables"]["properties"]
    assert variables["image_pull_policy"]["default"] == "Never"
    assert variables["networks"]["default"] == ["sluice_default"]

    status, output = await commands.run(*MAKE_POOLS, "docker")
    assert (status, output) == (0, "sluice-docker: exists, left as it is\n")
    assert (await commands.get("/work_pools/sluice-docker"))["base_job_template"] == pool["base_job_template"]


async def test_ecs_takes_no_run_before_its_roles_are_known(
    commands: Commands, deployed: dict[str, dict[str, Any]]
) -> None:
    """AWS would only say so minutes later."""
    path = f"/deployments/{deployed['document-verification/ecs']['id']}/create_flow_run"
    body = {"parameters": {"document_id": "00000000-0000-0000-0000-000000000000"}}
    answer = await commands.http.post(path, json=body)
    assert answer.status_code == 422
    assert "secret_arn" in answer.text

    arn = "arn:aws:iam::123456789012:role/sluice"
    roles = (f"execution_role_arn={arn}", f"task_role_arn={arn}", f"secret_arn={arn}")
    assert (await commands.run(*MAKE_POOLS, "--overwrite", "ecs", *roles))[0] == 0
    assert (await commands.http.post(path, json=body)).status_code == 201


@pytest.mark.parametrize(
    ("value", "complaint"),
    [("colour=blue", "colour: a docker pool has name,"), ("image_pull_policy=Nevr", "'Nevr' is not one of")],
)
async def test_a_mistyped_value_is_refused(commands: Commands, value: str, complaint: str) -> None:
    status, output = await commands.run(*MAKE_POOLS, "--overwrite", "docker", value)
    assert status == 1
    assert complaint in output


async def test_the_pools_of_prefects_own_command_line_are_the_same(commands: Commands) -> None:
    """Whoever keeps pools otherwise, as with Terraform, needs the files alone."""
    name = "by-hand"
    options = ("--type", "kubernetes", "--base-job-template", str(TEMPLATES / "kubernetes.json"))
    status, output = await commands.run("-m", "prefect", "work-pool", "create", name, *options)
    assert status == 0, output
    pool = await commands.get(f"/work_pools/{name}")
    assert pool["base_job_template"] == template("kubernetes")
    await commands.http.delete(f"/work_pools/{name}")
