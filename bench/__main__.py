"""`python -m bench [--quick] [--rows N] [SECTION …]`: measure, print one table, write bench/results.json."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

from app.settings import LogSettings
from app.telemetry import configure_logging
from bench import dispatch, growth, ingest, messages, results, status, watch
from bench.grounds import Grounds, prepared
from bench.plan import FULL, QUICK, Plan
from bench.results import Figure

Section = Callable[[Grounds, Plan], AsyncIterator[Figure]]

SECTIONS: dict[str, Section] = {
    "ingest": ingest.figures,
    "dispatch": dispatch.figures,
    "status": status.figures,
    "watch": watch.figures,
    "growth": growth.figures,
}


async def measure(pool: ProcessPoolExecutor, plan: Plan, names: list[str]) -> list[Figure]:
    """Every figure of those sections; each is printed as soon as it is known."""
    figures = []
    async with prepared(pool) as grounds:
        for name in names:
            async for figure in SECTIONS[name](grounds, plan):
                sys.stderr.write(f"{name}: {figure.ours.name} / {figure.theirs.name}: {figure.ratio:.2f}\n")
                figures.append(figure)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("sections", nargs="*", help=f"of {', '.join(SECTIONS)}; all unless some are named")
    parser.add_argument("--quick", action="store_true", help="two minutes, and numbers to match")
    parser.add_argument("--rows", type=int, help="measure growth on a database of so many rows as well")
    arguments = parser.parse_args()
    plan = QUICK if arguments.quick else FULL
    if arguments.rows:
        plan = replace(plan, rows=(*plan.rows, arguments.rows))
    configure_logging(LogSettings(level="WARNING"))
    with messages.generators() as pool:
        names = arguments.sections or list(SECTIONS)
        figures = asyncio.run(measure(pool, plan, names))
    sys.stdout.write(results.show(figures) + "\n")
    if not arguments.quick:
        results.write(figures)


if __name__ == "__main__":
    main()
