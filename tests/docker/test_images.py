"""What is in the images, and what is not."""

from __future__ import annotations

import json
import re

import pytest

from tests.docker.compose import ROOT, docker

PACKAGES = (
    "import importlib.metadata as m; print(*(f'{d.name}=={d.version}' for d in m.distributions()), sep='\\n')"
)


def locked() -> set[str]:
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    pins = re.findall(r"^([\w.-]+)==([^\s;]+)", lock, re.MULTILINE)
    return {f"{_plain(name)}=={version}" for name, version in pins}


def packages(image: str) -> set[str]:
    listed = docker("run", "--rm", "--entrypoint", "python", image, "-c", PACKAGES).splitlines()
    return {_plain(line.partition("==")[0]) + "==" + line.partition("==")[2] for line in listed}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("image", ["gateway", "worker", "stand-ins"])
def test_every_package_is_the_locks(images: None, image: str) -> None:
    outside = {
        name for name in packages(f"sluice-{image}:test") - locked() if not name.startswith("sluice==")
    }
    assert outside - {name for name in outside if name.startswith("pip==")} == set()


def test_the_gateway_has_neither_prefect_nor_ocr_nor_stand_ins(images: None) -> None:
    names = {package.partition("==")[0] for package in packages("sluice-gateway:test")}
    assert (
        names & {"prefect", "rapidocr", "onnxruntime", "numpy", "polars", "moto", "aiosmtpd", "pytest"}
        == set()
    )
    assert "opentelemetry-sdk" in names


def test_the_worker_has_flows_but_no_tools_for_tests(images: None) -> None:
    names = {package.partition("==")[0] for package in packages("sluice-worker:test")}
    assert names >= {"prefect", "prefect-docker", "rapidocr", "polars"}
    assert names & {"moto", "aiosmtpd", "pytest", "mypy"} == set()


@pytest.mark.parametrize("image", ["gateway", "worker", "stand-ins"])
def test_an_image_says_what_it_is_and_runs_as_nobody_in_particular(images: None, image: str) -> None:
    config = json.loads(docker("image", "inspect", f"sluice-{image}:test"))[0]["Config"]
    assert config["User"] == "10001:10001"
    assert config["Labels"]["org.opencontainers.image.title"] == f"sluice-{image}"
    assert config["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"
    # It would run in the container of every flow run, too.
    assert ("Healthcheck" in config) == (image == "gateway")


@pytest.mark.parametrize("image", ["gateway", "worker"])
def test_it_comes_compiled(images: None, image: str) -> None:
    script = "import app.settings, sqlalchemy; print(app.settings.__cached__, sqlalchemy.__cached__)"
    compiled = docker("run", "--rm", "--entrypoint", "python", f"sluice-{image}:test", "-c", script).split()
    docker("run", "--rm", "--entrypoint", "ls", f"sluice-{image}:test", *compiled)
