"""Which fault happens when: made from a seed alone, so that a storm can be had again."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tests.faults.rig import LINKS

KILLED = ("gateway", "dispatcher", "follower", "worker")
OTHERS = (
    "restart postgresql fast",
    "restart postgresql immediate",
    "kill prefect",
    "fill the pool",
    "fill postgresql",
    "terminate gateway",
    "terminate dispatchers",
    "terminate followers",
)


@dataclass(frozen=True)
class Step:
    """One fault: begun `at` seconds after the storm began, lasting `seconds`. `choice` is a number in [0, 1)
    for what else there is to choose."""

    at: float
    fault: str
    seconds: float
    choice: float

    def __str__(self) -> str:
        return f"{self.at:6.1f} s  {self.fault} for {self.seconds:.1f} s"


def plan(seed: int, *, rounds: int, round_seconds: float) -> list[Step]:
    """Every fault once a round, in an order and at moments of the round's own; they overlap as they come."""
    chance = random.Random(seed)
    steps = []
    for number in range(rounds):
        faults = one_of_each()
        chance.shuffle(faults)
        # It lasts longest, and the round should not end long after all the others.
        faults.remove("kill prefect")
        faults.insert(chance.randrange(len(faults) // 2), "kill prefect")
        gap = round_seconds / len(faults)
        for place, fault in enumerate(faults):
            at = number * round_seconds + (place + chance.random()) * gap
            steps.append(Step(at, fault, _seconds(fault, chance), chance.random()))
    return steps


def one_of_each() -> list[str]:
    """The names of all faults."""
    kills = [f"kill {part}" for part in KILLED]
    return [*kills, *OTHERS, *(f"{how} {link}" for link in LINKS for how in ("cut", "delay"))]


def _seconds(fault: str, chance: random.Random) -> float:
    if fault == "kill prefect":
        return 20.0
    return chance.uniform(0.2, 4.0)
