"""`python -m bench.documents [--people N] [--seed S] [--quick] [--misses FILE]`: read specimens, print.

A full run writes bench/documents.json, and from it the table in docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import UTC, date, datetime
from pathlib import Path

from app.dev.specimen_photos import DEGRADATIONS
from bench.documents import figures, report, scoring
from bench.documents.shots import Shot, prepare, shots
from flows import reader_limits

_PEOPLE, _QUICK_PEOPLE = 30, 4
_PEOPLE_PER_SEED = 1_000
_PROCESSES = 3


def main() -> None:
    arguments = _arguments()
    # Before a process is started: as the reading process is, and with one thread each, so that processor time
    # is that of one core.
    os.environ.update(reader_limits.ENVIRONMENT, OMP_NUM_THREADS="1")
    people = arguments.people or (_QUICK_PEOPLE if arguments.quick else _PEOPLE)
    today = datetime.now(UTC).date()
    sys.stderr.write(f"--seed {arguments.seed}, {people} people\n")
    first = arguments.seed * _PEOPLE_PER_SEED
    taken = list(_taken(range(first, first + people), today, arguments.processes))
    by_key = {(shot.seed, shot.subject, shot.degradation): shot for shot in taken}
    documents = list(scoring.documents(by_key, today))
    forgeries = list(scoring.forgeries(by_key, today))
    measured = figures.of(documents, forgeries, taken)
    sys.stdout.write(report.show(measured) + "\n")
    if arguments.misses:
        unflagged = [one for one in forgeries if not scoring.is_flagged(one)]
        arguments.misses.write_text(report.misses(documents) + report.unflagged(unflagged), encoding="utf-8")
    if people >= _PEOPLE:
        versions = next(shot.extraction.versions for shot in taken if shot.extraction)
        report.write(report.Run(arguments.seed, people, len(taken), versions, measured))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.documents", description=__doc__)
    parser.add_argument("--people", type=int, help=f"{_PEOPLE}, or {_QUICK_PEOPLE} with --quick")
    parser.add_argument(
        "--seed",
        type=int,
        default=int(time.time()) % 1_000_000,
        help="whose people are drawn; by the clock unless given, so that nothing is tuned on them",
    )
    parser.add_argument("--quick", action="store_true", help="a few people, and nothing is written")
    parser.add_argument("--misses", type=Path, help="write every wrong field to this file")
    parser.add_argument("--processes", type=int, default=_PROCESSES, help="each has one thread")
    return parser.parse_args()


def _taken(seeds: range, today: date, processes: int) -> Iterator[Shot]:
    """Every shot of these people; one person at a time is drawn and read by one process."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, prepare) as pool:
        futures = [pool.submit(shots, seed, today, tuple(DEGRADATIONS)) for seed in seeds]
        for done, future in enumerate(as_completed(futures), start=1):
            sys.stderr.write(f"\r{done} of {len(seeds)} people")
            yield from future.result()
    sys.stderr.write("\n")


if __name__ == "__main__":
    main()
