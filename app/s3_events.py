"""S3 event notifications: the text of a message in, object events out.

Two shapes carry the same facts. S3 itself sends `Records` (event message structure 2.x, several records
in one message, keys form-encoded); EventBridge sends one `Object …` event with the key as it is.
Sources: S3 User Guide, "Event message structure" and "EventBridge event message structure".
"""

from __future__ import annotations

import json
from typing import Annotated, Any, TypeGuard
from urllib.parse import quote_plus, unquote_plus

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from app import errors

_CREATED_BY = {
    "PutObject": "Put",
    "POST Object": "Post",
    "CopyObject": "Copy",
    "CompleteMultipartUpload": "CompleteMultipartUpload",
}
"""EventBridge's `reason` for "Object Created", and how S3's own notifications name the same event."""

_REMOVED_BY = {"Permanently Deleted": "Delete", "Delete Marker Created": "DeleteMarkerCreated"}
"""EventBridge's `deletion-type` for "Object Deleted", likewise."""


def _storable(key: str) -> str:
    if "\x00" in key:
        raise ValueError("a NUL character, which neither PostgreSQL nor Prefect can hold")
    if len(key.encode()) > 1024:
        raise ValueError("more than 1,024 bytes, S3's own limit")
    return key


Key = Annotated[str, StringConstraints(min_length=1), AfterValidator(_storable)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00]*$")]
VersionId = Annotated[str, StringConstraints(max_length=1024, pattern=r"^[^\x00]*$")]
Sequencer = Annotated[str, StringConstraints(max_length=64, pattern=r"^[0-9A-Fa-f]*$")]
Time = Annotated[AwareDatetime, Field(strict=False)]


class ObjectEvent(BaseModel):
    """One thing that happened to one object. A duplicate of the event is equal to it."""

    model_config = ConfigDict(frozen=True, strict=True)

    event_name: Name
    """As S3's own notifications spell it, without `s3:`: `ObjectCreated:Put`, `ObjectRemoved:Delete`."""
    bucket: Name
    key: Key
    """Decoded: what GetObject takes."""
    size: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    """In bytes, as many as PostgreSQL can count; None when the object was removed."""
    etag: Name | None = None
    version_id: VersionId | None = None
    """None in a bucket without versioning; `null` while versioning is suspended."""
    sequencer: Sequencer | None = None
    """Orders the events of one key (see `later`); only creations and removals carry it."""
    event_time: Time
    region: Name

    @property
    def object_version(self) -> str:
        """What tells this content of the key from every other, the same in each duplicate.

        The version id where there is one. Without versioning, and for the version `null` which every write
        replaces, the ETag and the sequencer, or the time where there is none: the same bytes written twice
        are two versions here too.
        """
        if is_version(self.version_id):
            return self.version_id
        return f"{self.etag or ''}-{self._moment}"

    @property
    def cause(self) -> str:
        """What tells this event from every other, the same in each duplicate.

        A version is created once, whatever S3 calls the way. Anything else can happen to it again and again,
        so its name and moment belong to the cause.
        """
        version = f"{self.bucket}/{self.key}@{self.object_version}"
        if self.event_name.startswith("ObjectCreated:"):
            return version
        return f"{version} {self.event_name} {self._moment}"

    @property
    def _moment(self) -> str:
        return self.sequencer or self.event_time.isoformat()


class S3TestEvent(BaseModel):
    """What S3 sends once when a notification is configured. Nothing happened to any object."""

    model_config = ConfigDict(frozen=True, strict=True)

    bucket: Name
    event_time: Time


def parse(message: str) -> list[ObjectEvent] | S3TestEvent | None:
    """Read the `Message` of a notification. None means that it is no S3 event.

    A list holds every record in the order sent, removals and other events included. Raises Malformed for
    an S3 event that cannot be read or cannot be stored, such as a key with a NUL character.
    """
    try:
        body = json.loads(message)
    except (ValueError, RecursionError):
        return None
    if not isinstance(body, dict):
        return None
    # These are all the errors of a missing or mistyped part; pydantic's are ValueErrors.
    try:
        return _read(body)
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        # Not chained: pydantic's text quotes the event, and a log would keep it.
        raise errors.Malformed(f"The S3 event cannot be read: {_reason(error)}.") from None


def as_message(event: ObjectEvent) -> str:
    """The message in which S3 itself would have told of the event: what `parse` reads."""
    stored = {
        "key": quote_plus(event.key, safe="/"),
        "size": event.size,
        "eTag": event.etag,
        "versionId": event.version_id,
        "sequencer": event.sequencer,
    }
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": event.region,
        "eventTime": event.event_time.isoformat(),
        "eventName": event.event_name,
        "s3": {
            "bucket": {"name": event.bucket},
            "object": {name: value for name, value in stored.items() if value is not None},
        },
    }
    return json.dumps({"Records": [record]})


def is_version(version_id: str | None) -> TypeGuard[str]:
    """Whether the id is of a version that stays as it is; every write replaces `null`."""
    return bool(version_id) and version_id != "null"


def later(a: str, b: str) -> bool:
    """Whether the event with sequencer `a` happened after the one with `b`, for events of one key.

    Sequencers are hexadecimal and differ in length: the shorter is padded with zeros on the right, then
    they compare as text (S3 User Guide, "Event message structure").
    """
    width = max(len(a), len(b))
    return a.upper().ljust(width, "0") > b.upper().ljust(width, "0")


def _read(body: dict[str, Any]) -> list[ObjectEvent] | S3TestEvent | None:
    if body.get("Event") == "s3:TestEvent":
        return S3TestEvent(bucket=body["Bucket"], event_time=body["Time"])
    if body.get("source") == "aws.s3" and str(body.get("detail-type")).startswith("Object "):
        return [_from_event_bridge(body)]
    if _is_direct(body.get("Records")):
        return [_from_record(record) for record in body["Records"]]
    return None


def _is_direct(records: Any) -> bool:
    return isinstance(records, list) and any(
        isinstance(record, dict) and record.get("eventSource") == "aws:s3" for record in records
    )


def _from_record(record: dict[str, Any]) -> ObjectEvent:
    # A minor version only adds fields, which are ignored; a new major version may change what they mean.
    if record["eventVersion"].partition(".")[0] != "2":
        raise ValueError("its eventVersion is not 2.x, the only one this release knows")
    stored = record["s3"]["object"]
    return ObjectEvent(
        event_name=record["eventName"],
        bucket=record["s3"]["bucket"]["name"],
        key=unquote_plus(stored["key"], errors="strict"),
        size=stored.get("size"),
        etag=stored.get("eTag"),
        version_id=stored.get("versionId") or None,
        sequencer=stored.get("sequencer"),
        event_time=record["eventTime"],
        region=record["awsRegion"],
    )


def _from_event_bridge(event: dict[str, Any]) -> ObjectEvent:
    detail = event["detail"]
    stored = detail["object"]
    return ObjectEvent(
        event_name=_direct_name(event["detail-type"], detail),
        bucket=detail["bucket"]["name"],
        key=stored["key"],
        size=stored.get("size"),
        etag=stored.get("etag"),
        version_id=stored.get("version-id") or None,
        sequencer=stored.get("sequencer"),
        event_time=event["time"],
        region=event["region"],
    )


def _direct_name(detail_type: str, detail: dict[str, Any]) -> str:
    """Name an EventBridge event as S3's own notification would; other kinds keep EventBridge's words."""
    if detail_type == "Object Created":
        return f"ObjectCreated:{_CREATED_BY.get(detail.get('reason', ''), 'Other')}"
    if detail_type == "Object Deleted":
        return f"ObjectRemoved:{_REMOVED_BY.get(detail.get('deletion-type', ''), 'Other')}"
    return detail_type


def _reason(error: Exception) -> str:
    """Say what was wrong without quoting the event: keys and names can be personal data."""
    match error:
        case ValidationError():
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        case KeyError():
            return f"{error} is missing"
        case UnicodeDecodeError():
            return "its key is not UTF-8 after decoding"
        case ValueError():
            return str(error)
        case _:
            return "a part of it has the wrong type"
