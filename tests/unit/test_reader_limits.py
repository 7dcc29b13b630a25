"""What a confined process cannot do. Each limit is for good, so each is tried in a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flows.reader_limits import MEMORY_BYTES, ran_out_of_memory

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the kernel does not keep to it")


def confined(code: str, before: str = "") -> subprocess.CompletedProcess[str]:
    lines = ("import resource", "from flows.reader_limits import confine", before, "confine()", code)
    return subprocess.run(  # noqa: S603 - our own interpreter and code
        (sys.executable, "-c", "\n".join(lines)), capture_output=True, text=True, check=False, timeout=30
    )


@linux_only
def test_it_gets_no_more_memory_than_agreed() -> None:
    assert confined(f"bytearray({MEMORY_BYTES // 2})").returncode == 0
    assert "MemoryError" in confined(f"bytearray({MEMORY_BYTES})").stderr


def test_it_writes_no_file(tmp_path: Path) -> None:
    target = tmp_path / "file"
    assert "OSError" in confined(f"import pathlib; pathlib.Path({str(target)!r}).write_text('x')").stderr
    assert not target.read_text()


def test_a_crash_leaves_no_core_dump() -> None:
    assert confined("print(resource.getrlimit(resource.RLIMIT_CORE))").stdout.strip() == "(0, 0)"


def test_it_is_ended_when_it_has_used_up_its_time() -> None:
    shorter = "from flows import reader_limits; reader_limits.CPU_SECONDS = 1"
    assert confined("while True: pass", before=shorter).returncode == -signal.SIGXCPU


def test_it_cannot_take_its_limits_back() -> None:
    answer = confined(
        "import os\n"
        "if os.getuid() == 0: os.setuid(65534)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000))"
    )
    assert "ValueError" in answer.stderr


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (
            RuntimeError(
                "Non-zero status code returned while running Add node. Status Message: std::bad_alloc"
            ),
            True,
        ),
        (RuntimeError("Failed to allocate memory for requested buffer of size 1073741824"), True),
        (ValueError("OpenCV(5.0.0) alloc.cpp:73: error: (-4:Insufficient memory) Failed to allocate"), True),
        (ValueError("not enough values to unpack"), False),
        (RuntimeError(), False),
    ],
)
def test_libraries_say_in_their_own_words_that_memory_ended(error: Exception, expected: bool) -> None:
    assert ran_out_of_memory(error) is expected
