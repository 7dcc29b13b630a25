"""The rule of where a signing certificate may come from, attacked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from hypothesis import example, given
from hypothesis import strategies as st

from app import errors
from app.sns_certificates import certificate_name, check_certificate_url, load_certificate, parse_topic_arn

FIXTURES = Path(__file__).parent.parent / "fixtures" / "sns"
PEM = next(FIXTURES.glob("*.pem")).read_bytes()
TOPIC = "arn:aws:sns:us-west-2:131990247566:topic"
PATH = "/SimpleNotificationService-7506a1e35b36ef5a444dd1a8e7cc3ed8.pem"
URL = f"https://sns.us-west-2.amazonaws.com{PATH}"


def is_allowed(url: str, *extra_origins: str, topic: str = TOPIC) -> bool:
    try:
        check_certificate_url(url, topic, extra_origins)
    except errors.SignatureInvalid:
        return False
    return True


@pytest.mark.parametrize(
    ("partition", "region", "domain", "name"),
    [
        ("aws", "us-east-1", "amazonaws.com", "sns"),
        ("aws", "eu-central-2", "amazonaws.com", "sns-signing.eu-central-2"),
        ("aws", "mx-central-1", "amazonaws.com", "sns-signing.mx-central-1"),
        ("aws-cn", "cn-north-1", "amazonaws.com.cn", "sns-cn-north-1"),
        ("aws-us-gov", "us-gov-west-1", "amazonaws.com", "sns-us-gov-west-1"),
        ("aws-us-gov", "us-gov-east-1", "amazonaws.com", "sns-us-gov-west-1"),
        ("aws-eusc", "eusc-de-east-1", "amazonaws.eu", "sns-signing.eusc-de-east-1"),
        ("aws-iso", "us-iso-east-1", "c2s.ic.gov", "sns-us-iso-east-1"),
        ("aws-iso-b", "us-isob-east-1", "sc2s.sgov.gov", "sns-us-isob-east-1"),
        ("aws-iso-e", "eu-isoe-west-1", "cloud.adc-e.uk", "sns-signing.eu-isoe-west-1"),
        ("aws-iso-f", "us-isof-east-1", "csp.hci.ic.gov", "sns-signing.us-isof-east-1"),
    ],
)
def test_each_region_has_its_host_and_its_name(partition: str, region: str, domain: str, name: str) -> None:
    arn = f"arn:{partition}:sns:{region}:131990247566:topic.fifo"
    assert is_allowed(f"https://sns.{region}.{domain}{PATH}", topic=arn)
    assert not is_allowed(URL, topic=arn)
    assert certificate_name(parse_topic_arn(arn)) == f"{name}.{domain}"


@pytest.mark.parametrize(
    "url",
    [
        "",
        PATH,
        URL.replace("https", "http"),
        URL.replace("https", "HTTPS"),
        URL.replace("sns.", "SNS."),
        URL.replace("us-west-2", "us-east-1"),
        # The regular expression most validators use accepts this one: a bucket anybody can own.
        URL.replace("us-west-2", "s3-us-west-2"),
        URL.replace("amazonaws.com", "amazonaws.com.cn"),
        URL.replace("amazonaws.com", "amazonaws.com."),
        URL.replace("amazonaws.com", "amazonaws.com.evil.example"),
        URL.replace("amazonaws.com", "amazonaws.com:443"),
        URL.replace("amazonaws.com", "amazonaws.com@evil.example"),
        URL.replace("amazonaws.com", "amazonaws.com\\@evil.example"),
        URL.replace("https://", "https://user:password@"),
        URL.replace("https://", "https://evil.example/"),
        URL.replace("https://", "https://evil.example#"),
        URL + "?x=1",
        URL + "#x",
        URL + "\n",
        " " + URL,
        URL.replace("/Simple", "//Simple"),
        URL.replace("/Simple", "/../Simple"),
        URL.replace("/Simple", "/evil/Simple"),
        URL.replace("7506", "750G"),
        URL.replace("7506", "750A"),
        URL.replace("7506", "750"),
        URL.replace("Simple", "simple"),
        URL.replace(".pem", ".pem.exe"),
        "https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription",
    ],
)
def test_every_other_spelling_is_refused(url: str) -> None:
    assert not is_allowed(url)


@given(st.text(), st.integers(0, len(URL)), st.integers(0, len(URL)))
@example("", 0, 0)
def test_whatever_is_put_into_the_url_what_passes_is_at_sns(text: str, start: int, end: int) -> None:
    url = URL[:start] + text + URL[end:]
    if is_allowed(url):
        parts = urlsplit(url)
        assert (parts.scheme, parts.netloc) == ("https", "sns.us-west-2.amazonaws.com")
        assert (parts.query, parts.fragment) == ("", "")
        assert len(url) == len(URL)


@given(st.from_regex(r"https://sns\.[a-zA-Z0-9-]{3,}\.amazonaws\.com(\.cn)?", fullmatch=True))
def test_no_host_of_the_usual_lax_rule_passes_but_the_regions_own(origin: str) -> None:
    assert is_allowed(origin + PATH) == (origin == "https://sns.us-west-2.amazonaws.com")


def test_an_extra_origin_replaces_the_origin_and_nothing_else() -> None:
    origin = "http://127.0.0.1:4100"
    assert is_allowed(origin + PATH, origin)
    assert is_allowed(origin + PATH, origin + "/")
    assert is_allowed(URL, origin), "AWS's own origin is trusted still"
    assert not is_allowed(origin + PATH)
    for url in (
        "http://127.0.0.1:41001" + PATH,
        "http://127.0.0.1" + PATH,
        origin + "/x.pem",
        origin + PATH + "?",
    ):
        assert not is_allowed(url, origin)


def test_an_extra_origin_may_carry_the_path_a_stand_in_puts_before() -> None:
    origin = "http://localhost.localstack.cloud:4566/_aws/sns"
    assert is_allowed(origin + PATH, origin)
    assert not is_allowed("http://localhost.localstack.cloud:4566" + PATH, origin)


@pytest.mark.parametrize(
    "arn",
    [
        "",
        "arn:aws:sns:us-west-2:131990247566",
        "arn:aws:sns:us-west-2:131990247566:",
        "arn:aws:sns:us-west-2:131990247566:topic:subscription",
        "arn:aws:sns:us-west-2:13199024756:topic",
        "arn:aws:sns::131990247566:topic",
        "arn:aws:sns:s3-us-west-2:131990247566:topic",
        "arn:aws:sns:evil.example/:131990247566:topic",
        "arn:aws-new:sns:us-west-2:131990247566:topic",
        "arn:aws:sns:cn-north-1:131990247566:topic",
    ],
)
def test_what_is_no_topic_is_refused(arn: str) -> None:
    with pytest.raises(errors.NotAnSnsMessage, match="TopicArn"):
        parse_topic_arn(arn)


def test_the_certificate_is_read() -> None:
    certificate = load_certificate(PEM)
    assert certificate.dns_names == {"sns.amazonaws.com"}
    assert certificate.not_after == datetime(2026, 10, 14, 23, 59, 59, tzinfo=UTC)


def pem_for(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    """A self-signed certificate without alternative names."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=key.public_key(),
        serial_number=1,
        not_valid_before=now,
        not_valid_after=now + timedelta(days=1),
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def test_a_common_name_is_not_an_alternative_name() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert load_certificate(pem_for(key)).dns_names == frozenset()


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"<html>blocked by proxy</html>",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        PEM + PEM,
        pem_for(ec.generate_private_key(ec.SECP256R1())),
        pem_for(rsa.generate_private_key(public_exponent=65537, key_size=1024)),  # noqa: S505 - too short is the point
    ],
)
def test_anything_but_one_certificate_with_a_strong_rsa_key_is_our_trouble_not_the_senders(
    pem: bytes,
) -> None:
    with pytest.raises(errors.CertificateUnavailable) as raised:
        load_certificate(pem)
    assert raised.value.status == 503
