"""`sluice demo --once`, as `make demo ONCE=1` runs it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

STEPS = [
    "uploaded",
    "notified",
    "committed",
    "dispatched",
    "running",
    "read",
    "in review",
    "decided",
    "emailed",
]


def test_the_demo_tells_every_step_and_ends_well(tmp_path: Path) -> None:
    outcome = subprocess.run(  # noqa: S603
        [Path(sys.executable).with_name("sluice"), "demo", "--once"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    told = re.findall(rf"^ +\d+\.\d s  ({'|'.join(STEPS)})\b", outcome.stdout, re.MULTILINE)
    assert told == STEPS
    received, approved = sorted((tmp_path / ".sluice" / "mail").iterdir())
    assert "we-have-received-your-documents" in received.name
    assert f".sluice/mail/{approved.name}" in outcome.stdout
