"""What may be said of an error nobody foresaw: Prefect stores exceptions, and any text may quote a person."""

from __future__ import annotations

import traceback
from pathlib import Path


class UnexpectedError(Exception):
    """An error of a kind we did not foresee, told by its class and place only."""


def describe(error: BaseException) -> str:
    """The error's class and where it was raised, without its message."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {frames[-1].name} ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}{place}"
