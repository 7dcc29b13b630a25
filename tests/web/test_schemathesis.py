"""The gateway, attacked by its own description: schemathesis asks it everything that it says it answers."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from sqlalchemy import select, update

from app import applications
from app.db import Sessions
from app.dev.process import free_port
from app.encryption import Keyring
from app.models import Document, Run, RunState
from app.settings import HttpSettings, Settings
from app.telemetry import REQUEST_SECONDS
from app.web import server
from tests.web.conftest import Headers, Notify, s3_event

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
CASES = 1_000
"""At least so many requests in all."""

EXCEPTIONS = """
# Its path could be a run's with a word for an id: 422, and GET stands in Allow.
[[operations]]
include-path = "/v1/runs/replay"
checks.unsupported_method.enabled = false
checks.allow_header_conformance.enabled = false

# A text is described, since SNS says text/plain; what the text must be says SNS.
[[operations]]
include-name = "POST /v1/sns"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "403"]

# Which types are taken is a setting.
[[operations]]
include-path-regex = "/uploads$"
checks.positive_data_acceptance.expected-statuses = ["2xx", "401", "403", "404", "422"]

# An Idempotency-Key is needed with an API key, and not with a signature; one that was used is 422.
[[operations]]
include-path-regex = "/decisions$"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "404", "409", "422"]

# A cursor is what the page before said.
[[operations]]
include-name = "GET /v1/runs"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403"]

# A stream has no end; tests/web/test_events.py reads some.
[[operations]]
include-path-regex = "/events$"
enabled = false
"""
"""What the description cannot say."""


@pytest.fixture
async def address(app: FastAPI) -> AsyncIterator[str]:
    """Where the gateway under test listens, served as `sluice serve` serves it."""
    http = HttpSettings(port=free_port())
    config = server.config(app, http)
    config.lifespan = "off"  # the fixture `app` has begun it
    gateway = uvicorn.Server(config)
    task = asyncio.create_task(gateway._serve())
    while not gateway.started:
        assert not task.done()
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{http.port}"
    gateway.should_exit = True
    await task


@pytest.fixture
async def known(
    client: httpx.AsyncClient, notify: Notify, sessions: Sessions, settings: Settings, operator: Headers
) -> dict[str, list[str]]:
    """Ids of things that exist, by the name of the path's parameter: the endpoints do more than miss them."""
    for application in ("A-1", "A-2"):
        answer = await notify(s3_event(f"applications/{application}/license-front/front.jpg"))
        assert answer.status_code == 200, answer.text
    await notify(s3_event("applications/A-1/license-front/front.jpg"), Timestamp="2020-01-01T00:00:00.000Z")
    keyring = Keyring(settings.encryption.keys)
    async with sessions.begin() as session:
        documents = (await session.scalars(select(Document))).all()
        runs = (await session.scalars(select(Run))).all()
        await applications.begin_verification(session, documents[0].id)
        await applications.record_extraction(
            session, keyring, documents[0].id, fields={}, checks=[], recommendation="review", engine={}
        )
        await session.execute(update(Run).where(Run.id == runs[0].id).values(state=RunState.DEAD))
    listed = (await client.get("/v1/quarantine", headers=operator)).json()["messages"]
    assert len(documents) == len(runs) == 2
    assert len(listed) == 1
    return {
        "application_id": ["A-1", "A-2"],
        "document_id": [str(document.id) for document in documents],
        "run_id": [str(run.id) for run in runs],
        "entry_id": [listed[0]["id"]],
    }


async def attack(folder: Path, address: str, config: str, *arguments: str) -> int:
    """One run, the same each time, and how many requests it made; fails with what it found.

    It is a process of its own: it knows of the gateway only what the description says.
    """
    (folder / "schemathesis.toml").write_text(config, "utf-8")
    process = await asyncio.create_subprocess_exec(
        SCHEMATHESIS,
        *("--config-file", "schemathesis.toml", "run", f"{address}/openapi.json"),
        *("--mode", "all", "--generation-deterministic", "--continue-on-failure"),
        *("--no-color", "--warnings", "off", *arguments),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output = (await process.communicate())[0].decode()
    assert process.returncode == 0, output
    [cases] = re.findall(r"(\d+) generated", output)
    return int(cases)


def configuration(keys: dict[str, Headers], known: dict[str, list[str]]) -> str:
    """For each path the key that opens it, in every second request an id that exists, and the exceptions."""
    lines = [f"dictionaries.{name}.values = {json.dumps(ids)}" for name, ids in known.items()]
    lines += [f'parameters."path.{name}" = {{ dictionary = "{name}", probability = 0.5 }}' for name in known]
    for pattern, headers in keys.items():
        lines += ["[[operations]]", f"include-path-regex = {json.dumps(pattern)}"]
        lines += [f"headers = {{ Authorization = {json.dumps(headers['Authorization'])} }}"]
    return "\n".join([*lines, EXCEPTIONS])


def answered() -> dict[str, set[int]]:
    """From each endpoint to the statuses of its answers so far."""
    found: dict[str, set[int]] = {}
    for metric in REQUEST_SECONDS.collect():
        for sample in metric.samples:
            if sample.name.endswith("_count"):
                endpoint = f"{sample.labels['method']} {sample.labels['endpoint']}"
                found.setdefault(endpoint, set()).add(int(sample.labels["status"]))
    return found


def without_streams(app: FastAPI) -> dict[str, dict[str, Any]]:
    """The description's paths with their operations."""
    paths = app.openapi()["paths"]
    return {path: operations for path, operations in paths.items() if not path.endswith("/events")}


@pytest.fixture
def keys(loan_app: Headers, underwriter: Headers, operator: Headers) -> dict[str, Headers]:
    """From patterns of paths to the key that opens them."""
    return {
        "/decisions$": underwriter,
        "^/v1/applications/[^/]+$|/uploads$": loan_app,
        "^/v1/(documents|runs|quarantine)": operator,
    }


@pytest.fixture
def fresh(known: dict[str, list[str]]) -> None:
    """Answers so far are forgotten."""
    REQUEST_SECONDS.clear()


@pytest.mark.usefixtures("fresh")
async def test_every_answer_to_those_who_may_is_as_described(
    tmp_path: Path,
    address: str,
    known: dict[str, list[str]],
    keys: dict[str, Headers],
    app: FastAPI,
) -> None:
    cases = await attack(tmp_path, address, configuration(keys, known), "--max-examples", "60")

    assert cases >= CASES
    for path, operations in without_streams(app).items():
        for method in operations:
            statuses = answered()[f"{method.upper()} {path}"]
            assert max(statuses) < 500
            # Nobody but SNS can sign what SNS signs. 409: what was asked for has been done before.
            entered = any(status < 300 or status == 409 for status in statuses)
            assert entered or (method, path) == ("post", "/v1/sns"), f"{method} {path}: {statuses}"


@pytest.mark.usefixtures("fresh")
async def test_every_answer_to_a_stranger_is_as_described(
    tmp_path: Path, address: str, known: dict[str, list[str]], app: FastAPI
) -> None:
    await attack(tmp_path, address, configuration({}, known), "--max-examples", "10")

    for path, operations in without_streams(app).items():
        for method, operation in operations.items():
            statuses = answered()[f"{method.upper()} {path}"]
            assert max(statuses) < 500
            assert min(statuses) >= 400 or not operation.get("security"), f"{method} {path}: {statuses}"
