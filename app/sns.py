"""Amazon SNS over HTTP: the envelope, who may have signed it, and whether they did.

A caller takes the steps in this order, the cheap ones first, so that nothing is fetched for a stranger:

    message = parse(body)
    check_headers(message, headers)
    check_policy(message, topics, now)
    sns_certificates.check_certificate_url(message.signing_cert_url, message.topic_arn, extra_origins)
    verify(message, certificate, now=now, extra_origins=extra_origins)    # certificate fetched in between

Only the signed fields are read; `UnsubscribeURL` and `MessageAttributes` are not signed and never used.
Source: SNS Developer Guide, "Verifying the signatures of Amazon SNS messages".
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from app import errors
from app.settings import TopicPolicy
from app.sns_certificates import SigningCertificate, check_certificate, parse_topic_arn


class MessageType(StrEnum):
    """What SNS sends to an HTTP endpoint."""

    NOTIFICATION = "Notification"
    SUBSCRIPTION_CONFIRMATION = "SubscriptionConfirmation"
    UNSUBSCRIBE_CONFIRMATION = "UnsubscribeConfirmation"


@dataclass(frozen=True, slots=True)
class Message:
    """An envelope whose fields have the right shapes. Its signature is not checked until `verify`."""

    kind: MessageType
    message_id: str
    """A UUID. The same in each retry, but not by itself proof of one message: deduplicate by topic too."""
    topic_arn: str
    message: str = field(repr=False)
    timestamp: str
    """As received, since this text is signed: `YYYY-MM-DDTHH:MM:SS.mmmZ`."""
    sent_at: datetime
    """The timestamp, aware: when the message was published. A retry keeps it."""
    signature_version: Literal[1, 2]
    signature: bytes = field(repr=False)
    signing_cert_url: str
    subject: str | None = None
    """Notifications only."""
    token: str | None = field(default=None, repr=False)
    """Confirmations only. Whoever holds it can (re)subscribe the endpoint: a secret."""
    subscribe_url: str | None = field(default=None, repr=False)
    """Confirmations only. Signed, therefore kept; never to be fetched."""


_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_TIMESTAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")

_RAW_DELIVERY = (
    "If the subscription has raw message delivery on, turn it off: raw messages are not signed. "
    "Set its attribute RawMessageDelivery to false."
)


def parse(body: bytes) -> Message:
    """Read an envelope, whatever its content type says. Raises NotAnSnsMessage for anything else.

    The canonical string is ambiguous: a MessageId of `<id>\\nSubject\\n<subject>` signs like an id and a
    subject. So every signed field but Message must have a shape that leaves no room for a newline.
    """
    try:
        envelope = json.loads(body.decode())
    except (ValueError, RecursionError):
        raise errors.NotAnSnsMessage(
            f"The body is not JSON, so it is no SNS envelope. {_RAW_DELIVERY}"
        ) from None
    if not isinstance(envelope, dict) or "Type" not in envelope or "TopicArn" not in envelope:
        raise errors.NotAnSnsMessage(f"The body is JSON but not an SNS envelope. {_RAW_DELIVERY}")
    kind = _kind(envelope)
    subject = token = subscribe_url = None
    if kind is not MessageType.NOTIFICATION:
        token, subscribe_url = _line(envelope, "Token"), _line(envelope, "SubscribeURL")
    elif envelope.get("Subject") is not None:
        subject = _line(envelope, "Subject")
    timestamp = _shaped(envelope, "Timestamp", _TIMESTAMP)
    topic_arn = _text(envelope, "TopicArn")
    parse_topic_arn(topic_arn)
    return Message(
        kind=kind,
        message_id=_shaped(envelope, "MessageId", _UUID),
        topic_arn=topic_arn,
        message=_text(envelope, "Message"),
        timestamp=timestamp,
        sent_at=_time(timestamp),
        signature_version=_signature_version(envelope),
        signature=_base64(envelope, "Signature"),
        # Lambda spells this key in its own way.
        signing_cert_url=_text(
            envelope, "SigningCertURL" if "SigningCertURL" in envelope else "SigningCertUrl"
        ),
        subject=subject,
        token=token,
        subscribe_url=subscribe_url,
    )


def canonical_string(message: Message) -> bytes:
    """Return what SNS signed: the names and values of the signed fields, each on a line of its own."""
    fields = {"Message": message.message, "MessageId": message.message_id}
    if message.kind is not MessageType.NOTIFICATION:
        fields["SubscribeURL"] = message.subscribe_url or ""
    elif message.subject is not None:
        fields["Subject"] = message.subject
    fields["Timestamp"] = message.timestamp
    if message.kind is not MessageType.NOTIFICATION:
        fields["Token"] = message.token or ""
    fields["TopicArn"] = message.topic_arn
    fields["Type"] = message.kind.value
    return "".join(f"{name}\n{value}\n" for name, value in fields.items()).encode()


def check_headers(message: Message, headers: Mapping[str, str]) -> None:
    """Refuse headers that contradict the body. They are not signed, so nothing else is read from them.

    `headers` are looked up by lower-case name. Raises NotAnSnsMessage for raw delivery, BadRequest for a
    contradiction. A missing header is no contradiction.
    """
    if headers.get("x-amz-sns-rawdelivery", "false").lower() == "true":
        raise errors.NotAnSnsMessage(f"The message was delivered raw. {_RAW_DELIVERY}")
    for name, value in {
        "x-amz-sns-message-type": message.kind.value,
        "x-amz-sns-message-id": message.message_id,
        "x-amz-sns-topic-arn": message.topic_arn,
    }.items():
        if headers.get(name, value) != value:
            raise errors.BadRequest(f"The header {name} contradicts the message in the body.")
    subscription_arn = headers.get("x-amz-sns-subscription-arn")
    if subscription_arn is not None and not subscription_arn.startswith(f"{message.topic_arn}:"):
        raise errors.BadRequest("The header x-amz-sns-subscription-arn contradicts the topic in the body.")


def check_policy(message: Message, topics: Mapping[str, TopicPolicy], now: datetime) -> None:
    """Refuse a message whose topic is not listed or whose topic's policy it does not meet.

    Any AWS account's messages are signed validly: the list is what keeps strangers out. Raises
    TopicNotAllowed, SignatureVersionTooLow or MessageTooOld. A message from the future passes: its time is
    signed, so it is our clock that is behind.
    """
    policy = topics.get(message.topic_arn)
    if policy is None:
        raise errors.TopicNotAllowed(
            f"Topic {message.topic_arn} is not on the allow-list; add it to SLUICE_SNS_TOPICS."
        )
    if message.signature_version < policy.min_signature_version:
        raise errors.SignatureVersionTooLow(
            f"Topic {message.topic_arn} must sign with version {policy.min_signature_version}; "
            f"set its attribute SignatureVersion to {policy.min_signature_version}."
        )
    if now - message.sent_at > timedelta(seconds=policy.max_age_seconds):
        raise errors.MessageTooOld(
            f"The message was sent at {message.timestamp}, more than {policy.max_age_seconds} seconds ago; "
            f"raise max_age_seconds of topic {message.topic_arn} if its retries last longer."
        )


def verify(
    message: Message, certificate: SigningCertificate, *, now: datetime, extra_origins: Collection[str] = ()
) -> None:
    """Check that SNS signed the message, with `certificate` fetched from the message's own URL.

    The certificate is checked again each time, for the message's topic at `now` (aware): it may have come
    from a cache. Raises SignatureInvalid.
    """
    check_certificate(
        certificate, message.signing_cert_url, message.topic_arn, now=now, extra_origins=extra_origins
    )
    # SHA-1 is what version 1 prescribes; a topic's policy can demand version 2.
    digest = hashes.SHA1() if message.signature_version == 1 else hashes.SHA256()  # noqa: S303
    try:
        certificate.public_key.verify(
            message.signature, canonical_string(message), padding.PKCS1v15(), digest
        )
    except InvalidSignature:
        raise errors.SignatureInvalid("The signature does not match the message.") from None


def _kind(envelope: dict[str, Any]) -> MessageType:
    try:
        return MessageType(_text(envelope, "Type"))
    except ValueError:
        raise errors.NotAnSnsMessage(f"Type must be one of {', '.join(MessageType)}.") from None


def _signature_version(envelope: dict[str, Any]) -> Literal[1, 2]:
    match _text(envelope, "SignatureVersion"):
        case "1":
            return 1
        case "2":
            return 2
        case _:
            raise errors.NotAnSnsMessage("SignatureVersion must be 1 or 2, the versions SNS defines.")


def _text(envelope: dict[str, Any], name: str) -> str:
    """A string field, as it is after JSON unescaping, that can be encoded and stored."""
    value = envelope.get(name)
    if not isinstance(value, str):
        raise errors.NotAnSnsMessage(f"{name} is missing or not a string.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise errors.NotAnSnsMessage(f"{name} holds half of a surrogate pair, which is not text.") from None
    if "\x00" in value:
        raise errors.NotAnSnsMessage(f"{name} holds a NUL character, which cannot be stored.")
    return value


def _line(envelope: dict[str, Any], name: str) -> str:
    value = _text(envelope, name)
    if "\n" in value:
        raise errors.NotAnSnsMessage(f"{name} must not hold a newline.")
    return value


def _shaped(envelope: dict[str, Any], name: str, shape: re.Pattern[str]) -> str:
    value = _text(envelope, name)
    if not shape.fullmatch(value):
        raise errors.NotAnSnsMessage(f"{name} does not have the form SNS gives it.")
    return value


def _time(timestamp: str) -> datetime:
    try:
        return datetime.fromisoformat(timestamp)
    except ValueError:
        raise errors.NotAnSnsMessage("Timestamp is no time that exists.") from None


def _base64(envelope: dict[str, Any], name: str) -> bytes:
    text = _text(envelope, name)
    try:
        value = base64.b64decode(text, validate=True)
    except ValueError:
        value = b""
    # Canonical base64 only: otherwise a changed character could still mean the same bytes.
    if not value or base64.b64encode(value).decode() != text:
        raise errors.NotAnSnsMessage(f"{name} is not base64.")
    return value
