"""Parts of the stack as processes: what is said of one that fails, and that none is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.dev.process import PartFailed, Process

SHELL_WITH_CHILD = "echo started; sleep 300 & echo $! > child; wait"


def shell(folder: Path, script: str) -> Process:
    return Process(
        "part",
        ["/bin/sh", "-c", script],
        log=folder / "part.log",
        env={"PATH": os.environ["PATH"]},
        cwd=folder,
    )


def child_of(folder: Path) -> int:
    """The process id that the script wrote."""
    while not (folder / "child").exists() or not (folder / "child").read_text().strip():
        time.sleep(0.01)
    return int((folder / "child").read_text())


def gone(pid: int, within: float = 8.0) -> bool:
    """Whether the process ends in time; one that its new parent has not waited for yet counts as ended."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return not Path("/proc/self").exists() or not Path(f"/proc/{pid}").exists()
        time.sleep(0.02)
    return False


async def test_a_part_that_ends_before_it_is_ready_is_named_with_its_last_lines(tmp_path: Path) -> None:
    async def never() -> bool:
        return False

    part = shell(tmp_path, "echo it is the disk; exit 3")
    part.ready = never
    with pytest.raises(PartFailed, match=r"part ended with exit code 3(.|\n)*it is the disk"):
        await part.up()


async def test_a_part_that_is_never_ready_is_given_up(tmp_path: Path) -> None:
    async def never() -> bool:
        return False

    part = shell(tmp_path, "sleep 300")
    part.ready = never
    with pytest.raises(PartFailed, match="not ready within 0 s"):
        await part.up(within=0.1)
    part.stop()


async def test_a_command_that_fails_is_told(tmp_path: Path) -> None:
    part = shell(tmp_path, "exit 4")
    part.start()
    with pytest.raises(PartFailed, match="exit code 4"):
        await part.finish()


@pytest.mark.parametrize("way", ["stop", "kill"])
def test_what_a_part_started_ends_with_it(tmp_path: Path, way: str) -> None:
    part = shell(tmp_path, SHELL_WITH_CHILD)
    part.start()
    child = child_of(tmp_path)
    getattr(part, way)()
    assert gone(part.pid)
    assert gone(child)
    part.check_alive()  # it was asked to end, so it has not crashed


def test_a_part_that_will_not_end_is_ended_by_force(tmp_path: Path) -> None:
    part = shell(tmp_path, "trap '' TERM; echo ready; while :; do sleep 1; done")
    part.start()
    while not part.log.read_text():
        time.sleep(0.01)
    part.stop(grace=0.2)
    assert gone(part.pid)


async def test_it_can_be_started_again_with_a_changed_environment(tmp_path: Path) -> None:
    part = shell(tmp_path, 'echo "value $VALUE"')
    for value in ("1", "2"):
        part.env["VALUE"] = value
        part.start()
        await part.finish()
    assert part.log.read_text() == "value 1\nvalue 2\n"


def test_nothing_survives_a_parent_that_was_killed(tmp_path: Path) -> None:
    script = f"""
import os, pathlib, time
from app.dev.process import Process
folder = pathlib.Path({str(tmp_path)!r})
part = Process("part", ["/bin/sh", "-c", {SHELL_WITH_CHILD!r}], log=folder / "log",
               env={{"PATH": os.environ["PATH"]}}, cwd=folder)
part.start()
time.sleep(300)
"""
    with subprocess.Popen([sys.executable, "-c", script]) as parent:  # noqa: S603
        child = child_of(tmp_path)
        parent.send_signal(signal.SIGKILL)
    assert gone(child)
