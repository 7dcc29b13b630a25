"""What SNS puts into an HTTPS delivery: the envelope, its signature, and the certificate for it.

Written from the SNS Developer Guide, "Verifying the signatures of Amazon SNS messages" and "HTTP/HTTPS
headers and body", on purpose without `app.sns`: a stand-in that shared the code it is used to test would
agree with any mistake in it.
"""

from __future__ import annotations

import base64
import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

_SIGNER_NAME = "sns.amazonaws.com"


class Signer:
    """A throwaway key and its self-signed certificate, served under `origin`."""

    def __init__(self, origin: str) -> None:
        self._key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
        self.certificate_path = f"/SimpleNotificationService-{secrets.token_hex(16)}.pem"
        self.certificate_url = origin + self.certificate_path
        self.certificate_pem = _self_signed(self._key).public_bytes(serialization.Encoding.PEM)

    def envelope(
        self,
        content: dict[str, str],
        *,
        signature_version: Literal[1, 2] = 2,
        unsubscribe_url: str | None = None,
    ) -> bytes:
        """The body of a delivery. `content` holds the signed values, in the order SNS sends them."""
        # Every value is signed, in the alphabetical order of its name.
        canonical = "".join(f"{name}\n{content[name]}\n" for name in sorted(content))
        digest = hashes.SHA1() if signature_version == 1 else hashes.SHA256()  # noqa: S303 (SNS's version 1)
        signature = self._key.sign(canonical.encode(), padding.PKCS1v15(), digest)
        whole = content | {
            "SignatureVersion": str(signature_version),
            "Signature": base64.b64encode(signature).decode(),
            "SigningCertURL": self.certificate_url,
        }
        if unsubscribe_url is not None:
            whole["UnsubscribeURL"] = unsubscribe_url  # the one value that is not signed
        return json.dumps(whole, indent=2, separators=(",", " : "), ensure_ascii=False).encode()


def now() -> str:
    """The present moment as SNS writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _self_signed(key: rsa.RSAPrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _SIGNER_NAME)])
    today = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(_SIGNER_NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
