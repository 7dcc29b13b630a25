"""`sluice dev` as a developer meets it: it comes up, says what crashed, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="looks for leftover processes in /proc, which Linux has"
)

ALL_UP = "Ctrl-C stops everything."


class SluiceDev:
    """The command in a folder of its own, which all its processes name in their environment or arguments."""

    def __init__(self) -> None:
        # Readable by the user PostgreSQL runs as, which pytest's own temporary folders are not.
        self.folder = Path(tempfile.mkdtemp(prefix="sluice-dev-test-"))
        self.folder.chmod(0o755)
        self.output = self.folder / "output"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(  # noqa: S603
                [Path(sys.executable).with_name("sluice"), "dev"],
                stdout=output,
                stderr=output,
                cwd=self.folder,
                env={**os.environ, "TMPDIR": str(self.folder)},
                start_new_session=True,
            )

    def wait_for(self, text: str, within: float = 120) -> str:
        """The output, once it holds `text`."""
        deadline = time.monotonic() + within
        while text not in (output := self.output.read_text()):
            assert self.process.poll() is None, output
            assert time.monotonic() < deadline, output
            time.sleep(0.05)
        return output

    def ends(self, within: float = 10) -> int:
        return self.process.wait(within)

    def leftovers(self, within: float = 10) -> list[str]:
        """The processes that are still there after that many seconds."""
        deadline = time.monotonic() + within
        while (found := self._processes()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return found

    def _processes(self) -> list[str]:
        mark, found = os.fsencode(self.folder), []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command = (process / "cmdline").read_bytes()
                if mark in command + (process / "environ").read_bytes():
                    found.append(command.replace(b"\0", b" ").decode())
            except OSError:  # it has just ended, or is not ours
                continue
        return found

    def postgresql_folders(self) -> list[Path]:
        return list(self.folder.glob("sluice-postgresql-*"))


@pytest.fixture
def sluice_dev() -> Iterator[SluiceDev]:
    command = SluiceDev()
    yield command
    command.process.kill()
    command.process.wait()
    shutil.rmtree(command.folder)


def test_a_crash_names_the_part_and_stops_the_rest(sluice_dev: SluiceDev) -> None:
    output = sluice_dev.wait_for(ALL_UP)
    assert re.search(r"http://127\.0\.0\.1:\d+/docs", output)
    [worker] = [
        int(line.split()[0])
        for line in subprocess.run(
            ["/bin/sh", "-c", f"grep -l worker /proc/[0-9]*/cmdline 2>/dev/null"],
            capture_output=True, text=True, check=False,
        ).stdout.splitlines()
    ]
