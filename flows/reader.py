"""Read a document in a process of its own, within a time limit that holds whatever the file does."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from app.models import DocumentStatus
from flows.discretion import UnexpectedError

TIME_LIMIT_SECONDS = 120.0
"""From the process's start: loading the engines takes a few seconds of it, reading a page about one."""

_SECRETS = ("SLUICE_", "AWS_", "PREFECT_")


@dataclass(frozen=True)
class Reading:
    """What was read, as JSON values; the shapes are `flows.extraction`'s."""

    fields: dict[str, Any]
    checks: list[dict[str, Any]]
    recommendation: str
    engine: dict[str, Any]


@dataclass(frozen=True)
class Refusal:
    """Why there is nothing to read, in a sentence for the applicant."""

    status: DocumentStatus
    reason: str


class ReadingCrashedError(UnexpectedError):
    """The reading process died or failed in a way we did not foresee."""


class Reader:
    """A started reading process. It reads one document."""

    def __init__(self, process: Process, time_limit: float) -> None:
        self._process = process
        self._deadline = asyncio.get_running_loop().time() + time_limit

    async def read(self, data: bytes) -> Reading | Refusal:
        """Read the file. Raises ReadingCrashedError, whose message holds nothing of the document."""
        try:
            async with asyncio.timeout_at(self._deadline):
                answer, _ = await self._process.communicate(data)
        except TimeoutError:
            return Refusal(
                DocumentStatus.UNREADABLE, "The document could not be read in time; a person will look at it."
            )
        if not answer:
            raise ReadingCrashedError(f"The reading process ended with code {self._process.returncode}.")
        return _understand(json.loads(answer))


@asynccontextmanager
async def started(time_limit: float = TIME_LIMIT_SECONDS) -> AsyncIterator[Reader]:
    """Start the process now, so that it loads its engines while the file is being fetched."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "flows.reader_process"),
        stdin=PIPE,
        stdout=PIPE,
        # Engines may print what they read.
        stderr=DEVNULL,
        env={name: value for name, value in os.environ.items() if not name.startswith(_SECRETS)},
    )
    try:
        yield Reader(process, time_limit)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def _understand(answer: dict[str, Any]) -> Reading | Refusal:
    status = answer["status"]
    if status == "crashed":
        raise ReadingCrashedError(f"Reading the document failed: {answer['reason']}.")
    if status != DocumentStatus.VERIFIED:
        return Refusal(DocumentStatus(status), answer["reason"])
    extraction = answer["extraction"]
    return Reading(
        fields=extraction["fields"],
        checks=extraction["checks"],
        recommendation=extraction["recommendation"],
        engine={
            "name": extraction["engine"],
            "versions": extraction["versions"],
            "seconds": extraction["timings"],
        },
    )
