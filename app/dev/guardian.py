"""The last one out: a small process that ends the embedded stack when its parent dies without doing so.

It reads names of process groups and folders from a pipe that only the parent holds open. When the pipe
ends, the parent is gone, however it died, and the guardian ends those groups and removes those folders. A
pipe does this on every system and for grandchildren too, which Linux's parent-death signal does not.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

GRACE_SECONDS = 4.0


class Guardian:
    """The parent's end of the pipe."""

    def __init__(self) -> None:
        self._child = subprocess.Popen(  # noqa: S603 (this very file)
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )
        atexit.register(self._close)

    def watch_group(self, group: int) -> None:
        """End this process group, should we die. Its leader must be our child."""
        self._tell(f"+group {group}")

    def forget_group(self, group: int) -> None:
        """To be called once the group is empty, since its number may be given out again."""
        self._tell(f"-group {group}")

    def watch_folder(self, folder: Path) -> None:
        """Remove this folder, should we die."""
        self._tell(f"+folder {folder}")

    def forget_folder(self, folder: Path) -> None:
        self._tell(f"-folder {folder}")

    def _tell(self, line: str) -> None:
        if self._child.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._child.stdin.write(line + "\n")
                self._child.stdin.flush()

    def _close(self) -> None:
        if self._child.stdin is not None:
            self._child.stdin.close()
        self._child.wait()


@functools.cache
def guardian() -> Guardian:
    """The one of this process, started when it is first needed."""
    return Guardian()


def _main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    watched: dict[str, set[str]] = {"group": set(), "folder": set()}
    for line in sys.stdin:
        kind, _, name = line[1:].rstrip("\n").partition(" ")
        (watched[kind].add if line.startswith("+") else watched[kind].discard)(name)
    groups = [int(name) for name in watched["group"]]
    _signal_all(groups, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    while _signal_all(groups, 0) and time.monotonic() < deadline:
        time.sleep(0.05)
    _signal_all(groups, signal.SIGKILL)
    for folder in watched["folder"]:
        shutil.rmtree(folder, ignore_errors=True)


def _signal_all(groups: list[int], which: int) -> bool:
    """Whether any of them was still there."""
    found = False
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, which)
            found = True
    return found


if __name__ == "__main__":
    _main()
