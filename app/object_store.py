"""S3: presigned uploads that the loan app's client makes itself, and what the flows read and keep."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from app.errors import Misconfigured, NotFound, ObjectStoreUnavailable
from app.settings import S3Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_MISSING = {"404", "NoSuchKey", "NoSuchVersion", "NoSuchBucket"}
_DIGEST = "sha256"
_SHOWN = frozenset(
    (
        "image/jpeg",
        "image/png",
        "image/webp",
        "image/tiff",
        "image/heic",
        "image/heif",
        "image/avif",
        "application/pdf",
    )
)
"""Content types that a link lets a browser show."""
_NOTHING_TO_SEE = {"403", "404"}
"""HeadObject's answers about what is not there: 403 to whom may not list the bucket (S3 API, HeadObject)."""


class ObjectMissing(NotFound):
    slug, title = "object-missing", "The object is not in the bucket"


@dataclass(frozen=True)
class UploadSlot:
    """A form that lets its holder upload one object. `fields` go before the file in the multipart body."""

    url: str
    fields: dict[str, str]
    key: str
    expires_at: datetime


@dataclass(frozen=True)
class Link:
    """An address that shows one object to whoever has it, until it expires."""

    url: str
    expires_at: datetime


@dataclass(frozen=True)
class StoredObject:
    data: bytes
    size: int
    """Bytes in the bucket; `data` is shorter when the object is larger than the reader allowed."""
    etag: str
    content_type: str


class ObjectStore:
    """The bucket named by the settings. boto3 blocks, so every call runs in a thread."""

    def __init__(self, settings: S3Settings) -> None:
        self._settings = settings
        config = Config(
            signature_version="s3v4",
            connect_timeout=5,
            read_timeout=30,
            retries={"mode": "standard", "max_attempts": 3},
            # Stand-ins have no wildcard DNS name for their buckets.
            s3={"addressing_style": "path" if settings.endpoint_url else "virtual"},
        )
        self._client: S3Client = boto3.client(
            "s3", region_name=settings.region, endpoint_url=settings.endpoint_url, config=config
        )

    async def upload_slot(self, key: str, content_type: str) -> UploadSlot:
        """A presigned POST for exactly this key and content type, limited in size by S3's own policy.

        https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
        """
        lifetime = self._settings.upload_expires_seconds
        conditions: list[Any] = [
            {"Content-Type": content_type},
            ["content-length-range", 1, self._settings.upload_max_bytes],
        ]
        form = await asyncio.to_thread(
            self._client.generate_presigned_post,
            self._settings.bucket,
            key,
            Fields={"Content-Type": content_type},
            Conditions=conditions,
            ExpiresIn=lifetime,
        )
        expires_at = datetime.now(UTC) + timedelta(seconds=lifetime)
        return UploadSlot(form["url"], dict(form["fields"]), key, expires_at)

    async def read(self, bucket: str, key: str, version_id: str | None, *, max_bytes: int) -> StoredObject:
        """The object's first `max_bytes` bytes.

        Raises ObjectMissing, or ObjectStoreUnavailable for trouble that passes.
        """
        return await asyncio.to_thread(self._read, bucket, key, version_id, max_bytes)

    def _read(self, bucket: str, key: str, version_id: str | None, max_bytes: int) -> StoredObject:
        version: Any = {"VersionId": version_id} if version_id else {}
        try:
            response = self._client.get_object(Bucket=bucket, Key=key, **version)
            with response["Body"] as body:
                data = body.read(max_bytes)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _MISSING:
                raise ObjectMissing("The object is not in the bucket: deleted, or never stored.") from error
            raise ObjectStoreUnavailable(f"S3 answered {_code(error)} to GetObject.") from error
        except (BotoCoreError, OSError) as error:
            raise ObjectStoreUnavailable(f"S3 cannot be reached ({type(error).__name__}).") from error
        return StoredObject(
            data, response["ContentLength"], response["ETag"].strip('"'), response.get("ContentType", "")
        )

    async def link(self, bucket: str, key: str, version_id: str | None, *, seconds: int) -> Link | None:
        """A presigned GET, at most seven days long, and no longer than the credentials that sign it live.

        What S3 sends is a picture or a PDF by its header, or a download: a browser never runs what an
        applicant uploaded (S3 API, GetObject, "Overriding response header values"). None when the object
        is not there. Raises ObjectStoreUnavailable.
        """
        return await asyncio.to_thread(self._link, bucket, key, version_id, seconds)

    def _link(self, bucket: str, key: str, version_id: str | None, seconds: int) -> Link | None:
        version: Any = {"VersionId": version_id} if version_id else {}
        try:
            kind = self._client.head_object(Bucket=bucket, Key=key, **version).get("ContentType", "")
            expires_at = datetime.now(UTC) + timedelta(seconds=seconds)
            headers = {
                "ResponseContentType": kind if kind in _SHOWN else "application/octet-stream",
                "ResponseContentDisposition": "inline" if kind in _SHOWN else "attachment",
                "ResponseCacheControl": "no-store",
            }
            params = {"Bucket": bucket, "Key": key, **version, **headers}
            url = self._client.generate_presigned_url("get_object", Params=params, ExpiresIn=seconds)
        except ClientError as error:
            if _code(error) in _NOTHING_TO_SEE:
                return None
            raise ObjectStoreUnavailable(f"S3 answered {_code(error)} to HeadObject.") from error
        except (BotoCoreError, OSError) as error:
            raise ObjectStoreUnavailable(f"S3 cannot be reached ({type(error).__name__}).") from error
        return Link(url, expires_at)

    async def keep(self, bucket: str, key: str, data: bytes, content_type: str) -> bool:
        """Store the object unless it is there with the same content; returns whether it was stored.

        Raises Misconfigured when there is no such bucket, or ObjectStoreUnavailable.
        """
        return await asyncio.to_thread(self._keep, bucket, key, data, content_type)

    def _keep(self, bucket: str, key: str, data: bytes, content_type: str) -> bool:
        digest = hashlib.sha256(data).hexdigest()
        try:
            if self._digest_of(bucket, key) == digest:
                return False
            self._client.put_object(
                Bucket=bucket, Key=key, Body=data, ContentType=content_type, Metadata={_DIGEST: digest}
            )
        except ClientError as error:
            if _code(error) == "NoSuchBucket":
                raise Misconfigured(f'There is no bucket "{bucket}"; create it, or name another.') from error
            raise ObjectStoreUnavailable(f"S3 answered {_code(error)} to PutObject.") from error
        except (BotoCoreError, OSError) as error:
            raise ObjectStoreUnavailable(f"S3 cannot be reached ({type(error).__name__}).") from error
        return True

    def _digest_of(self, bucket: str, key: str) -> str | None:
        """The SHA-256 that `keep` left with the object; its ETag is none where the bucket encrypts by KMS."""
        try:
            return self._client.head_object(Bucket=bucket, Key=key)["Metadata"].get(_DIGEST)
        except ClientError as error:
            if _code(error) in _NOTHING_TO_SEE:
                return None
            raise

    async def delete(self, bucket: str, key: str) -> str | None:
        """Delete every version of the object and every delete marker; nothing there is as good.

        Needs s3:ListBucketVersions and s3:DeleteObjectVersion. Returns the code of S3's refusal, None when
        nothing is left. Raises ObjectStoreUnavailable when S3 cannot be asked. A missing bucket is a
        refusal: more likely it is the wrong one than that it was deleted with all pictures.
        """
        return await asyncio.to_thread(self._delete, bucket, key)

    def _delete(self, bucket: str, key: str) -> str | None:
        try:
            pages = self._client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=key)
            for page in pages:
                versions: list[Any] = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
                doomed: list[Any] = [
                    {"Key": key, "VersionId": version["VersionId"]}
                    for version in versions
                    if version["Key"] == key
                ]
                if not doomed:
                    continue
                answer = self._client.delete_objects(Bucket=bucket, Delete={"Objects": doomed, "Quiet": True})
                if refused := answer.get("Errors"):
                    return refused[0].get("Code", "an error")
        except ClientError as error:
            return _code(error)
        except (BotoCoreError, OSError) as error:
            raise ObjectStoreUnavailable(f"S3 cannot be reached ({type(error).__name__}).") from error
        return None


def _code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "an error")
