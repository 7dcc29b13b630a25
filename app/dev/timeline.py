"""The way of one application, station by station, with the seconds each took."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.text import Text

from app.dev.folder import shown
from app.dev.loan_app import View
from app.dev.process import tail

PATIENCE_SECONDS = 120.0

_ENDED_BADLY = {"DEAD", "FAILED", "CRASHED", "CANCELLED"}
_NOT_READ = {"unreadable", "rejected"}


class StepFailed(Exception):
    """A step was not reached. The message says why and ends with the log of the part to blame."""

    def __init__(self, step: Step, reason: str) -> None:
        log = f" The last lines of {shown(step.log)}:\n{tail(step.log)}" if step.log else ""
        super().__init__(f"The document was not {step.name}: {reason}{log}")


async def _nothing(_view: View) -> list[str]:
    return []


@dataclass(frozen=True)
class Step:
    """A station of the way. `log`, if there is a file, is where to look when it is not reached."""

    name: str
    log: Path | None
    reached: Callable[[View], datetime | None]
    """When it was, judging by the application's status; None if it has not been yet."""
    tell: Callable[[View], Awaitable[list[str]]] = _nothing
    """Lines about it."""


async def follow(
    console: Console, views: AsyncIterator[View], steps: Sequence[Step], *, since: datetime
) -> View:
    """Print each step as it is reached, `since` being when the first one began.

    Returns the application as it was then. Raises StepFailed when a run ends badly, the document cannot be
    read or nothing more happens.
    """
    ahead, at = list(steps), since
    with console.status("") as status:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                async for view in views:
                    while ahead and (reached := ahead[0].reached(view)):
                        step = ahead.pop(0)
                        show(console, step.name, (reached - at).total_seconds(), await step.tell(view))
                        at = max(at, reached)
                    if not ahead:
                        break
                    check(view, ahead[0])
                    status.update(f"until it is {ahead[0].name} …")
        except TimeoutError:
            raise StepFailed(ahead[0], f"it took more than {PATIENCE_SECONDS:.0f} s.") from None
    console.print(Text(f"{(at - since).total_seconds():6.1f} s  in all", style="bold"))
    return view


def check(view: View, step: Step) -> None:
    """Raises StepFailed if `step` will never be reached."""
    for run in view["runs"]:
        if run["state"] in _ENDED_BADLY:
            raise StepFailed(
                step, f"{run['route']} is {run['state_name']} ({run['last_error'] or 'no reason given'})."
            )
    for document in view["documents"]:
        if document["status"] in _NOT_READ:
            raise StepFailed(step, f"it is {document['status']}: {document['reason']}")


def run_time(name: str, route: str = "document-verification") -> Callable[[View], datetime | None]:
    """When the first run on a route did what `name`, one of a run's times, tells."""

    def reached(view: View) -> datetime | None:
        times = (_time(run[name]) for run in view["runs"] if run["route"] == route)
        return next(times, None)

    return reached


def read_at(view: View) -> datetime | None:
    return _time(view["documents"][0]["verified_at"]) if view["documents"] else None


def decided_at(view: View) -> datetime | None:
    return _time(view["decision"]["received_at"]) if view["decision"] else None


def say(line: str) -> Callable[[View], Awaitable[list[str]]]:
    """Lines of a step that are always the same."""

    async def tell(_view: View) -> list[str]:
        return [line]

    return tell


async def tell_decision(view: View) -> list[str]:
    decision = view["decision"]
    return [f"{decision['outcome']} by {decision['decided_by']}, by a signed request", *decision["reasons"]]


def _time(value: str | None) -> datetime | None:
    return datetime.fromisoformat(value) if value else None


def show(console: Console, name: str, seconds: float, lines: Sequence[str]) -> None:
    """One step: its seconds (never below 0, though clocks differ a little), its name, what can be told."""
    first, *others = lines or [""]
    console.print(Text.assemble(f"{max(0.0, seconds):6.1f} s  ", (f"{name:<11}", "bold green"), first))
    for line in others:
        console.print(Text(" " * 21 + line))
