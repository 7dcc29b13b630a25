"""The compose file says what it needs, publishes nothing by itself, and agrees with the lock."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic_settings import BaseSettings

from app.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text("utf-8")
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
EXAMPLE = (ROOT / ".env.example").read_text("utf-8")

ONCE = {"databases", "migrate", "deploy", "run-settings", "prefect-migrate", "journey"}
"""Do their work and end."""


def names_in(text: str) -> set[str]:
    return set(re.findall(r"^([A-Z_]+)=", text, re.MULTILINE))


def test_what_must_be_set_is_in_the_example() -> None:
    assert set(re.findall(r"\$\{(\w+):\?", TEXT)) <= names_in(EXAMPLE)


def test_what_the_example_sets_is_used() -> None:
    assert names_in(EXAMPLE) <= set(re.findall(r"\$\{(\w+)", TEXT))


def test_settings_have_the_names_that_are_documented() -> None:
    known = set()
    for group in Settings.model_fields.values():
        assert isinstance(group.annotation, type)
        assert issubclass(group.annotation, BaseSettings)
        prefix = group.annotation.model_config["env_prefix"]
        known |= {f"{prefix}{name}".upper() for name in group.annotation.model_fields}
    environment = {
        name for service in SERVICES.values() for name in service.get("environment", {}) if "SLUICE_" in name
    }
    assert environment - {"SLUICE_DATABASE_PASSWORD"} <= known


@pytest.mark.parametrize("service", SERVICES)
def test_ports_are_published_on_this_machine_only(service: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[service].get("ports", []))


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_is_confined(service: str) -> None:
    described = SERVICES[service]
    assert described["read_only"]
    assert described["cap_drop"] == ["ALL"]
    assert described["security_opt"] == ["no-new-privileges:true"]
    assert "mem_limit" in described
    assert "pids_limit" in described


@pytest.mark.parametrize("service", sorted(SERVICES.keys() - ONCE))
def test_each_service_that_stays_is_checked_and_restarted(service: str) -> None:
    assert SERVICES[service]["restart"] == "unless-stopped"
    assert SERVICES[service]["healthcheck"]["interval"]


def test_the_server_is_of_the_version_that_is_locked() -> None:
    dockerfile = (ROOT / "deploy/compose/prefect/Dockerfile").read_text("utf-8")
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    served = re.search(r"^ARG PREFECT=(.+)$", dockerfile, re.MULTILINE)
    locked = re.search(r"^prefect==([\d.]+)", lock, re.MULTILINE)
    assert served is not None
    assert locked is not None
    assert served[1] == locked[1]


def test_each_filling_of_the_example_has_secrets_of_its_own() -> None:
    def filled() -> dict[str, str]:
        script = ["/bin/sh", str(ROOT / "deploy/compose/fill-env.sh")]
        output = subprocess.run(script, input=EXAMPLE, capture_output=True, text=True, check=True).stdout  # noqa: S603 (our own)
        return dict(line.split("=", 1) for line in output.splitlines() if line and not line.startswith("#"))

    one, other = filled(), filled()
    secret = set(re.findall(r"^([A-Z_]+)=.*<(?:hex|base64)>", EXAMPLE, re.MULTILINE))
    assert secret == {name for name in one if one[name] != other[name]}
    assert not [value for value in one.values() if "<" in value]
