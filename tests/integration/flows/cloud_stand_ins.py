"""Google Vision and AWS Textract as they answer, by their documentation, for pictures we know the text of."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.dev.process import free_port
from app.dev.serving import serving
from flows.extraction.engine import Line
from flows.extraction.fields import FieldName

VISION_KEY = "AIza-not-a-real-key"


class Answer(NamedTuple):
    status: int
    body: bytes

    @classmethod
    def of(cls, status: int, body: Any) -> Answer:
        return cls(status, json.dumps(body).encode())


class VisionStandIn:
    """`images:annotate` over HTTP: gives `first` once each and in order, then `always`."""

    def __init__(self, always: Answer | None = None) -> None:
        self.first: list[Answer] = []
        self.always = always or Answer.of(200, {"responses": [{}]})
        self.delay = 0.0
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.urls: list[str] = []

    async def __call__(self, request: Request) -> Response:
        self.keys.append(request.headers.get("x-goog-api-key"))
        self.urls.append(str(request.url))
        self.requests.append(await request.json())
        await asyncio.sleep(self.delay)
        answer = self.first.pop(0) if self.first else self.always
        return Response(answer.body, answer.status, media_type="application/json")

    @property
    def pictures(self) -> list[bytes]:
        """The pictures it was sent."""
        return [base64.b64decode(body["requests"][0]["image"]["content"]) for body in self.requests]


@asynccontextmanager
async def served(stand_in: VisionStandIn) -> AsyncIterator[str]:
    """The stand-in on a port of its own, at any path; yields its origin."""
    port = free_port()
    async with serving(Starlette(routes=[Route("/{path:path}", stand_in.__call__, methods=["POST"])]), port):
        yield f"http://127.0.0.1:{port}"


def vision_error(code: int, status: str) -> Answer:
    """An error of Google's front end, which bears the code twice."""
    return Answer.of(code, {"error": {"code": code, "message": "…", "status": status}})


def vision_answer(lines: Iterable[Line]) -> Answer:
    """One block with one paragraph for each line, words and symbols with their breaks inside."""
    blocks = [
        {
            "boundingBox": _box(line.corners),
            "paragraphs": [{"boundingBox": _box(line.corners), "words": list(_words(line))}],
            "blockType": "TEXT",
        }
        for line in lines
    ]
    annotation = {"pages": [{"width": 1, "height": 1, "blocks": blocks}], "text": "…"}
    return Answer.of(200, {"responses": [{"textAnnotations": [], "fullTextAnnotation": annotation}]})


def _words(line: Line) -> Iterator[dict[str, Any]]:
    """Each word in its share of the line's rectangle."""
    starts = [0, *(at + 1 for at, character in enumerate(line.text) if character == " ")]
    for start, end in pairwise([*starts, len(line.text) + 1]):
        word = line.text[start : end - 1]
        last = end > len(line.text)
        symbols: list[dict[str, Any]] = [{"text": character, "confidence": 0.9} for character in word]
        symbols[-1]["property"] = {"detectedBreak": {"type": "LINE_BREAK" if last else "SPACE"}}
        yield {
            "boundingBox": _box(_part(line, start / len(line.text), (end - 1) / len(line.text))),
            "symbols": symbols,
            "confidence": line.confidence / 100,
        }


def _part(line: Line, begin: float, end: float) -> np.ndarray[Any, Any]:
    a, b, c, d = line.corners
    return np.array([a + (b - a) * begin, a + (b - a) * end, d + (c - d) * end, d + (c - d) * begin])


def _box(corners: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Whole pixels, and without x or y where it is zero."""
    return {
        "vertices": [
            {name: value for name, value in (("x", round(float(x))), ("y", round(float(y)))) if value}
            for x, y in corners
        ]
    }


def textract_answer(
    lines: Sequence[Line], width: int, height: int, named: dict[FieldName, str] | None = None
) -> dict[str, Any]:
    """`AnalyzeID`'s response, with each line and the page around them as blocks."""
    blocks: list[dict[str, Any]] = [{"BlockType": "PAGE", "Id": "page"}]
    for number, line in enumerate(lines):
        polygon = [{"X": float(x) / width, "Y": float(y) / height} for x, y in line.corners]
        block = {"Text": line.text, "Confidence": line.confidence, "Geometry": {"Polygon": polygon}}
        blocks.append({"BlockType": "LINE", "Id": f"line-{number}", **block})
        blocks.append({"BlockType": "WORD", "Id": f"word-{number}", **block})
    fields = [
        {
            "Type": {"Text": name.value},
            "ValueDetection": {"Text": value, "Confidence": 98.7, **_normalized(name, value)},
        }
        for name, value in (named or {}).items()
    ]
    # What it knows and did not find.
    fields.append({"Type": {"Text": "SUFFIX"}, "ValueDetection": {"Text": "", "Confidence": 99.6}})
    fields.append({"Type": {"Text": "VETERAN"}, "ValueDetection": {"Text": "", "Confidence": 99.6}})
    return {
        "IdentityDocuments": [{"DocumentIndex": 1, "IdentityDocumentFields": fields, "Blocks": blocks}],
        "DocumentMetadata": {"Pages": 1},
        "AnalyzeIDModelVersion": "1.0",
    }


def _normalized(name: FieldName, value: str) -> dict[str, Any]:
    if not name.value.startswith(("DATE_", "EXPIRATION")):
        return {}
    month, day, year = value.split("/")
    return {"NormalizedValue": {"Value": f"{year}-{month}-{day}T00:00:00", "ValueType": "Date"}}
