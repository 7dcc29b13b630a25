"""Google Vision: text and its places by `images:annotate`, over REST.

https://docs.cloud.google.com/vision/docs/reference/rest/v1/images/annotate
"""

from __future__ import annotations

import asyncio
import base64
import math
from collections.abc import Iterator, Sequence

import httpx
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError
from pydantic.alias_generators import to_camel

from app.errors import SluiceError
from flows.engines.cloud import EngineRefused, EngineUnavailable, Jpeg, PageText, PlacedLine, Point

_PASSES = frozenset({1, 2, 4, 8, 10, 13, 14})
"""CANCELLED, UNKNOWN, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED, INTERNAL, UNAVAILABLE
(google.rpc.Code)."""
_WORTH_TRYING_AGAIN = frozenset({408, 425, 429})
_SPACES = frozenset({"SPACE", "SURE_SPACE"})
_LINE_ENDS = frozenset({"EOL_SURE_SPACE", "LINE_BREAK", "HYPHEN"})


class _Google(BaseModel):
    """Google leaves out what is zero or empty, a vertex's x and y too."""

    model_config = ConfigDict(alias_generator=to_camel)


class _Vertex(_Google):
    x: float = 0
    y: float = 0


class _Box(_Google):
    vertices: tuple[_Vertex, _Vertex, _Vertex, _Vertex]


class _Break(_Google):
    type: str = "UNKNOWN"


class _Property(_Google):
    detected_break: _Break = _Break()


class _Symbol(_Google):
    text: str = ""
    property: _Property = _Property()


class _Word(_Google):
    bounding_box: _Box
    symbols: list[_Symbol] = []
    confidence: float = 0

    @property
    def text(self) -> str:
        return "".join(symbol.text for symbol in self.symbols)

    @property
    def followed_by(self) -> str:
        """The kind of break after the word; UNKNOWN within a line without spaces."""
        return self.symbols[-1].property.detected_break.type if self.symbols else "UNKNOWN"


class _Paragraph(_Google):
    words: list[_Word] = []


class _Block(_Google):
    paragraphs: list[_Paragraph] = []


class _Page(_Google):
    blocks: list[_Block] = []


class _Annotation(_Google):
    pages: list[_Page] = []


class _Status(_Google):
    code: int = 0


class _Response(_Google):
    error: _Status | None = None
    full_text_annotation: _Annotation = _Annotation()


class _Answer(_Google):
    responses: tuple[_Response]


class GoogleVision:
    """The engine `google-vision`. It names no fields."""

    name = "google-vision"

    def __init__(self, url: str, api_key: SecretStr, timeout_seconds: float) -> None:
        self._url = url
        self._api_key = api_key
        self._timeout = timeout_seconds

    async def read(self, picture: Jpeg) -> PageText:
        response = await self._post(picture)
        if not response.is_success:
            raise _failure(
                f"HTTP {response.status_code}",
                passes=response.is_server_error or response.status_code in _WORTH_TRYING_AGAIN,
            )
        try:
            [page] = _Answer.model_validate_json(response.content).responses
            if page.error is not None:
                raise _failure(f"error {page.error.code} inside a 200", passes=page.error.code in _PASSES)
            return PageText(lines=tuple(_lines(page.full_text_annotation)), version="v1")
        except ValidationError:
            raise EngineUnavailable("Google Vision answered in another form than the documented.") from None

    async def _post(self, picture: Jpeg) -> httpx.Response:
        body = {
            "requests": [
                {
                    "image": {"content": base64.b64encode(picture.data).decode("ascii")},
                    "features": [{"type": "DOCUMENT_TEXT_DETECTION"}],
                }
            ]
        }
        # In a header, since URLs end up in logs.
        headers = {"x-goog-api-key": self._api_key.get_secret_value()}
        try:
            # httpx's own limit starts anew with each piece that arrives.
            async with asyncio.timeout(self._timeout), httpx.AsyncClient(timeout=self._timeout) as client:
                return await client.post(self._url, json=body, headers=headers)
        except (httpx.HTTPError, TimeoutError) as error:
            raise EngineUnavailable(f"Google Vision did not answer ({type(error).__name__}).") from error


def _failure(answer: str, *, passes: bool) -> SluiceError:
    kind = EngineUnavailable if passes else EngineRefused
    return kind(f"Google Vision answered {answer}.")


def _lines(annotation: _Annotation) -> Iterator[PlacedLine]:
    """Words joined to the lines they stand in; Google's own units are words and paragraphs."""
    for page in annotation.pages:
        for block in page.blocks:
            for paragraph in block.paragraphs:
                line: list[_Word] = []
                for word in paragraph.words:
                    line.append(word)
                    if word.followed_by in _LINE_ENDS:
                        yield from _line(line)
                        line = []
                yield from _line(line)


def _line(words: Sequence[_Word]) -> Iterator[PlacedLine]:
    text = "".join(word.text + (" " if word.followed_by in _SPACES else "") for word in words).strip()
    if not text:
        return
    letters = sum(len(word.text) for word in words)
    confidence = 100 * sum(word.confidence * len(word.text) for word in words) / letters
    yield PlacedLine(text=text, confidence=min(confidence, 100.0), corners=_around(words))


def _around(words: Sequence[_Word]) -> tuple[Point, Point, Point, Point]:
    """The rectangle around the words, in the direction they are read in.

    A box's vertices begin at the letters' upper left, whichever way the word stands.
    """
    first, last = words[0].bounding_box.vertices, words[-1].bounding_box.vertices
    across = (last[1].x + last[2].x - first[0].x - first[3].x) / 2
    down = (last[1].y + last[2].y - first[0].y - first[3].y) / 2
    length = math.hypot(across, down)
    x, y = (across / length, down / length) if length else (1.0, 0.0)
    vertices = [vertex for word in words for vertex in word.bounding_box.vertices]
    along = [vertex.x * x + vertex.y * y for vertex in vertices]
    beneath = [vertex.y * x - vertex.x * y for vertex in vertices]
    left, right, top, bottom = min(along), max(along), min(beneath), max(beneath)

    def point(a: float, b: float) -> Point:
        return round(a * x - b * y, 1), round(a * y + b * x, 1)

    return point(left, top), point(right, top), point(right, bottom), point(left, bottom)
