"""Messages that AWS really signed (see fixtures/sns/ATTRIBUTION.md), and what forgers make of them."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hypothesis import given
from hypothesis import strategies as st

from app import errors, sns
from app.settings import TopicPolicy
from app.sns import MessageType
from app.sns_certificates import SigningCertificate, load_certificate

FIXTURES = Path(__file__).parent.parent / "fixtures" / "sns"
NAMES = sorted(path.stem for path in FIXTURES.glob("*.json"))
SIGNED = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
CERTIFICATE = load_certificate(next(FIXTURES.glob("*.pem")).read_bytes())
TOPIC = "arn:aws:sns:us-west-2:131990247566:dongie-standard-topic"

OUR_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OUR_CERTIFICATE = SigningCertificate(
    dns_names=frozenset({"sns.amazonaws.com"}),
    not_before=datetime(2026, 1, 1, tzinfo=UTC),
    not_after=datetime(2027, 1, 1, tzinfo=UTC),
    public_key=OUR_KEY.public_key(),
)


def envelope(name: str, **changes: Any) -> dict[str, Any]:
    """A fixture with some fields changed; a field set to `...` is left out."""
    changed = {**json.loads((FIXTURES / f"{name}.json").read_text()), **changes}
    return {key: value for key, value in changed.items() if value is not ...}


def parse(fields: dict[str, Any]) -> sns.Message:
    return sns.parse(json.dumps(fields).encode())


def verify(fields: dict[str, Any], certificate: SigningCertificate = CERTIFICATE) -> sns.Message:
    message = parse(fields)
    sns.verify(message, certificate, now=message.sent_at)
    return message


def signed_by_us(fields: dict[str, Any]) -> dict[str, Any]:
    digest = hashes.SHA1() if fields["SignatureVersion"] == "1" else hashes.SHA256()  # noqa: S303
    signature = OUR_KEY.sign(sns.canonical_string(parse(fields)), padding.PKCS1v15(), digest)
    return {**fields, "Signature": base64.b64encode(signature).decode()}


@pytest.mark.parametrize("name", NAMES)
def test_messages_signed_by_aws_verify_at_their_own_time(name: str) -> None:
    message = sns.parse((FIXTURES / f"{name}.json").read_bytes())
    sns.verify(message, CERTIFICATE, now=message.sent_at)
    assert message.topic_arn == TOPIC


def test_there_are_five_of_them_of_every_kind_and_version() -> None:
    messages = [parse(envelope(name)) for name in NAMES]
    assert len(messages) == 5
    assert {message.kind for message in messages} == set(MessageType)
    assert {message.signature_version for message in messages} == {1, 2}


@pytest.mark.parametrize("field", SIGNED)
@pytest.mark.parametrize("name", NAMES)
def test_no_message_verifies_with_any_one_character_of_a_signed_field_changed(name: str, field: str) -> None:
    original = envelope(name)
    value = original.get(field, "")
    for position, character in enumerate(value):
        for other in {chr(ord(character) ^ 1), chr(ord(character) ^ 0x20), "\n"} - {character}:
            changed = {**original, field: value[:position] + other + value[position + 1 :]}
            with pytest.raises((errors.NotAnSnsMessage, errors.SignatureInvalid)):
                verify(changed)


@pytest.mark.parametrize("name", NAMES)
def test_no_message_verifies_with_a_changed_signature(name: str) -> None:
    original = envelope(name)
    signature = original["Signature"]
    for position in range(len(signature)):
        other = "B" if signature[position] == "A" else "A"
        with pytest.raises((errors.NotAnSnsMessage, errors.SignatureInvalid)):
            verify({**original, "Signature": signature[:position] + other + signature[position + 1 :]})


def test_a_version_1_signature_does_not_pass_as_version_2() -> None:
    with pytest.raises(errors.SignatureInvalid):
        verify(envelope("test-notification-no-subject", SignatureVersion="2"))


def test_a_subject_hidden_in_the_message_id_is_refused() -> None:
    """The canonical string is the very one AWS signed; only the shape of MessageId gives it away."""
    original = envelope("test-notification-with-subject")
    hidden = f"{original['MessageId']}\nSubject\n{original['Subject']}"
    message = parse(original)
    forged = replace(message, message_id=hidden, subject=None)
    assert sns.canonical_string(forged) == sns.canonical_string(message)
    with pytest.raises(errors.NotAnSnsMessage, match="MessageId"):
        verify({**original, "MessageId": hidden, "Subject": None})


def test_a_timestamp_and_more_hidden_in_the_subject_is_refused() -> None:
    original = envelope("test-notification-with-subject")
    with pytest.raises(errors.NotAnSnsMessage, match="Subject must not hold a newline"):
        verify({**original, "Subject": "a\nTimestamp\n2026-03-06T19:53:21.424Z"})


@given(subject=st.none() | st.text(), message=st.text(), other_subject=st.none() | st.text(), other=st.text())
def test_two_different_notifications_never_share_a_canonical_string(
    subject: str | None, message: str, other_subject: str | None, other: str
) -> None:
    canonical = []
    for fields in ({"Subject": subject, "Message": message}, {"Subject": other_subject, "Message": other}):
        try:
            canonical.append(sns.canonical_string(parse(envelope("test-notification-no-subject", **fields))))
        except errors.NotAnSnsMessage:
            return
    assert (canonical[0] == canonical[1]) == ((subject, message) == (other_subject, other))


SIGNABLE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=50)
LINE = SIGNABLE.filter(lambda text: "\n" not in text)


@given(kind=st.sampled_from(MessageType), message=SIGNABLE, subject=st.none() | LINE, token=LINE, url=LINE)
def test_the_canonical_string_is_what_the_guide_says(
    kind: MessageType, message: str, subject: str | None, token: str, url: str
) -> None:
    """The signed names in the order of the alphabet, each name and each value on a line of its own."""
    is_notification = kind is MessageType.NOTIFICATION
    values = {"Message": message, "Subject": subject, "Token": token, "SubscribeURL": url, "Type": kind}
    fields = envelope("test-notification-no-subject", **values)
    unsigned = {"Token", "SubscribeURL"} if is_notification else {"Subject"}
    signed = sorted(name for name in SIGNED if name not in unsigned and fields[name] is not None)
    expected = b""
    for name in signed:
        expected += name.encode() + b"\n" + fields[name].encode() + b"\n"

    assert sns.canonical_string(parse(fields)) == expected


@given(SIGNABLE, st.sampled_from(["1", "2"]), st.booleans())
def test_whatever_was_signed_verifies_however_its_json_is_written(
    message: str, version: str, ascii_only: bool
) -> None:
    fields = envelope("test-notification-no-subject", Message=message, SignatureVersion=version)
    written = json.dumps(signed_by_us(fields), ensure_ascii=ascii_only, indent=2).encode()
    parsed = sns.parse(written)
    sns.verify(parsed, OUR_CERTIFICATE, now=parsed.sent_at)
    assert parsed.message == message


def test_a_null_subject_is_an_absent_subject() -> None:
    assert verify(envelope("test-notification-no-subject", Subject=None)).subject is None


def test_the_spellings_of_lambda_are_understood() -> None:
    fields = envelope("test-notification-with-subject")
    fields["SigningCertUrl"] = fields.pop("SigningCertURL")
    fields["UnsubscribeUrl"] = fields.pop("UnsubscribeURL")
    assert verify(fields).subject == "My message subject"


def test_unsigned_fields_change_nothing() -> None:
    fields = envelope("test-notification-no-subject")
    stuffed = {
        **fields,
        "UnsubscribeURL": "https://evil.example",
        "Token": "t",
        "MessageAttributes": {"a": 1},
    }
    assert verify(stuffed) == verify(fields)


def test_a_subject_added_to_a_confirmation_is_not_read_since_it_is_not_signed() -> None:
    assert verify(envelope("test-subscription-confirmation", Subject="unsigned")).subject is None


def test_secrets_and_content_stay_out_of_the_repr() -> None:
    message = parse(envelope("test-subscription-confirmation"))
    assert message.token is not None
    assert message.token not in repr(message)
    assert "You have chosen" not in repr(message)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"Records": []}',
        b"[" * 100_000,
        b'{"Type": "Notification"}',
    ],
)
def test_a_bare_body_says_which_setting_of_the_subscription_to_change(body: bytes) -> None:
    with pytest.raises(errors.NotAnSnsMessage, match="RawMessageDelivery to false"):
        sns.parse(body)


@pytest.mark.parametrize(
    "changes",
    [
        {"Type": "Other"},
        {"Type": 1},
        {"Message": ...},
        {"Message": {"not": "text"}},
        {"Message": "NUL \x00"},
        {"Message": "half a pair \ud800"},
        {"MessageId": "1234"},
        {"MessageId": "c0e5a280-53c9-5a98-93bb-c0a560b3d192\n"},
        {"Timestamp": "2026-03-06T19:55:38Z"},
        {"Timestamp": "2026-03-06T19:55:38.903Z\n"},
        {"Timestamp": "2026-13-06T19:55:38.903Z"},
        {"Timestamp": "٢٠٢٦-03-06T19:55:38.903Z"},
        {"TopicArn": TOPIC + "\n"},
        {"TopicArn": "arn:aws:sqs:us-west-2:131990247566:queue"},
        {"TopicArn": "arn:aws:sns:s3-us-west-2:131990247566:bucket-owner"},
        {"TopicArn": "arn:aws-cn:sns:us-west-2:131990247566:wrong-partition"},
        {"TopicArn": "arn:aws:sns:us-gov-west-1:131990247566:wrong-partition"},
        {"SignatureVersion": "3"},
        {"SignatureVersion": 1},
        {"Signature": ""},
        {"Signature": "not base64"},
        {"Signature": "fh=="},
        {"SigningCertURL": ...},
    ],
)
def test_an_envelope_with_a_field_out_of_shape_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(errors.NotAnSnsMessage):
        parse(envelope("test-notification-no-subject", **changes))


@pytest.mark.parametrize("field", ["Token", "SubscribeURL"])
def test_a_confirmation_needs_its_token_and_url_in_one_line(field: str) -> None:
    for value in (..., "a\nb"):
        with pytest.raises(errors.NotAnSnsMessage, match=field):
            parse(envelope("test-subscription-confirmation", **{field: value}))


@given(st.binary() | st.text().map(str.encode))
def test_no_body_makes_the_parser_fail_in_another_way(body: bytes) -> None:
    with pytest.raises(errors.NotAnSnsMessage):
        sns.parse(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*SIGNED, "Signature", "SignatureVersion", "SigningCertURL"]), JSON))
def test_no_field_makes_the_checks_fail_in_another_way(changes: dict[str, Any]) -> None:
    fields = envelope("test-notification-with-subject")
    if all(fields.get(key) == value for key, value in changes.items()):
        return
    try:
        verify({**fields, **changes})
    except (errors.NotAnSnsMessage, errors.SignatureInvalid):
        return
    # What passes must be unsigned in a notification.
    assert set(changes) <= {"Token", "SubscribeURL"}


def test_an_expired_or_future_certificate_is_refused_at_each_use() -> None:
    message = parse(envelope("test-notification-no-subject"))
    for now in (datetime(2026, 10, 15, tzinfo=UTC), datetime(2025, 11, 9, tzinfo=UTC)):
        with pytest.raises(errors.SignatureInvalid, match="valid from"):
            sns.verify(message, CERTIFICATE, now=now)


def test_a_certificate_from_another_place_is_refused_though_the_signature_is_right() -> None:
    fields = signed_by_us(envelope("test-notification-no-subject"))
    verify(fields, OUR_CERTIFICATE)
    fields["SigningCertURL"] = fields["SigningCertURL"].replace("us-west-2", "us-east-1")
    with pytest.raises(errors.SignatureInvalid, match="SigningCertURL"):
        verify(fields, OUR_CERTIFICATE)


def test_a_certificate_issued_to_another_name_is_refused() -> None:
    """Such as a region's own name, of which only that region's topics are signed."""
    fields = envelope(
        "test-notification-no-subject",
        TopicArn="arn:aws:sns:af-south-1:131990247566:topic",
        SigningCertURL="https://sns.af-south-1.amazonaws.com/SimpleNotificationService-" + "0" * 32 + ".pem",
    )
    with pytest.raises(
        errors.SignatureInvalid, match=r"not issued to sns-signing\.af-south-1\.amazonaws\.com"
    ):
        verify(signed_by_us(fields), OUR_CERTIFICATE)


def test_an_extra_origin_vouches_for_a_certificate_of_any_name() -> None:
    origin = "http://127.0.0.1:4100"
    url = f"{origin}/SimpleNotificationService-{'0' * 32}.pem"
    message = parse(signed_by_us(envelope("test-notification-signature-v2", SigningCertURL=url)))
    nameless = SigningCertificate(
        frozenset(), OUR_CERTIFICATE.not_before, OUR_CERTIFICATE.not_after, OUR_CERTIFICATE.public_key
    )
    sns.verify(message, nameless, now=message.sent_at, extra_origins=[origin])
    with pytest.raises(errors.SignatureInvalid):
        sns.verify(message, nameless, now=message.sent_at)


HEADERS = {
    "x-amz-sns-message-type": "Notification",
    "x-amz-sns-message-id": "c0e5a280-53c9-5a98-93bb-c0a560b3d192",
    "x-amz-sns-topic-arn": TOPIC,
    "x-amz-sns-subscription-arn": f"{TOPIC}:b24e11a2-06bd-4e73-aa29-0ed2de3b41b5",
}


def test_headers_that_agree_or_are_absent_pass() -> None:
    message = parse(envelope("test-notification-no-subject"))
    sns.check_headers(message, HEADERS)
    sns.check_headers(message, {})


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_that_contradicts_the_body_is_refused_by_name(name: str) -> None:
    message = parse(envelope("test-notification-no-subject"))
    with pytest.raises(errors.BadRequest, match=name):
        sns.check_headers(message, {**HEADERS, name: "SubscriptionConfirmation"})


def test_raw_delivery_is_refused_even_when_the_raw_body_looks_like_an_envelope() -> None:
    message = parse(envelope("test-notification-no-subject"))
    with pytest.raises(errors.NotAnSnsMessage, match="RawMessageDelivery to false"):
        sns.check_headers(message, {**HEADERS, "x-amz-sns-rawdelivery": "true"})


def test_a_topic_off_the_list_is_refused_with_the_setting_to_change() -> None:
    message = parse(envelope("test-notification-no-subject"))
    topics = {TOPIC + "2": TopicPolicy(), TOPIC.upper(): TopicPolicy(), TOPIC[:-1]: TopicPolicy()}
    with pytest.raises(errors.TopicNotAllowed, match=f"Topic {TOPIC} is not on .* SLUICE_SNS_TOPICS"):
        sns.check_policy(message, topics, message.sent_at)


def test_a_topic_can_demand_version_2() -> None:
    topics = {TOPIC: TopicPolicy(min_signature_version=2)}
    second = parse(envelope("test-notification-signature-v2"))
    sns.check_policy(second, topics, second.sent_at)
    first = parse(envelope("test-notification-no-subject"))
    with pytest.raises(errors.SignatureVersionTooLow, match="SignatureVersion to 2"):
        sns.check_policy(first, topics, first.sent_at)


def test_a_message_is_accepted_until_the_topics_maximum_age() -> None:
    message = parse(envelope("test-notification-no-subject"))
    topics = {TOPIC: TopicPolicy(max_age_seconds=60)}
    sns.check_policy(message, topics, message.sent_at + timedelta(seconds=60))
    sns.check_policy(message, topics, message.sent_at - timedelta(days=1))
    with pytest.raises(errors.MessageTooOld, match="max_age_seconds"):
        sns.check_policy(message, topics, message.sent_at + timedelta(seconds=61))
