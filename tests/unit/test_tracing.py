"""Tracing where its packages are not loaded, or not there."""

from __future__ import annotations

import subprocess
import sys

import pytest

_WITHOUT_PACKAGES = """
import asyncio, sys
sys.modules["opentelemetry.sdk"] = None  # as if it were not installed
from app import tracing
from app.settings import TracingSettings
"""


def run(program: str) -> str:
    """What a fresh interpreter prints."""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 (our own program)
    return done.stdout


@pytest.mark.parametrize("module", ["app.main", "app.cli"])
def test_while_it_is_off_its_sdk_is_not_even_imported(module: str) -> None:
    # FastAPI imports OpenTelemetry's API, which does nothing by itself.
    loaded = run(
        f"import sys, {module}; print([name for name in sys.modules if 'opentelemetry.sdk' in name])"
    )
    assert loaded.strip() == "[]"


def test_a_gateway_without_the_packages_does_not_start_and_says_what_to_install() -> None:
    said = run(
        _WITHOUT_PACKAGES
        + """
async def serve():
    async with tracing.exporting(TracingSettings(enabled=True), "sluice"):
        print("started")
try:
    asyncio.run(serve())
except Exception as error:
    print(type(error).__name__, error)
"""
    )
    assert said.startswith("Misconfigured ")
    assert "Install sluice[telemetry]" in said


def test_flows_without_the_packages_run_untraced_and_say_so() -> None:
    said = run(
        _WITHOUT_PACKAGES
        + """
tracing.export_from_flows(TracingSettings(enabled=True))
print(tracing.current())
"""
    )
    assert "flow runs are not traced" in said
    assert said.strip().endswith("None")
