"""The compose stack under a project name of its own: brought up from nothing, hurt, asked, taken down."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx

from app.dev.process import free_port

ROOT = Path(__file__).resolve().parents[2]
PROJECT = "sluice-test"
NOBODY = httpx.Auth()
"""Sends no password."""

Value = TypeVar("Value")


def docker(*words: str, check: bool = True, within: float = 120) -> str:
    """What `docker …` prints. Raises AssertionError with its errors when it fails and `check`."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=within, check=False)  # noqa: S603, S607
    assert done.returncode == 0 or not check, f"docker {' '.join(words)}: {done.stderr[-3000:]}"
    return done.stdout.strip()


def until(asked: Callable[[], Value | None], what: str, *, within: float = 60) -> Value:
    """The first answer that is true; fails after `within` seconds."""
    deadline = time.monotonic() + within
    while not (answer := asked()):
        assert time.monotonic() < deadline, f"{what}: not within {within:.0f} s"
        time.sleep(0.2)
    return answer


class Compose:
    """`settings` are lines of the .env file; `up` applies what was changed of them and of `profiles`."""

    def __init__(self, folder: Path, *profiles: str) -> None:
        self.env_file = folder / ".env"
        self.settings = {
            "SLUICE_PORT": str(free_port()),
            "PREFECT_PORT": str(free_port()),
            "SLUICE_VERSION": "test",
        }
        example = (ROOT / ".env.example").read_text("utf-8")
        fill = [str(ROOT / "deploy/compose/fill-env.sh")]
        self._filled = subprocess.run(  # noqa: S603
            ["/bin/sh", *fill], input=example, capture_output=True, text=True, check=True
        ).stdout
        # Given only a project's name, Compose would go by the containers there are instead of by the file.
        self._words = ["compose", "--project-name", PROJECT, "--file", str(ROOT / "docker-compose.yml")]
        self._words += ["--env-file", str(self.env_file)]
        self.profiles = list(profiles)

    @property
    def gateway(self) -> str:
        return f"http://127.0.0.1:{self.settings['SLUICE_PORT']}"

    @property
    def prefect(self) -> httpx.Client:
        """A client of Prefect's API that knows its password."""
        secrets = dict(line.split("=", 1) for line in self._filled.splitlines() if "=" in line)
        user, password = secrets["PREFECT_AUTH_STRING"].split(":")
        url = f"http://127.0.0.1:{self.settings['PREFECT_PORT']}/api"
        return httpx.Client(base_url=url, auth=(user, password), trust_env=False, timeout=20)

    def run(self, *words: str, check: bool = True, within: float = 120) -> str:
        return docker(*self._command(*words), check=check, within=within)

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """Start `docker compose …` and let it run; its output comes line by line."""
        return subprocess.Popen(  # noqa: S603
            ["docker", *self._command(*words)],  # noqa: S607
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"COMPOSE_ANSI": "never"},
        )

    def _command(self, *words: str) -> list[str]:
        lines = (f"{name}={value}" for name, value in self.settings.items())
        self.env_file.write_text("\n".join([self._filled, *lines, ""]), "utf-8")
        profiles = (word for profile in self.profiles for word in ("--profile", profile))
        return [*self._words, *profiles, *words]

    def build(self) -> None:
        self.run("build", "--quiet", within=900)

    def up(self, *words: str) -> None:
        """Start what is not running, changed or missing, and wait until all of it is healthy."""
        self.run("up", "--detach", "--wait", *words, within=300)

    def down(self) -> None:
        left = docker(
            "ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={PROJECT}-runs"
        )
        if left:
            docker("rm", "--force", *left.split())
        self.run("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "5", within=120)

    def container(self, service: str) -> str:
        """The id of a service's container; of its first, when there are several."""
        return self.run("ps", "--all", "--quiet", service).partition("\n")[0]

    def inspect(self, service: str, template: str) -> str:
        return docker("inspect", "--format", template, self.container(service))

    def until_healthy(self, service: str) -> None:
        until(
            lambda: self.inspect(service, "{{.State.Health.Status}}") == "healthy",
            f"{service} is healthy",
            within=90,
        )

    def crash(self, service: str) -> None:
        """Kill every process in a service's container, so that its restart policy has to bring it back.

        `docker kill` would count as asked for, and nothing would be restarted.
        """
        before = self.inspect(service, "{{.RestartCount}} {{.State.StartedAt}}")
        user = ["--user", "postgres"] if service == "postgres" else []
        self.run("exec", "--no-TTY", *user, service, "sh", "-c", "kill -9 -1", check=False)
        until(
            lambda: self.inspect(service, "{{.RestartCount}} {{.State.StartedAt}}") != before,
            f"{service} was started again",
        )

    def create_key(self, role: str) -> str:
        """An API key, made as an operator makes one."""
        command = ("sluice", "keys", "create", "--role", role, "--label", "tests")
        return self.run("exec", "--no-TTY", "gateway", *command).splitlines()[-1]


class Journey:
    """A document on its whole way, sent from inside the stack; leaving the block ends what is left of it."""

    def __init__(self, stack: Compose) -> None:
        self._process = stack.begin("run", "--rm", "--no-TTY", "--no-deps", "journey")
        self.story = ""
        """What it has told so far."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.terminate()
        self._process.communicate()

    def uploaded(self) -> str:
        """Wait for the upload. Returns the application's id."""
        for line in self._process.stdout or ():
            self.story += line
            if "uploaded" in line:
                return next(word.rstrip(",") for word in line.split() if word.startswith("J-"))
        raise AssertionError(self.story)

    def succeeded(self) -> bool:
        """Wait for its end: whether the document came through."""
        self.story += self._process.communicate(timeout=180)[0]
        return self._process.returncode == 0


def lost_while_each_dies(stack: Compose, services: Sequence[str]) -> dict[str, str]:
    """Kill the services in turn, each with a document under way. Returns the stories of what was lost."""
    with ExitStack() as under_way:
        journeys = {}
        for service in services:
            journeys[service] = under_way.enter_context(Journey(stack))
            journeys[service].uploaded()
            stack.crash(service)
            stack.until_healthy(service)
        return {service: journey.story for service, journey in journeys.items() if not journey.succeeded()}


class Operator:
    """The status API, as an operator asks it."""

    def __init__(self, stack: Compose) -> None:
        self._stack = stack
        self._headers = {"authorization": f"Bearer {stack.create_key('operator')}"}

    def application(self, application_id: str) -> dict[str, Any]:
        return self._ask("GET", f"/v1/applications/{application_id}")

    def run_of(self, application_id: str, route: str = "document-verification") -> dict[str, Any] | None:
        runs = self.application(application_id)["runs"]
        return next((run for run in runs if run["route"] == route), None)

    def in_state(self, application_id: str, states: Sequence[str], *, within: float = 60) -> dict[str, Any]:
        """The run that verifies the document, once it is in one of the states."""

        def run() -> dict[str, Any] | None:
            found = self.run_of(application_id)
            return found if found and found["state"] in states else None

        return until(run, f"{application_id} is {' or '.join(states)}", within=within)

    def until_approved(self, application_id: str) -> None:
        """Wait until the underwriting tool has approved it, as it does with every specimen that was read."""
        until(
            lambda: self.application(application_id)["status"] == "approved",
            f"{application_id} is approved",
            within=120,
        )

    def tell(self, run_id: str, action: str) -> None:
        """`replay` or `cancel` a run."""
        self._ask("POST", f"/v1/runs/{run_id}/{action}")

    def _ask(self, method: str, path: str) -> dict[str, Any]:
        with httpx.Client(trust_env=False, timeout=20) as client:
            answer = client.request(method, self._stack.gateway + path, headers=self._headers)
        found: dict[str, Any] = answer.raise_for_status().json()
        return found
