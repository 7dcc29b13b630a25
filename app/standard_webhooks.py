"""Sign and verify webhooks by the Standard Webhooks specification (symmetric scheme, `v1`).

The signature is HMAC-SHA256 over `{webhook-id}.{webhook-timestamp}.{body}`. While a secret is being
rotated, the verifier knows several secrets and the sender may send several signatures; one match is
enough. Source: standardwebhooks.com, "Signature scheme" and "Webhook headers".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets as random
from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import SecretStr

from app import errors

ID_HEADER = "webhook-id"
TIMESTAMP_HEADER = "webhook-timestamp"
SIGNATURE_HEADER = "webhook-signature"

_SECRET_PREFIX = "whsec_"  # noqa: S105 - the public prefix of every secret, not a secret
# The specification forbids a full stop: with one in the id, parts of the signed content could trade places.
_ID = re.compile(r"[!-\-/-~]{1,255}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")


def new_secret() -> str:
    """Make a secret of 32 random bytes, in the form both sides configure: `whsec_` and base64."""
    return _SECRET_PREFIX + base64.b64encode(random.token_bytes(32)).decode()


def secret_key(secret: SecretStr) -> bytes:
    """The bytes a configured secret stands for. Raises Misconfigured for one that cannot be used."""
    try:
        key = base64.b64decode(secret.get_secret_value().removeprefix(_SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise errors.Misconfigured("A webhook secret is not whsec_ followed by base64.") from None
    if not 24 <= len(key) <= 64:
        raise errors.Misconfigured(f"A webhook secret holds {len(key)} bytes; it must hold 24 to 64.")
    return key


def sign(secret: SecretStr, webhook_id: str, timestamp: datetime, body: bytes) -> dict[str, str]:
    """Return the three headers that go with `body`, sent at `timestamp` (aware, cut to the second).

    A retry keeps `webhook_id` and takes a new timestamp. Raises Misconfigured for a bad secret and
    ValueError for an id that holds a full stop, a space or anything outside ASCII.
    """
    if not _ID.fullmatch(webhook_id):
        raise ValueError("A webhook id is 1 to 255 printable ASCII characters without spaces or full stops.")
    seconds = str(int(timestamp.timestamp()))
    signature = base64.b64encode(_digest(secret_key(secret), webhook_id, seconds, body)).decode()
    return {ID_HEADER: webhook_id, TIMESTAMP_HEADER: seconds, SIGNATURE_HEADER: f"v1,{signature}"}


def verify(
    secrets: Sequence[SecretStr],
    headers: Mapping[str, str],
    body: bytes,
    now: datetime,
    tolerance_seconds: int,
) -> str:
    """Return the webhook id if `body` was signed with one of `secrets` within the tolerance of `now`.

    `headers` are looked up by lower-case name. The id stays the same over retries, so it serves as the
    idempotency key. Raises Unauthenticated when a header is missing or malformed, SignatureInvalid when
    the time or every signature is wrong, and Misconfigured for a bad secret.
    """
    webhook_id = _header(headers, ID_HEADER, _ID)
    seconds = _header(headers, TIMESTAMP_HEADER, _TIMESTAMP)
    # Signatures of other schemes, such as v1a, may stand beside ours.
    parts = headers.get(SIGNATURE_HEADER, "").split()
    signatures = [part.removeprefix("v1,") for part in parts if part.startswith("v1,")]
    if not signatures:
        raise errors.Unauthenticated(
            f"The header {SIGNATURE_HEADER} holds no signature of the form v1,<base64>."
        )
    if abs(now.timestamp() - int(seconds)) > tolerance_seconds:
        raise errors.SignatureInvalid(
            f"The {TIMESTAMP_HEADER} {seconds} is more than {tolerance_seconds} seconds from our clock "
            f"({int(now.timestamp())}). Sign each attempt anew and check the sender's clock."
        )
    digests = [_digest(secret_key(secret), webhook_id, seconds, body) for secret in secrets]
    # Every pair is compared, each in constant time, so that time tells nothing about the match.
    if not any([_matches(digest, signature) for digest in digests for signature in signatures]):  # noqa: C419
        raise errors.SignatureInvalid(
            "No signature matches. Sign `id.timestamp.body` with the shared secret, the body byte for byte."
        )
    return webhook_id


def _header(headers: Mapping[str, str], name: str, shape: re.Pattern[str]) -> str:
    value = headers.get(name)
    if value is None:
        raise errors.Unauthenticated(f"The header {name} is missing. Sign the request by Standard Webhooks.")
    if not shape.fullmatch(value):
        raise errors.Unauthenticated(
            f"The header {name} does not have the form Standard Webhooks prescribes."
        )
    return value


def _digest(key: bytes, webhook_id: str, seconds: str, body: bytes) -> bytes:
    return hmac.digest(key, f"{webhook_id}.{seconds}.".encode() + body, hashlib.sha256)


def _matches(digest: bytes, signature: str) -> bool:
    expected = base64.b64encode(digest)
    return hmac.compare_digest(expected, signature.encode(errors="replace"))
