"""The process that reads one document: the file on its standard input, the result on its output.

Uploads are hostile input for image decoders written in C. Here one that crashes, hangs or is broken into
costs this process only, which knows no password and can be killed. `flows.reader` starts it, early enough
that the engines are loaded, which takes most of the time, when the file arrives; what the two say to each
other is in `flows.reader_dialogue`.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from typing import Any, BinaryIO

from flows import reader_dialogue as dialogue
from flows.discretion import describe
from flows.engines.cloud import Jpeg, PageText
from flows.engines.remote import RemoteEngine
from flows.extraction.checks import Policy
from flows.extraction.engine import Engine
from flows.extraction.intake.picture import NotAccepted, Rejected, too_much_memory
from flows.extraction.ocr import RapidOcr
from flows.extraction.reading import read_document
from flows.reader_limits import confine, ran_out_of_memory


def main(engine_name: str) -> None:
    # Whatever the engines print must not end up in the answer.
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    engine = _engine(engine_name, sys.stdin.buffer, output)
    confine()
    policy = Policy.model_validate_json(dialogue.hear(sys.stdin.buffer, dialogue.POLICY))
    answer = _answer(dialogue.hear(sys.stdin.buffer, dialogue.FILE), engine, policy)
    dialogue.say(output, dialogue.ANSWER, json.dumps(answer).encode())


def _engine(name: str, source: BinaryIO, output: BinaryIO) -> Engine:
    if name == RapidOcr.name:
        engine = RapidOcr()
        engine.load()
        return engine

    def ask(picture: Jpeg) -> PageText:
        dialogue.say(output, dialogue.PICTURE, dialogue.with_picture(picture))
        return PageText.model_validate_json(dialogue.hear(source, dialogue.TEXT))

    return RemoteEngine(name, ask)


def _answer(data: bytes, engine: Engine, policy: Policy) -> dict[str, Any]:
    try:
        extraction = read_document(data, engine, policy=policy, today=datetime.now(UTC).date())
    except NotAccepted as error:
        status = "rejected" if isinstance(error, Rejected) else "unreadable"
        return {"status": status, "reason": error.sentence}
    except Exception as error:
        if ran_out_of_memory(error):
            return {"status": "rejected", "reason": too_much_memory().sentence}
        return {"status": "crashed", "reason": describe(error)}
    return {"status": "verified", "extraction": extraction.model_dump(mode="json")}


if __name__ == "__main__":
    main(sys.argv[1])
