"""A difference between what there is and what there should be, said and if possible repaired."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Difference:
    """One thing that is not as planned. Found without changing anything; `repair` blocks."""

    wrong: str
    """What there is, as the beginning of a sentence."""
    todo: str
    """What is to be done about it, as its end."""
    repair: Callable[[], object] | None = None
    """Does it. None where a person must."""

    def __str__(self) -> str:
        return f"{self.wrong}; {self.todo}."


def holds(actual: Any, wanted: Any) -> bool:
    """Whether all that is wanted is there; AWS adds members of its own to what it was given."""
    if isinstance(wanted, Mapping) and isinstance(actual, Mapping):
        return all(holds(actual.get(name), value) for name, value in wanted.items())
    return bool(actual == wanted)
