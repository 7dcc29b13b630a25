"""Encryption of personal data at rest: AES-256-GCM (NIST SP 800-38D) with named keys.

An encrypted value is `format (1 byte) · length of key id (1) · key id · nonce (12) · ciphertext and tag`.
Everything before the nonce, and a context the caller names, are authenticated: a value copied to another
row or column does not decrypt there. Nonces are random, which is safe for 2^32 values per key; rotate
long before that.
"""

from __future__ import annotations

import base64
import binascii
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
    """Make a key of 32 random bytes, in the form SLUICE_ENCRYPTION_KEYS takes: `id:base64`.

    Raises Misconfigured when the id is not 1 to 32 letters, digits, `_` or `-`.
    """
    _check_key_id(key_id)
    return f"{key_id}:{base64.b64encode(os.urandom(32)).decode()}"


class Keyring:
    """The keys of one installation. The first encrypts, all decrypt, so a new key is put in front."""

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        """Read `id:base64` keys, newest first. Raises Misconfigured when there is none or one is bad."""
        pairs = [_parse_key(key.get_secret_value()) for key in keys]
        if not pairs:
            raise errors.Misconfigured(
                "No encryption key is configured. Set SLUICE_ENCRYPTION_KEYS to one or more id:base64 "
                "of 32 random bytes, newest first."
            )
        self._keys = dict(pairs)
        if len(self._keys) != len(pairs):
            raise errors.Misconfigured("Two encryption keys have the same id. Give each its own.")
        self._newest = pairs[0][0]

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


def _parse_key(text: str) -> tuple[str, AESGCM]:
    key_id, _, encoded = text.partition(":")
    _check_key_id(key_id)
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise errors.Misconfigured(f"The encryption key {key_id} is not of the form id:base64.") from None
    if len(key) != 32:
        raise errors.Misconfigured(f"The encryption key {key_id} holds {len(key)} bytes; AES-256 needs 32.")
    return key_id, AESGCM(key)


def _check_key_id(key_id: str) -> None:
    # The rejected text is not shown: with the colon forgotten it is the key itself.
    if not _KEY_ID.fullmatch(key_id):
        raise errors.Misconfigured(
            "An encryption key's id must be 1 to 32 letters, digits, underscores or hyphens, before a colon."
        )
