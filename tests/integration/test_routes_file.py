"""A routes file for the commands: `sluice routes check` and `list`, and the start that a bad one stops."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app import routing
from app.dev.process import free_port

if TYPE_CHECKING:
    from tests.integration.conftest import PrefectServer

SLUICE = Path(sys.executable).with_name("sluice")
TOPIC = "arn:aws:sns:us-east-1:123456789012:uploads"

GOOD = """\
# What starts what.
[[route]]
name = "scans"
source = "s3"
deployment = "{deployment}"
parameters = {{ document_id = "{{key}}" }}
"""

BAD = """
[[route]]
name = "colours"
source = "s3"
deployment = "scan/default"
colour = "red"
"""
BAD_LINE = 'line 8, route "colours": colour: is not a key of a route'

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write the routes file; returns where it is."""

    def to_disk(text: str) -> Path:
        file = tmp_path / "routes.toml"
        file.write_text(text)
        return file

    return to_disk


async def sluice(*words: str | Path, **env: str) -> tuple[int, str, str]:
    """Run the command; its exit status, what it printed, and what it complained about."""
    process = await asyncio.create_subprocess_exec(
        SLUICE, *words, env={**os.environ, **env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    output, errors = await process.communicate()
    return process.returncode or 0, output.decode(), errors.decode()


async def test_check_asks_prefect_and_says_what_is_wrong_by_line(
    prefect_server: PrefectServer, write: Write
) -> None:
    api = {"SLUICE_PREFECT_API_URL": prefect_server.api_url}
    routes = GOOD.format(deployment=await prefect_server.deploy())
    file = write(routes)
    good = (0, 'line 2, route "scans": OK\n', "")
    assert await sluice("routes", "check", file, **api) == good
    assert await sluice("routes", "check", SLUICE_ROUTES_FILE=str(file), **api) == good

    file = write(routes.replace("document_id", "text"))
    status, output, _ = await sluice("routes", "check", file, **api)
    assert status == 1
    assert 'line 2, route "scans": the flow has no parameter "text"; it has document_id; the' in output
    assert await sluice("routes", "check", "--offline", file, **api) == good


async def test_check_names_every_route_of_a_bad_file_without_asking_prefect(write: Write) -> None:
    status, output, _ = await sluice("routes", "check", write(GOOD.format(deployment="a/b") + BAD))
    assert (status, output) == (1, f'line 2, route "scans": OK\n{BAD_LINE}\n')


async def test_check_tells_apart_a_prefect_that_does_not_answer() -> None:
    status, output, errors = await sluice("routes", "check", SLUICE_PREFECT_API_URL="http://127.0.0.1:9/api")
    assert (status, output) == (2, "")
    assert errors == (
        "sluice: Prefect cannot be reached: Prefect does not answer (ConnectError). The file alone is good.\n"
    )


async def test_list_prints_what_starts_what_in_order() -> None:
    status, output, _ = await sluice("routes", "list")
    assert status == 0
    assert output == (
        "document-verification: s3 event=ObjectCreated:* key=applications/{application_id}/{kind}/{filename}"
        " -> document-verification/default\n"
        "underwriting-decision: decision -> underwriting-decision/default\n"
    )


def serve(**env: str) -> tuple[int, str]:
    """Start the gateway, which is to refuse; its exit status and complaint. It must never listen."""
    port = free_port()
    command = subprocess.Popen(  # noqa: S603
        [SLUICE, "serve"],
        env={**os.environ, "SLUICE_HTTP_PORT": str(port), **env},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while command.poll() is None:
        with socket.socket() as client:
            client.settimeout(0.1)
            assert client.connect_ex(("127.0.0.1", port)) != 0
    _, errors = command.communicate()
    return command.returncode, errors


def test_a_bad_file_stops_the_start_with_the_same_message(write: Write) -> None:
    file = write(GOOD.format(deployment="a/b") + BAD)
    status, errors = serve(SLUICE_ROUTES_FILE=str(file))
    assert status == 1
    assert errors == f"sluice: The configuration is not valid: {file} cannot be used. {BAD_LINE}.\n"


def test_a_file_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    status, errors = serve(SLUICE_ROUTES_FILE=str(tmp_path / "routes.toml"))
    assert status == 1
    assert f"The routes file {tmp_path / 'routes.toml'} cannot be read: " in errors


def test_a_topic_sent_to_a_route_that_does_not_exist_stops_the_start() -> None:
    status, errors = serve(SLUICE_SNS_TOPICS=f'{{"{TOPIC}": {{"routes": ["document-verifcation"]}}}}')
    assert status == 1
    assert f"SLUICE_SNS_TOPICS sends {TOPIC} to document-verifcation, which it cannot take." in errors
    assert "Routes it can take: document-verification." in errors


def test_the_shipped_routes_are_those_of_the_example() -> None:
    example = Path(__file__).parents[2] / "examples" / "routes.toml"
    routes = routing.load(example.read_text("utf-8"), "examples/routes.toml")
    assert routes.all[:2] == routing.shipped().all
