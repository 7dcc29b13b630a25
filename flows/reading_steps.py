"""Reading as Prefect shows it: each engine is a step of its own, tried again while its trouble may pass.

An engine that refuses, or stays out of order, gives way to the next. So a quota that is used up costs time,
and no document.
"""

from __future__ import annotations

from flows import reader
from flows.context import step
from flows.engines.choice import Engines
from flows.engines.cloud import CloudEngine, EngineRefused, EngineUnavailable
from flows.extraction.checks import Policy
from flows.reader import Reader, Reading, Refusal

_PATIENCE = (2, 5, 15, 45)
"""Seconds between attempts, more than a minute in all: quotas are counted by the minute."""


async def read_by_any(engines: Engines, process: Reader, data: bytes, policy: Policy) -> Reading | Refusal:
    """What the first engine that can says of the document.

    Raises what the last one raised when none could: EngineUnavailable or EngineRefused. A reading process
    that crashes raises ReadingCrashedError at once, since the file is to blame and not the engine.
    """
    *_, last = engines
    for engine, cloud in engines.items():
        shown = read.with_options(task_run_name=f"read by {engine}")
        try:
            return await shown(process, data, engine, cloud, policy)
        except (EngineUnavailable, EngineRefused):
            if engine == last:
                raise
    raise AssertionError("there is no engine")


@step(timeout=reader.TIME_LIMIT_SECONDS + 10, retry_delays=_PATIENCE)
async def read(
    process: Reader, data: bytes, engine: str, cloud: CloudEngine | None, policy: Policy
) -> Reading | Refusal:
    """What is on the document, by this engine and within a hard time limit."""
    return await process.read(data, engine, cloud, policy)
