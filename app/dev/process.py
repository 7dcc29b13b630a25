"""A part of the embedded stack that is a process of its own: started, watched, stopped, read back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from app.dev.folder import shown
from app.dev.guardian import guardian

Ready = Callable[[], Awaitable[bool]]


class PartFailed(Exception):
    """A part did not start, or ended by itself. The message names it and ends with its last log lines."""

    def __init__(self, part: str, what: str, log: Path | None = None) -> None:
        self.part = part
        message = f"{part} {what}."
        if log is not None:
            message += f" The last lines of {shown(log)}:\n{tail(log)}"
        super().__init__(message)


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log file, indented to stand out in a message."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return "    (nothing was written)"
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:]) or "    (empty)"


_given_out: set[int] = set()


def free_port() -> int:
    """A loopback port nothing listens on, another one each time.

    It lies below the range systems hand out to outgoing connections (32768 on Linux, 49152 elsewhere), so
    that none of those can take it while a part is being restarted on the same port.
    """
    while True:
        port = random.randint(20_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in _given_out:
                _given_out.add(port)
                return port


_WHEN_TOLD = ["/bin/sh", "-c", 'read -r _ && exec "$@" </dev/null', "sh"]
"""Becomes the program that follows once a line arrives. A child must not begin before the guardian knows of
it: if we die in between, the line never comes, and the child ends."""


class Process:
    """One child in a session of its own, so that a terminal's Ctrl-C reaches only us and a signal to its
    group reaches everything it started."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str],
        cwd: Path | None = None,
        user: tuple[int, int] | None = None,
        ready: Ready | None = None,
    ) -> None:
        """`env` is the whole environment; changes to it count from the next start. `user` is a (uid, gid)
        to become, for a parent that is root. `ready` tells whether the part does its work; `up` waits for it.
        """
        self.name = name
        self.command = [str(word) for word in command]
        self.log = log
        self.env = dict(env)
        self.cwd = cwd
        self.user = user
        self.ready = ready
        self._child: subprocess.Popen[bytes] | None = None
        self._group: int | None = None
        self._stopping = False
        self.started_at = datetime.min.replace(tzinfo=UTC)

    @property
    def pid(self) -> int:
        if self._child is None:
            raise RuntimeError(f"{self.name} has not been started")
        return self._child.pid

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    @property
    def crashed(self) -> bool:
        """Whether it ended although nobody asked it to."""
        return self._child is not None and not self._stopping and self._child.poll() is not None

    def start(self) -> None:
        uid, gid = self.user or (None, None)
        self._stopping = False
        self.started_at = datetime.now(UTC)
        with self.log.open("ab") as output:
            self._child = subprocess.Popen(  # noqa: S603 (our own programs)
                [*_WHEN_TOLD, *self.command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self.env,
                cwd=self.cwd,
                start_new_session=True,
                user=uid,
                group=gid,
                extra_groups=None if self.user is None else [],
            )
        self._group = self._child.pid
        guardian().watch_group(self._group)
        if self._child.stdin is not None:
            with contextlib.suppress(BrokenPipeError), self._child.stdin as told:
                told.write(b"start\n")

    async def up(self, *, within: float = 60.0) -> None:
        """Start and wait until ready. Raises `PartFailed` if it ends first or `within` seconds pass."""
        self.start()
        await self.until_ready(within=within)

    async def until_ready(self, *, within: float = 60.0) -> None:
        """Raises `PartFailed` if the process ends first or `within` seconds pass."""
        deadline = time.monotonic() + within
        while self.ready is not None and not await self.ready():
            self.check_alive()
            if time.monotonic() > deadline:
                raise self.failure(f"was not ready within {within:.0f} s")
            await asyncio.sleep(0.05)

    async def finish(self, *, within: float = 60.0) -> None:
        """For a command: wait until it has ended. Raises `PartFailed` if it fails or takes too long."""
        deadline = time.monotonic() + within
        while self.running:
            if time.monotonic() > deadline:
                raise self.failure(f"did not end within {within:.0f} s")
            await asyncio.sleep(0.05)
        self.check_alive(allowed=0)
        self.kill()

    def stop(self, *, with_signal: signal.Signals = signal.SIGTERM, grace: float = 5.0) -> None:
        """Ask the whole group to end, and end by force what is left of it when its leader has ended, or
        after `grace` seconds. Does nothing when it was never started or has been stopped."""
        self._stopping = True
        self._signal_group(with_signal)
        if self._child is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(grace)
        self.kill()

    def kill(self) -> None:
        """End the whole group at once, without a chance to clean up (SIGKILL)."""
        self._stopping = True
        self._signal_group(signal.SIGKILL)
        if self._child is not None and self._group is not None:
            self._child.wait()
            guardian().forget_group(self._group)
            self._group = None  # the number may now be given to others

    def _signal_group(self, which: signal.Signals) -> None:
        if self._group is not None:
            # Nobody may be left (or, on macOS, only the leader that we have not waited for yet).
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._group, which)

    def failure(self, what: str) -> PartFailed:
        return PartFailed(self.name, what, self.log)

    def check_alive(self, *, allowed: int | None = None) -> None:
        """Raises `PartFailed` when the process has ended by itself, unless with the `allowed` exit code."""
        if self.crashed and self._child is not None and self._child.returncode != allowed:
            raise self.failure(f"ended with exit code {self._child.returncode}")
