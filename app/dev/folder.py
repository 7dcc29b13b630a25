"""The folder of one running stack: its logs, the mail it sent, Prefect's home."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.errors import Misconfigured


def shown(path: Path) -> str:
    """The path as a person in the current directory would write it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


class Folder:
    """`path` is made when it is claimed; `logs` and `mail` are what a developer wants to read."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.logs = self.path / "logs"
        self.mail = self.path / "mail"
        self.prefect_home = self.path / "prefect"
        self.temporary = self.path / "tmp"

    def log(self, part: str) -> Path:
        return self.logs / f"{part.lower().replace(' ', '-')}.log"

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Hold the folder, emptied of what an earlier stack left. Raises Misconfigured if one is running."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Misconfigured(
                    f"Another stack is running in {self.path}. Stop it, or start from another folder."
                ) from None
            for part in (self.logs, self.mail, self.prefect_home, self.temporary):
                shutil.rmtree(part, ignore_errors=True)
                part.mkdir()
            yield
