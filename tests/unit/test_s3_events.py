"""S3 event notifications as S3 and EventBridge send them, and as nobody should."""

from __future__ import annotations

import copy
import json
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import errors
from app.s3_events import ObjectEvent, S3TestEvent, as_message, later, parse

# Both as in the S3 User Guide, shortened.
RECORD: dict[str, Any] = {
    "eventVersion": "2.1",
    "eventSource": "aws:s3",
    "awsRegion": "us-west-2",
    "eventTime": "1970-01-01T00:00:00.000Z",
    "eventName": "ObjectCreated:Put",
    "userIdentity": {"principalId": "AIDAJDPLRKLG7UEXAMPLE"},
    "s3": {
        "s3SchemaVersion": "1.0",
        "configurationId": "testConfigRule",
        "bucket": {"name": "amzn-s3-demo-bucket", "arn": "arn:aws:s3:::amzn-s3-demo-bucket"},
        "object": {
            "key": "applications/a-1/red+flower%2B%C3%A9.jpg",
            "size": 1024,
            "eTag": "d41d8cd98f00b204e9800998ecf8427e",
            "versionId": "096fKKXTRTtl3on89fVO.nfljtsv6qko",
            "sequencer": "0055AED6DCD90281E5",
        },
    },
}
EVENT_BRIDGE: dict[str, Any] = {
    "version": "0",
    "id": "17793124-05d4-b198-2fde-7ededc63b103",
    "detail-type": "Object Created",
    "source": "aws.s3",
    "account": "111122223333",
    "time": "2021-11-12T00:00:00Z",
    "region": "ca-central-1",
    "detail": {
        "version": "0",
        "bucket": {"name": "amzn-s3-demo-bucket1"},
        "object": {
            "key": "red+flower%2B.jpg",
            "size": 5,
            "etag": "b1946ac92492d2347c6235b4d2611184",
            "version-id": "IYV3p45BT0ac8hjHg1houSdS1a.Mro8e",
            "sequencer": "617f08299329d189",
        },
        "reason": "PutObject",
    },
}


def direct(*records: dict[str, Any]) -> str:
    return json.dumps({"Records": records})


def record(**object_fields: Any) -> dict[str, Any]:
    """The record with fields of its object changed; a field set to `...` is left out."""
    changed = copy.deepcopy(RECORD)
    fields = {**changed["s3"]["object"], **object_fields}
    changed["s3"]["object"] = {key: value for key, value in fields.items() if value is not ...}
    return changed


def event_bridge(**changes: Any) -> str:
    return json.dumps({**EVENT_BRIDGE, **changes})


def one(message: str) -> ObjectEvent:
    events = parse(message)
    assert isinstance(events, list)
    [event] = events
    return event


def test_a_direct_notification_is_read_and_its_key_decoded_once() -> None:
    event = one(direct(RECORD))
    assert event.event_name == "ObjectCreated:Put"
    assert (event.bucket, event.region) == ("amzn-s3-demo-bucket", "us-west-2")
    assert event.key == "applications/a-1/red flower+é.jpg"
    assert event.size == 1024
    assert event.event_time.isoformat() == "1970-01-01T00:00:00+00:00"
    assert event.object_version == "096fKKXTRTtl3on89fVO.nfljtsv6qko"


@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=200))
def test_every_key_comes_back_as_it_was_stored(key: str) -> None:
    for safe in ("/", ""):
        assert one(direct(record(key=quote_plus(key, safe=safe)))).key == key


def test_all_records_are_read_in_order() -> None:
    keys = ["a", "b", "c"]
    events = parse(direct(*(record(key=key) for key in keys)))
    assert isinstance(events, list)
    assert [event.key for event in events] == keys


def test_the_same_event_sent_twice_is_equal() -> None:
    assert one(direct(RECORD)) == one(direct(RECORD))


def test_the_key_of_an_event_bridge_event_is_not_encoded() -> None:
    event = one(event_bridge())
    assert event.event_name == "ObjectCreated:Put"
    assert event.key == "red+flower%2B.jpg"
    assert (event.bucket, event.region, event.size) == ("amzn-s3-demo-bucket1", "ca-central-1", 5)
    assert event.object_version == "IYV3p45BT0ac8hjHg1houSdS1a.Mro8e"


@pytest.mark.parametrize(
    ("detail_type", "detail", "name"),
    [
        ("Object Created", {"reason": "CompleteMultipartUpload"}, "ObjectCreated:CompleteMultipartUpload"),
        ("Object Created", {"reason": "POST Object"}, "ObjectCreated:Post"),
        ("Object Created", {"reason": "New Way"}, "ObjectCreated:Other"),
        ("Object Deleted", {"deletion-type": "Permanently Deleted"}, "ObjectRemoved:Delete"),
        ("Object Deleted", {"deletion-type": "Delete Marker Created"}, "ObjectRemoved:DeleteMarkerCreated"),
        ("Object Tags Added", {}, "Object Tags Added"),
    ],
)
def test_event_bridge_events_are_named_as_s3_names_them(
    detail_type: str, detail: dict[str, str], name: str
) -> None:
    changes = {"detail-type": detail_type, "detail": {**EVENT_BRIDGE["detail"], **detail}}
    assert one(event_bridge(**changes)).event_name == name


def test_a_removal_has_no_size() -> None:
    removed = record(size=..., eTag=...) | {"eventName": "ObjectRemoved:DeleteMarkerCreated"}
    event = one(direct(removed))
    assert (event.event_name, event.size) == ("ObjectRemoved:DeleteMarkerCreated", None)


@pytest.mark.parametrize("version_id", [..., "", "null"])
def test_without_versioning_content_and_order_tell_versions_apart(version_id: Any) -> None:
    first = one(direct(record(versionId=version_id)))
    again = one(direct(record(versionId=version_id)))
    rewritten = one(direct(record(versionId=version_id, sequencer="0055AED6DCD90281E6")))
    assert first.object_version == again.object_version
    assert first.object_version != rewritten.object_version


def test_without_a_sequencer_the_time_tells_them_apart() -> None:
    bare = record(versionId=..., sequencer=...)
    later_on = one(direct({**bare, "eventTime": "1970-01-01T00:00:01.000Z"}))
    assert one(direct(bare)).object_version == one(direct(bare)).object_version
    assert one(direct(bare)).object_version != later_on.object_version


@pytest.mark.parametrize("version_id", ["096fKKXTRTtl3on89fVO.nfljtsv6qko", "null", ...])
def test_a_creation_is_one_cause_by_whatever_way_it_is_told(version_id: Any) -> None:
    put = record(versionId=version_id)
    cause = one(direct(put)).cause
    assert cause == one(direct(put | {"eventName": "ObjectCreated:Copy"})).cause
    assert cause.endswith(f"@{one(direct(put)).object_version}")


def test_what_happens_to_a_version_later_is_a_cause_each_time() -> None:
    """Restoring and tagging have no sequencer (S3 User Guide, "Event message structure")."""
    restored = record(sequencer=...) | {"eventName": "ObjectRestore:Post"}
    told = [
        record(),
        record() | {"eventName": "ObjectRemoved:Delete"},
        record(sequencer="0055AED6DCD90281E6") | {"eventName": "ObjectRemoved:Delete"},
        restored,
        restored | {"eventTime": "2026-11-21T10:00:00.000Z"},
        restored | {"eventName": "ObjectRestore:Completed"},
    ]
    causes = [one(direct(event)).cause for event in told]

    assert len(set(causes)) == len(told)
    assert causes == [one(direct(event)).cause for event in told]


@pytest.mark.parametrize(
    "told",
    [RECORD, record(versionId=..., sequencer=...), record(key="applications/A-1/%C3%A9+%2B%25/x.jpg")],
)
def test_an_event_can_be_told_again_as_s3_tells_it(told: dict[str, Any]) -> None:
    event = one(direct(told))
    assert one(as_message(event)) == event


def test_the_test_event_is_told_apart() -> None:
    body = {
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": "2014-10-13T15:57:02.089Z",
        "Bucket": "amzn-s3-demo-bucket",
        "RequestId": "5582815E1AEA5ADF",
        "HostId": "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR+YstdA6Knx4Ip8EXAMPLE",
    }
    event = parse(json.dumps(body))
    assert isinstance(event, S3TestEvent)
    assert event.bucket == "amzn-s3-demo-bucket"


def test_new_fields_of_the_same_major_version_are_ignored() -> None:
    newer = record(newField=1) | {"eventVersion": "2.6", "glacierEventData": {}}
    assert one(direct(newer)) == one(direct(RECORD))


@pytest.mark.parametrize(
    "message",
    [
        "",
        "hello",
        "null",
        "[]",
        "{}",
        "[" * 100_000,
        '{"Records": []}',
        '{"Records": [{"eventSource": "aws:ses"}]}',
        '{"source": "aws.ec2", "detail-type": "Object Created"}',
        '{"source": "aws.s3", "detail-type": "AWS API Call via CloudTrail"}',
    ],
)
def test_what_is_no_s3_event_is_said_to_be_none(message: str) -> None:
    assert parse(message) is None


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (direct(record(key="a%00b")), "NUL"),
        (direct(record(key="a\x00b")), "NUL"),
        (event_bridge(detail={**EVENT_BRIDGE["detail"], "object": {"key": "a\x00b"}}), "NUL"),
        (direct(record(key="%FF")), "UTF-8"),
        (direct(record(key="é" * 600)), "1,024 bytes"),
        (direct(record(key="")), "key"),
        (direct(record(key=...)), "'key' is missing"),
        (direct(record(key=7)), "wrong type"),
        (direct(record(size="7")), "size"),
        (direct(record(size=-1)), "size"),
        (direct(record(size=2**63)), "size"),
        (direct(record(size=10**100)), "size"),
        (direct(record(sequencer="xyz")), "sequencer"),
        (direct(RECORD | {"eventVersion": "3.0"}), "2.x"),
        (direct(RECORD | {"eventTime": "yesterday"}), "event_time"),
        (direct(RECORD | {"eventTime": "2026-01-01T00:00:00"}), "event_time"),
        (direct(RECORD | {"s3": []}), "wrong type"),
        (direct(RECORD, {"eventSource": "aws:ses"}), "missing"),
        (event_bridge(detail=None), "wrong type"),
        ('{"Event": "s3:TestEvent"}', "'Bucket' is missing"),
        (event_bridge(detail={**EVENT_BRIDGE["detail"], "object": {"key": "half a pair \ud800"}}), "key"),
    ],
)
def test_an_s3_event_that_cannot_be_read_or_stored_is_malformed(message: str, reason: str) -> None:
    with pytest.raises(errors.Malformed, match=reason):
        parse(message)


def test_the_reason_does_not_quote_the_key() -> None:
    with pytest.raises(errors.Malformed) as raised:
        parse(direct(record(key="jane-specimen%00")))
    assert "jane" not in raised.value.detail


SEQUENCERS = st.text("0123456789ABCDEF", min_size=1, max_size=20)


@given(SEQUENCERS, SEQUENCERS)
def test_sequencers_compare_as_fractions(a: str, b: str) -> None:
    """Padding on the right makes them digits after the point."""
    width = max(len(a), len(b))
    assert later(a, b) == (int(a, 16) * 16 ** (width - len(a)) > int(b, 16) * 16 ** (width - len(b)))


@given(SEQUENCERS, st.integers(0, 5))
def test_an_event_is_not_later_than_itself_however_it_is_written(a: str, zeros: int) -> None:
    assert not later(a, a.lower() + "0" * zeros)
    assert not later(a + "0" * zeros, a.lower())


def test_a_longer_sequencer_is_not_later_for_being_longer() -> None:
    assert later("0055AED6DCD90281E6", "0055AED6DCD90281E50001")
