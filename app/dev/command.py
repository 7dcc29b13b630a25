"""`sluice dev` and `sluice demo`: the embedded stack until Ctrl-C, on its own or with a story told."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Coroutine
from typing import Any

import httpx
from rich.console import Console
from rich.text import Text

from app.dev.demo import Demo
from app.dev.folder import shown
from app.dev.loan_app import Refused
from app.dev.process import PartFailed
from app.dev.stack import Stack
from app.dev.timeline import StepFailed
from app.models import Role

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_dev() -> None:
    """Run the stack until Ctrl-C or SIGTERM (exit 0) or until a part fails (exit 1)."""
    sys.exit(_run(_dev(_console()), interrupted=0))


def run_demo(*, once: bool) -> None:
    """Tell the story, then stay up until Ctrl-C; end after the email if `once` or without a terminal.

    Exits with 1 when a part failed or the document did not get through.
    """
    console = _console()
    stay = console.is_terminal and not once
    # Ctrl-C is how it is meant to end, unless it was to end by itself.
    sys.exit(_run(Demo(console, stay=stay).run(), interrupted=0 if stay else 130))


def _console() -> Console:
    return Console(highlight=False, soft_wrap=True)


async def _dev(console: Console) -> None:
    def ready(part: str, seconds: float) -> None:
        console.print(f"{seconds:6.1f} s  {part}")

    stack = Stack(on_ready=ready)
    with console.status("Starting the stack …"):
        await stack.start()
    try:
        keys = {role: await stack.create_key(role, f"{role} (development)") for role in Role}
        console.print()
        for name, value in {
            "Sluice": f"{stack.gateway_url}/docs",
            "Prefect": stack.prefect_url,
            "Logs": shown(stack.folder.logs),
            "Mail": shown(stack.folder.mail),
            **{f"Key of the {role}": key for role, key in keys.items()},
        }.items():
            console.print(Text.assemble((f"{name:<24}", "bold"), value))
        console.print("\nCtrl-C stops everything.")
        await stack.watch()
    finally:
        with console.status("Stopping …"):
            await stack.stop()


def _run(work: Coroutine[Any, Any, None], *, interrupted: int) -> int:
    """The exit status: of `work` when it ends, else `interrupted`."""
    try:
        return 0 if asyncio.run(_until_signal(work)) else interrupted
    except (PartFailed, StepFailed, Refused, httpx.HTTPError) as failure:
        print(f"\nsluice: {str(failure) or repr(failure)}", file=sys.stderr)  # noqa: T201
        return 1


async def _until_signal(work: Coroutine[Any, Any, None]) -> bool:
    """Run `work` until it ends or the first signal cancels it. Returns whether it ended.

    Further signals do nothing: they must not cut short the clean-up that the first one began.
    """
    task = asyncio.ensure_future(work)
    stopping = asyncio.Event()

    def stop() -> None:
        if not stopping.is_set():
            stopping.set()
            task.cancel()

    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not stopping.is_set():
            raise
        return False
    return True
