"""Hostile files in the real reading process: each ends with a status and a sentence, in bounded memory and
time, and the process that asked lives on."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.models import DocumentStatus
from flows import reader
from flows.engines.cloud import Jpeg, PageText
from flows.reader import Refusal
from tests.hostile_files import OPENED
from tests.hostile_formats import pdf_that_computes_each_spot

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc and RLIMIT_DATA")

PEAK = 1_200_000_000
"""Bytes resident, engine included."""
TIME_LIMIT = 40.0
"""Seconds on a busy machine; alone, the slowest takes five. In service it is reader.TIME_LIMIT_SECONDS."""


class Blind:
    """An engine that sees nothing, so that a file which can be opened costs no more than that."""

    name = "blind"

    async def read(self, picture: Jpeg) -> PageText:  # noqa: ARG002 - the Protocol's
        return PageText(version="1")


@dataclass
class Watched:
    peak: int = 0
    """Bytes resident at most."""

    async def watch(self, process: asyncio.subprocess.Process) -> None:
        status = Path(f"/proc/{process.pid}/status")
        while process.returncode is None:
            try:
                high = re.search(r"VmHWM:\s*(\d+) kB", status.read_text())  # noqa: ASYNC240 - no disk behind it
            except OSError:
                return
            self.peak = max(self.peak, int(high[1]) * 1024 if high else 0)
            await asyncio.sleep(0.005)


async def read(
    data: bytes, engine: str = Blind.name, time_limit: float = TIME_LIMIT
) -> tuple[Refusal | reader.Reading, int, float]:
    """The answer, the process's peak in bytes, and seconds."""
    async with reader.started(engine, time_limit=time_limit) as process:
        assert process._process is not None
        watched = Watched()
        watching = asyncio.create_task(watched.watch(process._process))
        began = time.perf_counter()
        answer = await process.read(data, engine, Blind() if engine == Blind.name else None)
        seconds = time.perf_counter() - began
        await watching
    return answer, watched.peak, seconds


@pytest.mark.parametrize("name", OPENED)
async def test_a_hostile_file_gets_a_status_and_a_sentence(name: str) -> None:
    hostile = OPENED[name]
    answer, peak, seconds = await read(await asyncio.to_thread(hostile.build))
    assert isinstance(answer, Refusal)
    assert answer.status == hostile.status
    assert hostile.says in answer.reason
    assert peak < PEAK
    assert seconds < TIME_LIMIT + 1


async def test_a_file_that_takes_hours_is_given_up() -> None:
    answer, peak, seconds = await read(pdf_that_computes_each_spot(), time_limit=3)
    assert isinstance(answer, Refusal)
    assert answer.status is DocumentStatus.UNREADABLE
    assert "too long" in answer.reason
    assert peak < PEAK
    assert seconds < 6


@pytest.mark.parametrize("name", ["WebP of 40 megapixels", "PDF of endless content", "tiny print"])
async def test_the_worst_of_them_with_the_engine_loaded(name: str) -> None:
    """What takes most memory to open, what takes all there is, and what takes most to recognise."""
    answer, peak, _ = await read(await asyncio.to_thread(OPENED[name].build), reader.RAPIDOCR)
    assert isinstance(answer, Refusal)
    assert OPENED[name].says in answer.reason
    assert 300_000_000 < peak < PEAK
