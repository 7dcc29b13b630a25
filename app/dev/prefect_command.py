"""Run one command of Prefect's own CLI once a file exists: `python -m … FILE server start …`.

Importing Prefect takes seconds of CPU. Here they pass while that which the command needs is being started;
the file says that it is there.
"""

from __future__ import annotations

import importlib
import sys
import time
from pathlib import Path
from typing import Any

from prefect.cli import app

_IMPORTED_BY = {
    "server": ["prefect.server.api.server"],
    "worker": ["prefect.cli.worker", "prefect.workers.process"],
    "deploy": ["prefect.cli.deploy._core", "prefect.deployments.runner"],
}


def main() -> None:
    """`argv` is the file to wait for and then what follows the word `prefect`."""
    signal_file, *command = sys.argv[1:]
    for module in _IMPORTED_BY[command[0]]:
        importlib.import_module(module)
    if command[0] == "server":
        _let_schedules_make_runs()
    while not Path(signal_file).exists():
        time.sleep(0.05)
    sys.argv[1:] = command
    app()


def _let_schedules_make_runs() -> None:
    """Have Prefect 3.8 schedule with SQLAlchemy 2.1 as it does with 2.0.

    Its scheduler inserts flow runs with a member `state`, which is no column. 2.0 passes over it; 2.1 asks
    the class what to do, gets no answer and inserts nothing.
    """
    from prefect.server.database.orm_models import FlowRun  # noqa: PLC0415 (the other commands do without)

    def pass_over(_class: type[FlowRun], _row: dict[str, Any], _state: object) -> None:
        """The scheduler inserts the state itself, as a row of its own."""

    vars(FlowRun)["state"].inplace.bulk_dml(pass_over)


if __name__ == "__main__":
    main()
