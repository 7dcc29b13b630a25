"""What PostgreSQL itself can do with the same rows, asked by its own `pgbench`."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from app.dev.postgres import EmbeddedPostgres
from bench import messages
from bench.load import Sample

MOST_CONNECTIONS = 64
"""More only wait for each other."""

_SHORTEST_SECONDS = 2
"""It takes whole seconds, and part of the first to connect."""

_SCRIPT = Path(__file__).with_name("notification.sql")


async def put_load(postgres: EmbeddedPostgres, database: str, *, connections: int, seconds: float) -> Sample:
    """One transaction per notification, prepared, over so many connections. Whole seconds only."""
    whole = max(_SHORTEST_SECONDS, round(seconds))
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "notification.sql"
        # Written into the script: pgbench has no way to pass a text with quotes and newlines.
        envelope = messages.envelope("A-1").decode().replace("'", "''")
        script.write_text(_statement().replace(":envelope", f"'{_without_variables(envelope)}'"))
        command = ["--no-vacuum", "--protocol", "prepared", "--file", str(script), "--log"]
        command += ["--client", str(min(connections, MOST_CONNECTIONS)), "--jobs", "2"]
        command += ["--time", str(whole), "--log-prefix", f"{folder}/log"]
        await asyncio.to_thread(postgres.pgbench, *command, database)
        latencies = await asyncio.to_thread(_latencies, Path(folder))
    return Sample(seconds=whole, latencies=latencies)


def _latencies(folder: Path) -> list[float]:
    """The third column is a transaction's microseconds (PostgreSQL manual, pgbench, per-transaction log)."""
    lines = (line.split() for log in folder.glob("log.*") for line in log.read_text("utf-8").splitlines())
    return [int(line[2]) / 1e6 for line in lines]


def _statement() -> str:
    return "\n".join(line for line in _SCRIPT.read_text("utf-8").splitlines() if not line.startswith("--"))


def _without_variables(text: str) -> str:
    # pgbench would take `:name` for a variable of its own; a space keeps the length about the same.
    return text.replace(":", ": ").replace("\n", " ")
