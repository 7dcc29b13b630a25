"""The same contract for every engine: the local one for real, the cloud ones against what they document."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Protocol

import boto3
import numpy as np
import pytest
from botocore.config import Config
from botocore.stub import ANY, Stubber
from pydantic import SecretStr

from app.dev import specimens
from app.dev.process import free_port
from app.errors import Misconfigured
from app.settings import ReaderSettings
from flows.engines.choice import chosen
from flows.engines.cloud import CloudEngine, EngineRefused, EngineUnavailable, Jpeg, PageText
from flows.engines.remote import RemoteEngine
from flows.engines.textract import Textract
from flows.engines.vision import GoogleVision
from flows.extraction.engine import Engine, Line
from flows.extraction.fields import FieldName, Source
from flows.extraction.fronts.front import read_front
from flows.extraction.intake.picture import Pixels
from flows.extraction.ocr import RapidOcr
from tests.integration.flows.cloud_stand_ins import (
    VISION_KEY,
    Answer,
    VisionStandIn,
    served,
    textract_answer,
    vision_answer,
    vision_error,
)

if TYPE_CHECKING:
    from mypy_boto3_textract.client import TextractClient

PERSON = specimens.person(7, date(2026, 11, 20))
SPECIMEN: Pixels = np.asarray(specimens.front(PERSON).convert("RGB"), dtype=np.uint8)
BLANK: Pixels = np.full((400, 600, 3), 255, dtype=np.uint8)
TROUBLE = ["throttled", "out of order", "silent", "nonsense"]
REFUSALS = ["unauthorized", "forbidden", "bad picture"]


@cache
def printed() -> list[Line]:
    """The specimen's lines, as the local engine reads them: what the stand-ins of the others answer."""
    return RapidOcr().read(SPECIMEN).lines


class Cloud(Protocol):
    """A cloud engine and the means to make it answer as we need."""

    @property
    def engine(self) -> CloudEngine: ...

    def reads(self, pixels: Pixels) -> None: ...

    def fails(self, how: str) -> None: ...


class Vision:
    def __init__(self, url: str, stand_in: VisionStandIn) -> None:
        self.engine = GoogleVision(f"{url}/v1/images:annotate", SecretStr(VISION_KEY), timeout_seconds=1)
        self.stand_in = stand_in

    def reads(self, pixels: Pixels) -> None:
        self.stand_in.always = vision_answer(printed()) if pixels is SPECIMEN else self.stand_in.always

    def fails(self, how: str) -> None:
        if how == "silent":
            self.stand_in.delay = 1.5
        answers = {
            "throttled": vision_error(429, "RESOURCE_EXHAUSTED"),
            "out of order": vision_error(503, "UNAVAILABLE"),
            "nonsense": Answer(200, b"<html>Sign in to continue</html>"),
            "unauthorized": vision_error(401, "UNAUTHENTICATED"),
            "forbidden": vision_error(403, "PERMISSION_DENIED"),
            "bad picture": Answer.of(200, {"responses": [{"error": {"code": 3, "message": "Bad image."}}]}),
        }
        self.stand_in.always = answers.get(how, self.stand_in.always)


def textract_client(endpoint_url: str | None = None) -> TextractClient:
    return boto3.client(
        "textract",
        region_name="us-east-1",
        endpoint_url=endpoint_url,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(read_timeout=1, retries={"total_max_attempts": 1}),
    )


class StubbedTextract:
    """Answers and errors come from botocore's Stubber, silence and nonsense from a server."""

    def __init__(self, url: str, stand_in: VisionStandIn) -> None:
        client = textract_client()
        self.engine = Textract(client)
        self._stubber = Stubber(client)
        self._stubber.activate()
        self._url, self._stand_in = url, stand_in

    def reads(self, pixels: Pixels) -> None:
        height, width = pixels.shape[:2]
        lines = printed() if pixels is SPECIMEN else []
        answer = textract_answer(lines, width, height)
        self._stubber.add_response("analyze_id", answer, {"DocumentPages": [{"Bytes": ANY}]})

    def fails(self, how: str) -> None:
        if how in {"silent", "nonsense"}:
            self._stand_in.delay = 1.5 if how == "silent" else 0
            self._stand_in.always = Answer(200, b"<html>Sign in to continue</html>")
            self.engine = Textract(textract_client(self._url))
            return
        code, status = {
            "throttled": ("ProvisionedThroughputExceededException", 400),
            "out of order": ("InternalServerError", 500),
            "unauthorized": ("UnrecognizedClientException", 400),
            "forbidden": ("AccessDeniedException", 400),
            "bad picture": ("UnsupportedDocumentException", 400),
        }[how]
        self._stubber.add_client_error("analyze_id", code, "…", status)


@pytest.fixture
async def stand_in() -> VisionStandIn:
    return VisionStandIn()


@pytest.fixture(params=[Vision, StubbedTextract], ids=["google-vision", "aws-textract"])
async def cloud(request: pytest.FixtureRequest, stand_in: VisionStandIn) -> AsyncIterator[Cloud]:
    async with served(stand_in) as url:
        yield request.param(url, stand_in)


Build = Callable[[Pixels], Awaitable[Engine]]


@pytest.fixture(params=["rapidocr", "google-vision", "aws-textract"])
async def engine_for(request: pytest.FixtureRequest, stand_in: VisionStandIn) -> AsyncIterator[Build]:
    """Each engine as the reading process has it, made to read the picture."""
    if request.param == "rapidocr":

        async def local(pixels: Pixels) -> Engine:
            return RapidOcr()

        yield local
        return
    async with served(stand_in) as url:
        cloud: Cloud = (Vision if request.param == "google-vision" else StubbedTextract)(url, stand_in)
        loop = asyncio.get_running_loop()

        def ask(picture: Jpeg) -> PageText:
            found = asyncio.run_coroutine_threadsafe(cloud.engine.read(picture), loop).result()
            return PageText.model_validate_json(found.model_dump_json())

        async def remote(pixels: Pixels) -> Engine:
            cloud.reads(pixels)
            return RemoteEngine(cloud.engine.name, ask)

        yield remote


class TestEveryEngine:
    async def test_it_finds_every_line(self, engine_for: Build) -> None:
        engine = await engine_for(SPECIMEN)
        found = await asyncio.to_thread(engine.read, SPECIMEN)
        assert sorted(line.text for line in found.lines) == sorted(line.text for line in printed())

    async def test_it_says_where_clockwise_and_in_pixels_of_the_picture(self, engine_for: Build) -> None:
        engine = await engine_for(SPECIMEN)
        found = {line.text: line for line in (await asyncio.to_thread(engine.read, SPECIMEN)).lines}
        for line in printed():
            corners = found[line.text].corners
            assert np.abs(corners - line.corners).max() < 4
            right, down = corners[1] - corners[0], corners[3] - corners[0]
            assert right[0] * down[1] - right[1] * down[0] > 0

    async def test_its_confidence_is_of_a_hundred(self, engine_for: Build) -> None:
        engine = await engine_for(SPECIMEN)
        confidences = [line.confidence for line in (await asyncio.to_thread(engine.read, SPECIMEN)).lines]
        assert all(0 <= confidence <= 100 for confidence in confidences)
        assert max(confidences) > 90

    async def test_the_same_fields_come_of_it(self, engine_for: Build) -> None:
        engine = await engine_for(SPECIMEN)
        fields = read_front((await asyncio.to_thread(engine.read, SPECIMEN)).lines)
        assert {name.value: field.value for name, field in fields.items()} | specimens.truth(PERSON) == {
            name.value: field.value for name, field in fields.items()
        }

    async def test_a_blank_page_has_no_lines(self, engine_for: Build) -> None:
        engine = await engine_for(BLANK)
        assert (await asyncio.to_thread(engine.read, BLANK)).lines == []

    async def test_it_says_what_it_is(self, engine_for: Build) -> None:
        engine = await engine_for(BLANK)
        await asyncio.to_thread(engine.read, BLANK)
        assert engine.versions()[engine.name] != "unknown"


PICTURE = Jpeg(b"\xff\xd8\xff", 600, 400)


class TestEveryCloudEngine:
    @pytest.mark.parametrize("how", TROUBLE)
    async def test_trouble_that_passes_is_worth_another_attempt(self, cloud: Cloud, how: str) -> None:
        cloud.fails(how)
        with pytest.raises(EngineUnavailable) as caught:
            await cloud.engine.read(PICTURE)
        assert caught.value.retryable
        assert VISION_KEY not in str(caught.value)

    @pytest.mark.parametrize("how", REFUSALS)
    async def test_a_refusal_is_for_good(self, cloud: Cloud, how: str) -> None:
        cloud.fails(how)
        with pytest.raises(EngineRefused) as caught:
            await cloud.engine.read(PICTURE)
        assert not caught.value.retryable


class TestGoogleVision:
    @pytest.fixture
    async def vision(self, stand_in: VisionStandIn) -> AsyncIterator[GoogleVision]:
        async with served(stand_in) as url:
            yield Vision(url, stand_in).engine

    @pytest.mark.parametrize(
        ("code", "kind"),
        [(4, EngineUnavailable), (8, EngineUnavailable), (14, EngineUnavailable), (7, EngineRefused)],
    )
    async def test_an_error_inside_a_200(
        self, vision: GoogleVision, stand_in: VisionStandIn, code: int, kind: type[Exception]
    ) -> None:
        stand_in.always = Answer.of(200, {"responses": [{"error": {"code": code, "message": "…"}}]})
        with pytest.raises(kind, match=f"error {code} inside a 200"):
            await vision.read(PICTURE)

    async def test_its_key_goes_in_a_header(self, vision: GoogleVision, stand_in: VisionStandIn) -> None:
        await vision.read(PICTURE)
        assert stand_in.keys == [VISION_KEY]
        assert VISION_KEY not in stand_in.urls[0]
        assert stand_in.pictures == [PICTURE.data]
        assert stand_in.requests[0]["requests"][0]["features"] == [{"type": "DOCUMENT_TEXT_DETECTION"}]

    async def test_words_without_a_space_between_them_are_one(
        self, vision: GoogleVision, stand_in: VisionStandIn
    ) -> None:
        stand_in.always = vision_answer([line("4d D123-456", turned=0)])
        text = stand_in.always.body.replace(b'"SPACE"', b'"UNKNOWN"')
        stand_in.always = Answer(200, text)
        assert [found.text for found in (await vision.read(PICTURE)).lines] == ["4dD123-456"]

    @pytest.mark.parametrize("turned", [0, 1, 2, 3])
    async def test_a_lines_first_corner_is_where_its_letters_begin(
        self, vision: GoogleVision, stand_in: VisionStandIn, turned: int
    ) -> None:
        stand_in.always = vision_answer([line("LN SAMPLE", turned=turned)])
        [found] = (await vision.read(PICTURE)).lines
        assert np.allclose(found.corners, line("LN SAMPLE", turned=turned).corners, atol=1)

    async def test_nobody_answers(self) -> None:
        vision = GoogleVision(f"http://127.0.0.1:{free_port()}/", SecretStr(VISION_KEY), timeout_seconds=1)
        with pytest.raises(EngineUnavailable, match="did not answer"):
            await vision.read(PICTURE)


def line(text: str, *, turned: int) -> Line:
    """A line in the picture's upper left corner, where coordinates are zero, turned clockwise by quarters."""
    width, height = (20, 90) if turned % 2 else (90, 20)
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], dtype=np.float32)
    return Line(text, 95.0, np.roll(corners, -turned, axis=0))


class TestTextract:
    async def test_its_fields_come_in_our_spelling(self) -> None:
        client = textract_client()
        named = {
            FieldName.FIRST_NAME: "Jane",
            FieldName.STATE_IN_ADDRESS: "Massachusetts",
            FieldName.ZIP_CODE_IN_ADDRESS: "021390000",
            FieldName.DATE_OF_BIRTH: "03/18/1991",
            FieldName.DOCUMENT_NUMBER: "S 736-5211",
            FieldName.ID_TYPE: "DRIVER LICENSE FRONT",
        }
        with Stubber(client) as stubber:
            stubber.add_response("analyze_id", textract_answer([], 600, 400, named))
            fields = (await Textract(client).read(PICTURE)).fields
        assert {name: field.value for name, field in fields.items()} == {
            FieldName.FIRST_NAME: "JANE",
            FieldName.STATE_IN_ADDRESS: "MA",
            FieldName.ZIP_CODE_IN_ADDRESS: "02139",
            FieldName.DATE_OF_BIRTH: "1991-03-18",
            FieldName.DOCUMENT_NUMBER: "S7365211",
            FieldName.ID_TYPE: "DRIVER LICENSE",
        }
        assert {field.source for field in fields.values()} == {Source.CLOUD}
        assert {field.confidence for field in fields.values()} == {98.7}

    async def test_without_credentials_it_is_not_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
        # It remembers the credentials that it found first in this process.
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
        engines = chosen(ReaderSettings(engines=["aws-textract"]))
        textract = engines["aws-textract"]
        assert textract is not None
        with pytest.raises(EngineRefused, match="NoCredentialsError"):
            await textract.read(PICTURE)


class TestTheChoice:
    def test_the_local_engine_reads_unless_another_is_named(self) -> None:
        assert chosen(ReaderSettings()) == {"rapidocr": None}

    def test_the_order_is_the_settings(self) -> None:
        settings = ReaderSettings(engines=["google-vision", "rapidocr"], vision_api_key=SecretStr(VISION_KEY))
        assert list(chosen(settings)) == ["google-vision", "rapidocr"]

    @pytest.mark.parametrize(
        ("settings", "says"),
        [
            (ReaderSettings(engines=["google-vision"]), "set SLUICE_READER_VISION_API_KEY"),
            (ReaderSettings(engines=[]), "names no engine"),
        ],
    )
    def test_what_cannot_work_is_said_at_the_start(self, settings: ReaderSettings, says: str) -> None:
        with pytest.raises(Misconfigured, match=says):
            chosen(settings)
