"""Run one command of Prefect's own CLI once a file exists: `python -m … FILE server start …`.

Importing Prefect takes seconds of CPU. Here they pass while that which the command needs is being started;
the file says that it is there.
"""

from __future__ import annotations

import importlib
import sys
import time
from pathlib import Path

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
    while not Path(signal_file).exists():
        time.sleep(0.05)
    sys.argv[1:] = command
    app()


if __name__ == "__main__":
    main()
