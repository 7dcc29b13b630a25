"""The process that reads one document: the file on its standard input, the result as JSON on its output.

Uploads are hostile input for image decoders written in C. Here one that crashes, hangs or is broken into
costs this process only, which knows no password and can be killed. `flows.reader` starts it, early enough
that the engines are loaded, which takes most of the time, when the file arrives.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from datetime import UTC, datetime
from typing import Any

import numpy as np

from flows.discretion import describe
from flows.extraction.engine import Engine
from flows.extraction.intake import NotAccepted, Rejected
from flows.extraction.ocr import RapidOcr
from flows.extraction.reading import read_document


def main() -> None:
    # A core dump would hold the document.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Whatever the engines print must not end up in the answer.
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    engine = RapidOcr()
    engine.read(np.zeros((64, 64, 3), dtype=np.uint8))
    json.dump(_answer(sys.stdin.buffer.read(), engine), answer)
    answer.close()


def _answer(data: bytes, engine: Engine) -> dict[str, Any]:
    try:
        extraction = read_document(data, engine, today=datetime.now(UTC).date())
    except NotAccepted as error:
        status = "rejected" if isinstance(error, Rejected) else "unreadable"
        return {"status": status, "reason": error.sentence}
    except Exception as error:
        return {"status": "crashed", "reason": describe(error)}
    return {"status": "verified", "extraction": extraction.model_dump(mode="json")}


if __name__ == "__main__":
    main()
