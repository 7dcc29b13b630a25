"""Asks whether anything in the lock has a known vulnerability, and says so when nobody could be asked.

    python deploy/audit.py [--unreachable-is-fine]

pip-audit answers "no known vulnerabilities found" also when its source knows none of the packages, as with a
mirror that serves files only. So what was really looked up is counted here. Exits with 1 for a vulnerability,
and with 2 when some packages could not be looked up.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LOCK = Path(__file__).resolve().parents[1] / "requirements.lock"
SERVICES = ("pypi", "osv")
"""Asked in this order, until one knows the packages."""


@dataclass
class Findings:
    """What one service said."""

    looked_up: int = 0
    unknown: list[str] = field(default_factory=list)
    """Packages that it does not know; all of them when it could not be reached."""
    vulnerable: list[str] = field(default_factory=list)
    """A line for each vulnerability."""


def read(answer: dict[str, Any]) -> Findings:
    """What pip-audit's JSON means."""
    found = Findings()
    for package in answer["dependencies"]:
        if "skip_reason" in package:
            found.unknown.append(package["name"])
            continue
        found.looked_up += 1
        for known in package["vulns"]:
            fixed = ", ".join(known["fix_versions"]) or "no release"
            found.vulnerable.append(
                f"{package['name']} {package['version']}: {known['id']}, mended in {fixed}"
            )
    return found


def ask(service: str) -> Findings | None:
    """None when the service cannot be reached."""
    options = ("--require-hashes", "--disable-pip", "--progress-spinner", "off", "--timeout", "10")
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(LOCK), *options]
    asked = subprocess.run(  # noqa: S603 (our own tool)
        [*command, "--vulnerability-service", service, "--format", "json"],
        check=False,
        capture_output=True,
        text=True,
    )
    return read(json.loads(asked.stdout)) if asked.stdout.startswith("{") else None


def judge(found: Findings | None, *, unreachable_is_fine: bool) -> tuple[int, str]:
    """The exit code, and what to print."""
    if found is not None and found.vulnerable:
        return 1, "\n".join(found.vulnerable)
    if found is None or found.unknown:
        looked_up = 0 if found is None else found.looked_up
        told = (
            f"NOT AUDITED: {looked_up} packages were looked up, the others nowhere to be found: no source of "
        )
        told += "vulnerabilities can be reached from here. Run `make audit` where one can."
        return (0 if unreachable_is_fine else 2), told
    return 0, f"{found.looked_up} packages looked up, no known vulnerabilities."


def main() -> None:
    """Ask, print, exit."""
    parser = argparse.ArgumentParser(description="Look for known vulnerabilities in the lock.")
    parser.add_argument(
        "--unreachable-is-fine", action="store_true", help="exit with 0 when none could be asked"
    )
    fine: bool = parser.parse_args().unreachable_is_fine
    found: Findings | None = None
    for service in SERVICES:
        found = ask(service) or found
        if found is not None and not found.unknown:
            break
    code, told = judge(found, unreachable_is_fine=fine)
    sys.stdout.write(told + "\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
