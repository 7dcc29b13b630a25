"""Personal data at rest: encrypted by AES-256-GCM (NIST SP 800-38D), known again by HMAC-SHA-256 (RFC 2104).

Both work with named keys, of which the newest is used for what is new, and all for what is old.

An encrypted value is `format (1 byte) · length of key id (1) · key id · nonce (12) · ciphertext and tag`.
Everything before the nonce, and a context the caller names, are authenticated: a value copied to another
row or column does not decrypt there. Nonces are random, which is safe for 2^32 values per key; rotate
long before that.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import re
from collections.abc import Sequence
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from app import errors

_FORMAT = 1
_NONCE_BYTES = 12
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")


def new_key(key_id: str) -> str:
    """Make a key of 32 random bytes, in the form that settings take: `id:base64`.

    Raises Misconfigured when the id is not 1 to 32 letters, digits, `_` or `-`.
    """
    _check_key_id(key_id)
    return f"{key_id}:{base64.b64encode(os.urandom(32)).decode()}"


class Keyring:
    """The keys of one installation. The first encrypts, all decrypt, so a new key is put in front."""

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        """Read `id:base64` keys, newest first. Raises Misconfigured when there is none or one is bad."""
        parsed = _parse_keys(keys, "encryption", "SLUICE_ENCRYPTION_KEYS")
        self._keys = {key_id: AESGCM(key) for key_id, key in parsed.items()}
        self._newest = next(iter(parsed))

    def encrypt(self, plaintext: bytes, context: str) -> bytes:
        """Encrypt under the newest key. `context` names the place, such as `applications.applicant:{id}`."""
        header = bytes([_FORMAT, len(self._newest)]) + self._newest.encode()
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._keys[self._newest].encrypt(nonce, plaintext, header + context.encode())
        return header + nonce + sealed

    def decrypt(self, value: bytes, context: str) -> bytes:
        """Return the plaintext. Raises DecryptionFailed if the key is gone, or value or context changed."""
        if len(value) < 2 or value[0] != _FORMAT:
            raise errors.DecryptionFailed("The stored value is not in a format this release can decrypt.")
        header, rest = value[: 2 + value[1]], value[2 + value[1] :]
        key_id = header[2:].decode("ascii", errors="replace")
        key = self._keys.get(key_id)
        if key is None:
            raise errors.DecryptionFailed(
                f"The stored value needs encryption key {key_id!r}. Add it back to SLUICE_ENCRYPTION_KEYS."
            )
        try:
            return key.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], header + context.encode())
        except (InvalidTag, ValueError):
            raise errors.DecryptionFailed(
                "The stored value does not decrypt: it was changed, cut short or moved from another place."
            ) from None

    def encrypt_json(self, value: Any, context: str) -> bytes:
        """Encrypt a JSON value."""
        return self.encrypt(json.dumps(value, separators=(",", ":")).encode(), context)

    def decrypt_json(self, value: bytes, context: str) -> Any:
        """Return the JSON value that `encrypt_json` sealed. Raises DecryptionFailed as `decrypt` does."""
        return json.loads(self.decrypt(value, context))


class DigestKeys:
    """Keys to know a value again by its digest, without keeping the value. The first is for new digests."""

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        """Read `id:base64` keys, newest first. Raises Misconfigured when there is none or one is bad."""
        self._keys = _parse_keys(keys, "fingerprint", "SLUICE_FINGERPRINT_KEYS")
        self.newest = next(iter(self._keys))

    def digests(self, value: bytes, context: str) -> dict[str, bytes]:
        """The value's digest of 32 bytes under each key, by the key's id, newest first.

        Equal values have equal digests in one `context`, a word without NUL, and others in another.
        """
        content = context.encode() + b"\0" + value
        return {key_id: hmac.digest(key, content, hashlib.sha256) for key_id, key in self._keys.items()}


def _parse_keys(keys: Sequence[SecretStr], purpose: str, variable: str) -> dict[str, bytes]:
    pairs = [_parse_key(key.get_secret_value(), purpose) for key in keys]
    if not pairs:
        raise errors.Misconfigured(
            f"No {purpose} key is configured. Set {variable} to one or more id:base64 of 32 random bytes, "
            "newest first."
        )
    by_id = dict(pairs)
    if len(by_id) != len(pairs):
        raise errors.Misconfigured(f"Two {purpose} keys have the same id. Give each its own.")
    return by_id


def _parse_key(text: str, purpose: str) -> tuple[str, bytes]:
    key_id, _, encoded = text.partition(":")
    _check_key_id(key_id)
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise errors.Misconfigured(f"The {purpose} key {key_id} is not of the form id:base64.") from None
    if len(key) != 32:
        raise errors.Misconfigured(f"The {purpose} key {key_id} holds {len(key)} bytes; it needs 32.")
    return key_id, key


def _check_key_id(key_id: str) -> None:
    # The rejected text is not shown: with the colon forgotten it is the key itself.
    if not _KEY_ID.fullmatch(key_id):
        raise errors.Misconfigured(
            "A key's id must be 1 to 32 letters, digits, underscores or hyphens, before a colon."
        )
