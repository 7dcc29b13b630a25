"""The stand-in's envelopes, against the real ones and against the gateway's own verification."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from app import errors, sns
from app.dev.sns import TOPIC_ARN
from app.dev.sns_signing import Signer, now
from app.sns_certificates import load_certificate

ORIGIN = "http://127.0.0.1:4100"
FIXTURES = Path(__file__).parent.parent / "fixtures" / "sns"

CONTENT = {
    "Type": "Notification",
    "MessageId": "9d2c5580-b61d-550c-8583-37a582870907",
    "TopicArn": TOPIC_ARN,
    "Subject": "Amazon S3 Notification",
    "Message": 'a "quoted" line\nand “another” one',
    "Timestamp": now(),
}


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer(ORIGIN)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("left_out", [None, "Subject"])
def test_the_gateway_accepts_what_it_signs(signer: Signer, version: int, left_out: str | None) -> None:
    content = {name: value for name, value in CONTENT.items() if name != left_out}
    body = signer.envelope(content, signature_version=1 if version == 1 else 2)
    verify(signer, body)


def test_a_changed_message_does_not_verify(signer: Signer) -> None:
    body = signer.envelope(CONTENT).replace(b"another", b"changed")
    with pytest.raises(errors.SignatureInvalid):
        verify(signer, body)


def test_it_looks_like_a_real_one(signer: Signer) -> None:
    real = (FIXTURES / "test-notification-signature-v2.json").read_text("utf-8")
    content = {name: value for name, value in CONTENT.items() if name != "Subject"}
    ours = signer.envelope(content, unsubscribe_url=f"{ORIGIN}/").decode()
    assert list(json.loads(ours)) == list(json.loads(real))
    assert ours.splitlines()[1] == real.splitlines()[1] == '  "Type" : "Notification",'


def test_the_certificate_names_sns_and_holds_for_a_month(signer: Signer) -> None:
    certificate = x509.load_pem_x509_certificate(signer.certificate_pem)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["sns.amazonaws.com"]
    assert (certificate.not_valid_after_utc - datetime.now(UTC)).days == 29


def verify(signer: Signer, body: bytes) -> None:
    sns.verify(
        sns.parse(body),
        load_certificate(signer.certificate_pem),
        now=datetime.now(UTC),
        extra_origins=[ORIGIN],
    )
