"""The bill of materials is whole and valid, and an audit that could ask nobody does not say all is well."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from deploy.audit import judge, read
from deploy.sbom import bill

ROOT = Path(__file__).resolve().parents[2]
LOCK = (ROOT / "requirements.lock").read_text("utf-8")


@pytest.fixture(scope="module")
def made() -> str:
    return JsonV1Dot6(bill(LOCK, (ROOT / "pyproject.toml").read_text("utf-8"))).output_as_string()


def test_the_bill_is_valid_cyclonedx(made: str) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(made) is None


def test_the_bill_names_everything_in_the_lock_and_what_of_it_is_shipped(made: str) -> None:
    listed = json.loads(made)["components"]
    components = {component["name"]: component for component in listed}
    pinned = re.findall(r"^[A-Za-z0-9._-]+==[^\s;]+", LOCK, re.MULTILINE)
    assert sorted(component["bom-ref"] for component in listed) == sorted(pinned)
    assert all(component["hashes"] for component in components.values())
    for shipped in ("fastapi", "starlette", "prefect", "opentelemetry-sdk", "prefect-docker"):
        assert components[shipped]["scope"] == "required"
    for tool in ("pytest", "moto", "mypy"):
        assert components[tool]["scope"] == "excluded"


def test_the_same_lock_gives_the_same_bill(made: str) -> None:
    again = bill(LOCK, (ROOT / "pyproject.toml").read_text("utf-8"))
    assert JsonV1Dot6(again).output_as_string() == made


SOUND: dict[str, Any] = {"name": "httpx", "version": "0.28.1", "vulns": []}
UNKNOWN: dict[str, Any] = {"name": "uvicorn", "skip_reason": "Dependency not found on PyPI"}
VULNERABLE: dict[str, Any] = {
    "name": "pillow",
    "version": "1.0",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.0"], "aliases": []}],
}


@pytest.mark.parametrize(
    ("packages", "code", "says"),
    [
        ([SOUND], 0, "1 packages looked up, no known"),
        ([SOUND, VULNERABLE], 1, "pillow 1.0: PYSEC-1, mended in 2.0"),
        ([UNKNOWN, VULNERABLE], 1, "PYSEC-1"),
        ([SOUND, UNKNOWN], 2, "NOT AUDITED: 1 packages were looked up"),
        (None, 2, "NOT AUDITED: 0 packages"),
    ],
)
def test_an_audit_says_what_it_could_not_look_up(
    packages: list[dict[str, Any]] | None, code: int, says: str
) -> None:
    found = None if packages is None else read({"dependencies": packages})
    answered, told = judge(found, unreachable_is_fine=False)
    assert answered == code
    assert says in told
    assert judge(found, unreachable_is_fine=True)[0] == (0 if code == 2 else code)
