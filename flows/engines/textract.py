"""AWS Textract: fields, text and its places by `AnalyzeID`.

https://docs.aws.amazon.com/textract/latest/dg/API_AnalyzeID.html
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NotConnectedError
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_pascal

from app.errors import SluiceError
from flows.engines.cloud import EngineRefused, EngineUnavailable, Jpeg, PageText, PlacedLine
from flows.extraction import normalise
from flows.extraction.fields import Field, FieldName, Reading, Source

if TYPE_CHECKING:
    from mypy_boto3_textract.client import TextractClient

_THROTTLED = frozenset(
    {
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_SERVER_ERROR = 500


class _Aws(BaseModel):
    model_config = ConfigDict(alias_generator=to_pascal)


class _Normalized(_Aws):
    value: str = ""
    value_type: str = ""


class _Detection(_Aws):
    text: str = ""
    confidence: float = 0
    normalized_value: _Normalized = _Normalized()


class _IdentityField(_Aws):
    type: _Detection
    value_detection: _Detection = _Detection()


class _Point(_Aws):
    """In shares of the picture's width and height."""

    x: float
    y: float


class _Geometry(_Aws):
    polygon: tuple[_Point, _Point, _Point, _Point]


class _Block(_Aws):
    block_type: str
    text: str = ""
    confidence: float = 0
    geometry: _Geometry | None = None


class _Document(_Aws):
    identity_document_fields: list[_IdentityField] = []
    blocks: list[_Block] = []


class _Answer(_Aws):
    identity_documents: list[_Document]
    analyze_id_model_version: str = "unknown"

    model_config = ConfigDict(alias_generator=lambda name: to_pascal(name).replace("AnalyzeId", "AnalyzeID"))


class Textract:
    """The engine `aws-textract`."""

    name = "aws-textract"

    def __init__(self, client: TextractClient) -> None:
        self._client = client

    async def read(self, picture: Jpeg) -> PageText:
        response = await asyncio.to_thread(self._ask, picture.data)
        try:
            answer = _Answer.model_validate(response)
            blocks = [block for document in answer.identity_documents for block in document.blocks]
            named = [
                field for document in answer.identity_documents for field in document.identity_document_fields
            ]
            return PageText(
                lines=tuple(_lines(blocks, picture)),
                fields=_fields(named),
                version=answer.analyze_id_model_version,
            )
        except ValidationError:
            raise EngineUnavailable("AWS Textract answered in another form than the documented.") from None

    def _ask(self, picture: bytes) -> Any:
        try:
            return self._client.analyze_id(DocumentPages=[{"Bytes": picture}])
        except ClientError as error:
            raise _failure(error) from error
        except (NotConnectedError, HTTPClientError) as error:
            raise EngineUnavailable(f"AWS Textract did not answer ({type(error).__name__}).") from error
        except BotoCoreError as error:
            raise EngineRefused(f"AWS Textract cannot be asked ({type(error).__name__}).") from error


def _failure(error: ClientError) -> SluiceError:
    """By its code only: messages quote names of resources and people."""
    code = error.response.get("Error", {}).get("Code", "unknown")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    passes = code in _THROTTLED or code == "InternalServerError" or status >= _SERVER_ERROR
    kind = EngineUnavailable if passes else EngineRefused
    return kind(f"AWS Textract answered {code}.")


def _lines(blocks: Iterable[_Block], picture: Jpeg) -> Iterable[PlacedLine]:
    for block in blocks:
        if block.block_type != "LINE" or not block.text.strip() or block.geometry is None:
            continue
        a, b, c, d = (
            (round(point.x * picture.width, 1), round(point.y * picture.height, 1))
            for point in block.geometry.polygon
        )
        yield PlacedLine(text=block.text.strip(), confidence=block.confidence, corners=(a, b, c, d))


def _id_type(text: str) -> str:
    """AnalyzeID says DRIVER LICENSE FRONT, PASSPORT and the like."""
    return re.sub(r" (?:FRONT|BACK)$", "", normalise.words(text))


_NAMES = {name.value: name for name in FieldName}
_MEANING: dict[FieldName, Callable[[str], str]] = {
    FieldName.FIRST_NAME: normalise.name,
    FieldName.LAST_NAME: normalise.name,
    FieldName.MIDDLE_NAME: normalise.name,
    FieldName.ADDRESS: normalise.street,
    FieldName.CITY_IN_ADDRESS: normalise.name,
    FieldName.STATE_IN_ADDRESS: normalise.state,
    FieldName.ZIP_CODE_IN_ADDRESS: normalise.postal_code,
    FieldName.DOCUMENT_NUMBER: normalise.number,
    FieldName.DATE_OF_BIRTH: normalise.date_of,
    FieldName.DATE_OF_ISSUE: normalise.date_of,
    FieldName.EXPIRATION_DATE: normalise.date_of,
    FieldName.ID_TYPE: _id_type,
    FieldName.MRZ_CODE: str.strip,
}
"""How a value is spelt here; `words` where nothing is said."""


def _fields(named: Iterable[_IdentityField]) -> Reading:
    """AnalyzeID's fields in our spelling. It names those it did not find too, with an empty value."""
    reading: Reading = {}
    for field in named:
        name, found = _NAMES.get(field.type.text), field.value_detection
        if name is None:
            continue
        value = _MEANING.get(name, normalise.words)(found.normalized_value.value or found.text)
        if value:
            confidence = round(min(found.confidence, 100.0), 1)
            reading[name] = Field(value=value, confidence=confidence, source=Source.CLOUD)
    return reading
