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
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="looks for leftover processes in /proc, which Linux has"
)

SLUICE = Path(sys.executable).with_name("sluice")
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
                [SLUICE, "dev"],
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
        while (found := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return list(found.values())

    def processes(self) -> dict[int, str]:
        """Commands by process id."""
        mark, found = os.fsencode(self.folder), {}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command = (process / "cmdline").read_bytes()
                if mark in command + (process / "environ").read_bytes():
                    found[int(process.name)] = command.replace(b"\0", b" ").decode()
            except OSError:  # it has just ended, or is not ours
                continue
        return found

    def process_of(self, words: str, within: float = 20) -> int:
        """The process whose command holds these words, once there is one."""
        deadline = time.monotonic() + within
        while True:
            for pid, command in self.processes().items():
                if words in command:
                    return pid
            assert time.monotonic() < deadline, self.processes()
            time.sleep(0.05)

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
    sluice_dev.wait_for(ALL_UP)
    os.kill(sluice_dev.process_of("worker start"), signal.SIGKILL)
    assert sluice_dev.ends() == 1
    assert "sluice: worker ended with exit code -9. The last lines of" in sluice_dev.output.read_text()
    assert sluice_dev.leftovers() == []
    assert sluice_dev.postgresql_folders() == []


def test_ctrl_c_ends_everything_also_a_flow_run_and_also_when_pressed_twice(sluice_dev: SluiceDev) -> None:
    output = sluice_dev.wait_for(ALL_UP)
    second = subprocess.run(  # noqa: S603
        [SLUICE, "dev"], cwd=sluice_dev.folder, capture_output=True, text=True, check=False
    )
    assert second.returncode == 1
    assert "Another stack is running in" in second.stderr

    start_a_flow_run(output)
    sluice_dev.process_of("prefect.engine")
    sluice_dev.process.send_signal(signal.SIGINT)
    sluice_dev.process.send_signal(signal.SIGINT)
    assert sluice_dev.ends() == 0
    assert sluice_dev.leftovers(within=1) == []
    assert sluice_dev.postgresql_folders() == []


def test_sigterm_while_starting_ends_everything(sluice_dev: SluiceDev) -> None:
    sluice_dev.wait_for("PostgreSQL")
    sluice_dev.process.terminate()
    assert sluice_dev.ends() == 0
    assert sluice_dev.leftovers(within=1) == []
    assert sluice_dev.postgresql_folders() == []


def test_even_sigkill_leaves_nothing(sluice_dev: SluiceDev) -> None:
    sluice_dev.wait_for("PostgreSQL")
    sluice_dev.process.kill()
    sluice_dev.ends()
    assert sluice_dev.leftovers() == []
    assert sluice_dev.postgresql_folders() == []


def start_a_flow_run(output: str) -> None:
    """Of a decision that does not exist: what it does matters less than that it is a process."""
    address = re.search(r"Prefect +(http://127\.0\.0\.1:\d+)", output)
    assert address, output
    with httpx.Client(base_url=f"{address[1]}/api", trust_env=False) as prefect:
        found = prefect.get("/deployments/name/underwriting-decision/default").raise_for_status().json()
        parameters = {"decision_id": str(uuid.uuid4())}
        prefect.post(
            f"/deployments/{found['id']}/create_flow_run", json={"parameters": parameters}
        ).raise_for_status()
