"""How long and how often is measured."""

from __future__ import annotations

from dataclasses import dataclass

CONNECTIONS = (1, 32, 256)


@dataclass(frozen=True)
class Plan:
    """Competitors take turns, `rounds` times for `seconds` each, so that a busy moment hits all of them."""

    rounds: int
    seconds: float
    runs: int
    """Flow runs that a round of the dispatch benchmark creates."""
    rows: tuple[int, ...]
    """How many notifications the databases of the growth benchmark hold, the smallest first."""
    watchers: int
    telling_seconds: float
    """How long the event streams have to hear of what is told to all at once."""


FULL = Plan(
    rounds=4,
    seconds=3,
    runs=200,
    rows=(10_000, 1_000_000),
    watchers=5_000,
    telling_seconds=15,
)
QUICK = Plan(
    rounds=1,
    seconds=1,
    runs=50,
    rows=(1_000, 50_000),
    watchers=500,
    telling_seconds=3,
)
