"""Makes the work pools that prefect.yaml deploys to, in the Prefect that PREFECT_API_URL names.

    python deploy/work_pools.py                     those that are missing, of every kind
    python deploy/work_pools.py docker image=registry.example.com/sluice-worker:0.1.0
    python deploy/work_pools.py --overwrite docker image=registry.example.com/sluice-worker:0.2.0

Values become the defaults of the pool's job variables; those that are not text are given as JSON. A pool that
exists stays as it is, unless `--overwrite` sets its template and all its defaults anew.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import jsonschema
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectAlreadyExists

TEMPLATES = Path(__file__).resolve().parent / "work-pools"
POOLS = {
    "process": "sluice",
    "docker": "sluice-docker",
    "ecs": "sluice-ecs",
    "ecs:push": "sluice-ecs",
    "kubernetes": "sluice-kubernetes",
}
"""Prefect's type of work pool, and the name prefect.yaml has for it. `ecs:push` is Prefect Cloud's alone."""


class UnknownValueError(ValueError):
    """A value that the pool's template has no such variable for, or that is not of its type."""


def template(kind: str, values: list[str] | None = None) -> dict[str, Any]:
    """The base job template of a pool, with `name=value` as defaults of its variables.

    Raises UnknownValueError, which says which value and why.
    """
    name = kind.partition(":")[0]
    loaded: dict[str, Any] = json.loads((TEMPLATES / f"{name}.json").read_text("utf-8"))
    variables = loaded["variables"]["properties"]
    if kind.endswith(":push"):
        loaded["variables"]["required"].append("aws_credentials")
    for value in values or []:
        variable, _, text = value.partition("=")
        if variable not in variables:
            raise UnknownValueError(f"{variable}: a {kind} pool has {', '.join(variables)}.")
        variables[variable]["default"] = _parsed(variable, text, loaded["variables"])
    return loaded


def _parsed(variable: str, text: str, schema: dict[str, Any]) -> Any:
    wanted = schema["properties"][variable]
    try:
        value = text if wanted.get("type") == "string" else json.loads(text)
        if "type" in wanted:  # the others are references to blocks, which Prefect resolves
            jsonschema.validate(value, wanted)
    except (json.JSONDecodeError, jsonschema.ValidationError) as error:
        raise UnknownValueError(f"{variable}={text}: {getattr(error, 'message', error)}") from None
    return value


def make(client: SyncPrefectClient, kind: str, values: list[str], *, overwrite: bool) -> str:
    """Make one pool, or with `overwrite` renew its template; says what was done. Limits and pauses stay."""
    name, base_job_template = POOLS[kind], template(kind, values)
    try:
        client.create_work_pool(WorkPoolCreate(name=name, type=kind, base_job_template=base_job_template))
    except ObjectAlreadyExists:
        if not overwrite:
            return f"{name}: exists, left as it is"
        client.update_work_pool(name, WorkPoolUpdate(base_job_template=base_job_template))
        return f"{name}: overwritten"
    return f"{name}: created"


def main(words: list[str] | None = None) -> None:
    """The command line; an error is one line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--overwrite", action="store_true", help="renew a pool that exists")
    parser.add_argument("kind", nargs="?", choices=POOLS, help="one kind of pool; all but ecs:push")
    parser.add_argument("values", nargs="*", metavar="name=value", help="defaults of its job variables")
    chosen = parser.parse_args(words)
    kinds = [chosen.kind] if chosen.kind else [kind for kind in POOLS if not kind.endswith(":push")]
    try:
        with get_client(sync_client=True) as client:
            for kind in kinds:
                print(make(client, kind, chosen.values, overwrite=chosen.overwrite))  # noqa: T201 (its output)
    except UnknownValueError as error:
        sys.exit(f"work_pools: {error}")


if __name__ == "__main__":
    main()
