"""Which engines read, and in which order, by the settings."""

from __future__ import annotations

from collections.abc import Mapping

import boto3
from botocore.config import Config

from app.errors import Misconfigured
from app.settings import EngineName, ReaderSettings
from flows.engines.cloud import CloudEngine
from flows.engines.textract import Textract
from flows.engines.vision import GoogleVision

Engines = Mapping[EngineName, CloudEngine | None]
"""In the order to try them. None stands for the one inside the reading process."""


def chosen(settings: ReaderSettings) -> Engines:
    """The engines that the settings name.

    Raises Misconfigured for one that is named and cannot work.
    """
    if not settings.engines:
        raise Misconfigured("SLUICE_READER_ENGINES names no engine. Leave it unset to read with rapidocr.")
    return {name: _engine(name, settings) for name in settings.engines}


def _engine(name: EngineName, settings: ReaderSettings) -> CloudEngine | None:
    match name:
        case "rapidocr":
            return None
        case "google-vision":
            if settings.vision_api_key is None:
                raise Misconfigured(
                    "SLUICE_READER_ENGINES names google-vision; set SLUICE_READER_VISION_API_KEY too."
                )
            return GoogleVision(settings.vision_url, settings.vision_api_key, settings.timeout_seconds)
        case "aws-textract":
            return _textract(settings)


def _textract(settings: ReaderSettings) -> Textract:
    # Prefect repeats the step, so that each attempt shows.
    config = Config(
        connect_timeout=settings.timeout_seconds,
        read_timeout=settings.timeout_seconds,
        retries={"mode": "standard", "total_max_attempts": 1},
    )
    return Textract(
        boto3.client(
            "textract",
            region_name=settings.textract_region,
            endpoint_url=settings.textract_endpoint_url,
            config=config,
        )
    )
