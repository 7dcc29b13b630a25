"""SNS's signing certificates: where they may come from, which name they bear, how long they hold.

Source: SNS Developer Guide, "Verifying the signatures of Amazon SNS messages".
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from app import errors

_PARTITIONS = {
    "aws": ("amazonaws.com", re.compile(r"(us|eu|ap|sa|ca|me|af|il|mx)-[a-z]+-[0-9]{1,2}")),
    "aws-cn": ("amazonaws.com.cn", re.compile(r"cn-[a-z]+-[0-9]{1,2}")),
    "aws-us-gov": ("amazonaws.com", re.compile(r"us-gov-[a-z]+-[0-9]{1,2}")),
    "aws-eusc": ("amazonaws.eu", re.compile(r"eusc-de-[a-z]+-[0-9]{1,2}")),
    "aws-iso": ("c2s.ic.gov", re.compile(r"us-iso-[a-z]+-[0-9]{1,2}")),
    "aws-iso-b": ("sc2s.sgov.gov", re.compile(r"us-isob-[a-z]+-[0-9]{1,2}")),
    "aws-iso-e": ("cloud.adc-e.uk", re.compile(r"eu-isoe-[a-z]+-[0-9]{1,2}")),
    "aws-iso-f": ("csp.hci.ic.gov", re.compile(r"us-isof-[a-z]+-[0-9]{1,2}")),
}
"""Domain and region names of each AWS partition, as in botocore's partitions.json.

The region's shape matters: a topic "in" s3-us-west-2 would make sns.s3-us-west-2.amazonaws.com its host,
and that is a bucket anybody can own.
"""

_REGIONS_WITH_OWN_NAME = frozenset(
    {"ap-east-1", "ap-east-2", "ap-south-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5"}
    | {"ap-southeast-6", "ap-southeast-7", "me-south-1", "me-central-1", "eu-south-1", "eu-south-2"}
    | {"eu-central-2", "af-south-1", "il-central-1", "ca-west-1", "mx-central-1"}
)

_ARN = re.compile(r"arn:([a-z-]+):sns:([a-z0-9-]+):[0-9]{12}:[A-Za-z0-9_-]{1,256}(?:\.fifo)?")
_CERTIFICATE_PATH = re.compile(r"/SimpleNotificationService-[0-9a-f]{32}\.pem")


@dataclass(frozen=True, slots=True)
class Topic:
    """Where an SNS topic lives, read from its ARN."""

    partition: str
    region: str

    @property
    def host(self) -> str:
        """The SNS endpoint of the topic's own region."""
        return f"sns.{self.region}.{_PARTITIONS[self.partition][0]}"


@dataclass(frozen=True, slots=True)
class SigningCertificate:
    """What checking a signature needs of a certificate, parsed once and safe to cache: it still expires."""

    dns_names: frozenset[str]
    not_before: datetime
    not_after: datetime
    public_key: rsa.RSAPublicKey


def parse_topic_arn(topic_arn: str) -> Topic:
    """Read a topic's partition and region. Raises NotAnSnsMessage if no such topic can exist."""
    match = _ARN.fullmatch(topic_arn)
    partition, region = match.groups() if match else ("", "")
    if partition not in _PARTITIONS or not _PARTITIONS[partition][1].fullmatch(region):
        raise errors.NotAnSnsMessage("TopicArn is not the ARN of an SNS topic in a region of its partition.")
    return Topic(partition, region)


def check_certificate_url(url: str, topic_arn: str, extra_origins: Collection[str] = ()) -> None:
    """Refuse a certificate that is not served by SNS itself, in the topic's own region.

    The whole URL is compared as text, `https://sns.<region>.<domain of the partition>` and a fixed form of
    path, so that no port, user info, query, fragment or other spelling of the host can pass. An extra origin
    (`scheme://host:port`, perhaps with a path before the usual one) replaces the origin alone; whoever
    controls it can forge every message. Raises SignatureInvalid.
    """
    origin = f"https://{parse_topic_arn(topic_arn).host}"
    if not any(_is_certificate_at(trusted, url) for trusted in (origin, *extra_origins)):
        raise errors.SignatureInvalid(
            f"SigningCertURL is not a signing certificate at {origin}, where SNS is in the topic's region."
        )


def load_certificate(pem: bytes) -> SigningCertificate:
    """Parse what the certificate URL served: one certificate with an RSA key of 2,048 bits or more.

    Raises CertificateUnavailable, since SNS would not serve anything else: the answer of a proxy, say.
    """
    try:
        [certificate] = x509.load_pem_x509_certificates(pem)
        public_key = certificate.public_key()
        names = _dns_names(certificate)
    except ValueError:
        raise errors.CertificateUnavailable(
            "What was served as the signing certificate is not one."
        ) from None
    if not isinstance(public_key, rsa.RSAPublicKey) or public_key.key_size < 2048:
        raise errors.CertificateUnavailable("The signing certificate has no RSA key of at least 2,048 bits.")
    return SigningCertificate(
        names, certificate.not_valid_before_utc, certificate.not_valid_after_utc, public_key
    )


def check_certificate(
    certificate: SigningCertificate,
    url: str,
    topic_arn: str,
    *,
    now: datetime,
    extra_origins: Collection[str] = (),
) -> None:
    """Check that the certificate fetched from `url` may sign the topic's messages at `now` (aware).

    To be asked at every use, since a cached certificate expires. A certificate from an extra origin may bear
    any name. Raises SignatureInvalid.
    """
    check_certificate_url(url, topic_arn, extra_origins)
    if not certificate.not_before <= now <= certificate.not_after:
        raise errors.SignatureInvalid(
            f"The signing certificate is valid from {certificate.not_before} to {certificate.not_after}; "
            f"now it is {now}."
        )
    name = certificate_name(parse_topic_arn(topic_arn))
    is_extra = any(_is_certificate_at(origin, url) for origin in extra_origins)
    if name not in certificate.dns_names and not is_extra:
        raise errors.SignatureInvalid(f"The signing certificate is not issued to {name}.")


def certificate_name(at: Topic) -> str:
    """Return the DNS name that SNS's signing certificate bears for topics there.

    Source: aws-sdk-java-v2, sns-message-manager, SnsHostProvider.
    """
    domain = _PARTITIONS[at.partition][0]
    match at.partition:
        case "aws" if at.region not in _REGIONS_WITH_OWN_NAME:
            return f"sns.{domain}"
        case "aws-us-gov":
            return f"sns-us-gov-west-1.{domain}"
        case "aws-cn" | "aws-iso" | "aws-iso-b":
            return f"sns-{at.region}.{domain}"
        case _:
            return f"sns-signing.{at.region}.{domain}"


def _is_certificate_at(origin: str, url: str) -> bool:
    origin = origin.rstrip("/")
    return url.startswith(origin) and _CERTIFICATE_PATH.fullmatch(url, len(origin)) is not None


def _dns_names(certificate: x509.Certificate) -> frozenset[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return frozenset()
    return frozenset(extension.value.get_values_for_type(x509.DNSName))
