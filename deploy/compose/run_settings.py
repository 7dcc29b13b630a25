"""Writes what a flow run in a container of its own needs to know into the folder given: its settings.

Each SLUICE_… variable that is set becomes a file of its name, as SLUICE_SECRETS_DIR expects it, and AWS's key
a credentials file. What was there before is removed.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main() -> None:
    folder = Path(sys.argv[1])
    for old in folder.iterdir():
        old.unlink()
    os.umask(0o077)
    for name, value in os.environ.items():
        if name.startswith("SLUICE_") and value:
            (folder / name).write_text(value, "utf-8")
    if os.environ.get("AWS_ACCESS_KEY_ID"):
        pair = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        lines = ["[default]", *(f"{name.lower()} = {os.environ.get(name, '')}" for name in pair), ""]
        (folder / "aws_credentials").write_text("\n".join(lines), "utf-8")


if __name__ == "__main__":
    main()
