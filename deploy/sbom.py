"""Writes what Sluice is made of as a CycloneDX bill of materials, from the lock. Needs no network.

    python deploy/sbom.py sluice.cdx.json

Each component has its version, its hashes as the lock pins them, and the licence that the installed package
states. What only tests and development need has the scope `excluded`, as CycloneDX calls it. The same lock
gives the same bill.
"""

from __future__ import annotations

import argparse
import re
import tomllib
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
SHIPPED_EXTRAS = ("flows", "telemetry", "docker")

_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def bill(lock: str, project: str) -> Bom:
    """The bill of a lock file's text and of the text of the pyproject.toml that it was made from."""
    described = tomllib.loads(project)["project"]
    name, version = described["name"], described["version"]
    ours = Component(name=name, version=version, type=ComponentType.APPLICATION, bom_ref=f"{name}=={version}")
    extras = described["optional-dependencies"]
    wanted = [*described["dependencies"], *(need for extra in SHIPPED_EXTRAS for need in extras[extra])]
    direct = {canonicalize_name(Requirement(need).name) for need in wanted}
    shipped = _reachable(wanted)
    components = [_component(*package, shipped=shipped) for package in _packages(lock)]
    made = Bom(components=components)
    made.metadata.component = ours
    made.register_dependency(ours, [one for one in components if canonicalize_name(one.name) in direct])
    # Neither time nor chance, so that two bills of one lock can be compared.
    made.metadata.timestamp = datetime.fromtimestamp(0, UTC)
    made.serial_number = uuid.uuid5(uuid.NAMESPACE_OID, lock)
    return made


def _packages(lock: str) -> Iterator[tuple[str, str, list[str]]]:
    """Name, version and hashes of everything in the lock."""
    for block in re.split(r"^(?=[A-Za-z0-9])", lock, flags=re.MULTILINE):
        if pinned := _PINNED.match(block):
            yield pinned[1], pinned[2], _HASH.findall(block)


def _component(name: str, version: str, hashes: list[str], *, shipped: set[str]) -> Component:
    licence = _licence(name)
    return Component(
        type=ComponentType.LIBRARY,
        name=name,
        version=version,
        purl=PackageURL("pypi", name=canonicalize_name(name), version=version),
        bom_ref=f"{name}=={version}",
        scope=ComponentScope.REQUIRED if canonicalize_name(name) in shipped else ComponentScope.EXCLUDED,
        licenses=[LicenseFactory().make_from_string(licence)] if licence else [],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=one) for one in hashes],
    )


def _licence(name: str) -> str | None:
    """As the package states it; None where it is not installed here or states none in a line."""
    try:
        stated = metadata.metadata(name).json
    except metadata.PackageNotFoundError:
        return None
    words = str(stated.get("license_expression") or stated.get("license") or "")
    return words if 0 < len(words) < 100 and "\n" not in words else None


def _reachable(requirements: list[str]) -> set[str]:
    """The names of these requirements and of all that they need, by what the installed packages say."""
    waiting = [Requirement(requirement) for requirement in requirements]
    seen: set[tuple[str, str]] = set()
    while waiting:
        needed = waiting.pop()
        name = canonicalize_name(needed.name)
        for extra in ("", *needed.extras):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            waiting += _needs(name, extra)
    return {name for name, _ in seen}


def _needs(name: str, extra: str) -> Iterator[Requirement]:
    try:
        stated = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return
    for requirement in map(Requirement, stated):
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            yield requirement


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write the bill of materials.")
    parser.add_argument("file", type=Path)
    texts = [(ROOT / name).read_text("utf-8") for name in ("requirements.lock", "pyproject.toml")]
    parser.parse_args().file.write_text(JsonV1Dot6(bill(*texts)).output_as_string(indent=2) + "\n", "utf-8")
