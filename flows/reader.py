"""Read a document in a process of its own, within a time limit that holds whatever the file does.

The process has no secrets. A cloud engine is asked here, on its behalf, and only so often.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio import IncompleteReadError
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints, TypeAdapter, ValidationError

from app.models import DocumentStatus
from flows import reader_dialogue as dialogue
from flows import reader_limits
from flows.discretion import UnexpectedError
from flows.engines.cloud import CloudEngine
from flows.extraction.checks import Policy
from flows.extraction.result import Extraction

TIME_LIMIT_SECONDS = 120.0
"""From the moment the process has the file: reading a page takes about one of them, a cloud engine more."""
MOST_PICTURES = 2
"""That the process may have read by a cloud engine: one for each page."""
RAPIDOCR = "rapidocr"

_COMMAND = (sys.executable, "-m", "flows.reader_process")
_SECRETS = ("SLUICE_", "AWS_", "PREFECT_")

_LATE = "Reading the document took too long; take a new photo of it and upload that."
_BROKE = "The file could not be opened safely; take a new photo of the document and upload that."
_DEATHS = {
    -signal.SIGXCPU: _LATE,
    **dict.fromkeys((-signal.SIGSEGV, -signal.SIGBUS, -signal.SIGILL), _BROKE),
    **dict.fromkeys((-signal.SIGABRT, -signal.SIGFPE, -signal.SIGTRAP), _BROKE),
}
"""What a file that ends its process with this code is refused with: decoders crash or give up on it, or it
reaches a limit of `reader_limits`. Other deaths are not the file's doing."""


@dataclass(frozen=True)
class Reading:
    """What was read, as JSON values; the shapes are `flows.extraction`'s."""

    kind: str
    fields: dict[str, Any]
    checks: list[dict[str, Any]]
    recommendation: str
    engine: dict[str, Any]
    sha256: str
    image_hashes: tuple[str, ...]


@dataclass(frozen=True)
class Refusal:
    """Why there is nothing to read, in a sentence for the applicant."""

    status: DocumentStatus
    reason: str
    ask_again: bool = True
    """Whether it helps if the applicant uploads the document once more, and so is to be told."""


class ReadingCrashedError(UnexpectedError):
    """The reading process died or failed in a way we did not foresee."""


class _BrokenByFile(Exception):
    """The reading process died of the file; `sentence` is for the applicant."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class _Verified(BaseModel):
    status: Literal["verified"]
    extraction: Extraction


class _Refused(BaseModel):
    status: Literal["rejected", "unreadable"]
    reason: Annotated[str, StringConstraints(max_length=300)]


class _Crashed(BaseModel):
    status: Literal["crashed"]
    reason: Annotated[str, StringConstraints(pattern=r"^\w+( in [\w<>]+ \([\w.]+:\d+\))?$", max_length=200)]
    """A class and a place: what else the process says of its failure may quote the document."""


_Answer: TypeAdapter[_Verified | _Refused | _Crashed] = TypeAdapter(
    Annotated[_Verified | _Refused | _Crashed, Field(discriminator="status")]
)


class Reader:
    """Reads one document, any number of times: each time in a new process."""

    def __init__(self, time_limit: float) -> None:
        self._time_limit = time_limit
        self._engine = ""
        self._process: Process | None = None

    async def start(self, engine: str) -> None:
        """Start the process for this engine now, so that it is loaded when the file arrives."""
        self._engine = engine
        self._process = await asyncio.create_subprocess_exec(
            *(*_COMMAND, engine),
            stdin=PIPE,
            stdout=PIPE,
            # Engines may print what they read.
            stderr=DEVNULL,
            env={name: value for name, value in os.environ.items() if not name.startswith(_SECRETS)}
            | reader_limits.ENVIRONMENT,
        )

    async def stop(self) -> None:
        """End the process, if there is one."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            process.kill()
        await process.wait()

    async def read(
        self,
        data: bytes,
        engine: str = RAPIDOCR,
        cloud: CloudEngine | None = None,
        policy: Policy | None = None,
    ) -> Reading | Refusal:
        """Read the file with the engine of this name; `cloud` is that engine unless it is the local one.

        Raises what the cloud engine raises, and ReadingCrashedError, whose message holds nothing of the
        document.
        """
        if self._process is None or self._engine != engine:
            await self.stop()
            await self.start(engine)
        try:
            async with asyncio.timeout(self._time_limit):
                return _understand(await self._answer(data, cloud, policy or Policy()))
        except TimeoutError:
            return Refusal(DocumentStatus.UNREADABLE, _LATE)
        except _BrokenByFile as death:
            return Refusal(DocumentStatus.UNREADABLE, death.sentence)
        finally:
            await self.stop()

    async def _answer(self, data: bytes, cloud: CloudEngine | None, policy: Policy) -> bytes:
        process = self._process
        assert process is not None  # noqa: S101 - for the type checker: `read` has started it
        try:
            return await _converse(process, data, cloud, policy)
        except (ConnectionError, IncompleteReadError):
            code = await process.wait()
            if code in _DEATHS:
                raise _BrokenByFile(_DEATHS[code]) from None
            raise ReadingCrashedError(f"The reading process ended with code {code}.") from None
        except dialogue.OutOfTurn:
            raise ReadingCrashedError("The reading process said what it may not say.") from None


@asynccontextmanager
async def started(engine: str = RAPIDOCR, *, time_limit: float = TIME_LIMIT_SECONDS) -> AsyncIterator[Reader]:
    """A reader whose process loads this engine while the file is being fetched."""
    reader = Reader(time_limit)
    await reader.start(engine)
    try:
        yield reader
    finally:
        await reader.stop()


async def _converse(process: Process, data: bytes, cloud: CloudEngine | None, policy: Policy) -> bytes:
    assert process.stdin is not None  # noqa: S101 - for the type checker: both are pipes
    assert process.stdout is not None  # noqa: S101
    await dialogue.send(process.stdin, dialogue.POLICY, policy.model_dump_json().encode())
    await dialogue.send(process.stdin, dialogue.FILE, data)
    for _ in range(MOST_PICTURES):
        kind, content = await dialogue.receive(process.stdout)
        if kind == dialogue.ANSWER:
            return content
        if cloud is None:
            raise dialogue.OutOfTurn
        found = await cloud.read(dialogue.picture_in(content))
        await dialogue.send(process.stdin, dialogue.TEXT, found.model_dump_json().encode())
    kind, content = await dialogue.receive(process.stdout)
    if kind != dialogue.ANSWER:
        raise dialogue.OutOfTurn
    return content


def _understand(content: bytes) -> Reading | Refusal:
    try:
        answer = _Answer.validate_json(content)
    except ValidationError:
        raise ReadingCrashedError("The reading process answered in another form than agreed.") from None
    match answer:
        case _Crashed():
            raise ReadingCrashedError(f"Reading the document failed: {answer.reason}.")
        case _Refused():
            return Refusal(DocumentStatus(answer.status), answer.reason)
    extraction = answer.extraction
    stored = extraction.model_dump(mode="json")
    return Reading(
        kind=extraction.kind,
        fields=stored["fields"],
        checks=stored["checks"],
        recommendation=stored["recommendation"],
        engine={
            "name": extraction.engine,
            "versions": extraction.versions,
            "seconds": extraction.timings,
        },
        sha256=extraction.sha256,
        image_hashes=extraction.image_hashes,
    )
