"""Personal data at rest: sealed to its place, and readable through a rotation of keys."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from app import errors
from app.encryption import DigestKeys, Keyring, new_key

FIRST, SECOND = SecretStr(new_key("2025")), SecretStr(new_key("2026"))
KEYRING = Keyring([FIRST])
CONTEXT = "application:a-1"


@given(st.binary(), st.text())
def test_what_is_encrypted_decrypts_in_its_place(plaintext: bytes, context: str) -> None:
    assert KEYRING.decrypt(KEYRING.encrypt(plaintext, context), context) == plaintext


def test_json_comes_back_as_it_was() -> None:
    value = {"name": "Zoë", "born": None, "lines": [1, 2.5, True]}
    sealed = KEYRING.encrypt_json(value, CONTEXT)
    assert KEYRING.decrypt_json(sealed, CONTEXT) == value


def test_the_plaintext_does_not_show_and_equal_values_do_not_look_equal() -> None:
    one, two = (KEYRING.encrypt(b"Jane Specimen", CONTEXT) for _ in range(2))
    assert b"Specimen" not in one
    assert one != two


def test_a_value_moved_to_another_row_does_not_decrypt() -> None:
    sealed = KEYRING.encrypt(b"secret", CONTEXT)
    with pytest.raises(errors.DecryptionFailed, match="moved from another place"):
        KEYRING.decrypt(sealed, "application:a-2")


def test_no_byte_can_be_changed_or_cut() -> None:
    sealed = KEYRING.encrypt(b"secret", CONTEXT)
    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        for bad in (bytes(changed), sealed[:position]):
            with pytest.raises(errors.DecryptionFailed):
                KEYRING.decrypt(bad, CONTEXT)


@given(st.binary())
def test_no_stored_bytes_make_decryption_fail_in_another_way(value: bytes) -> None:
    with pytest.raises(errors.DecryptionFailed):
        KEYRING.decrypt(value, CONTEXT)


def test_after_a_rotation_old_values_decrypt_and_new_ones_use_the_new_key() -> None:
    old = KEYRING.encrypt(b"old", CONTEXT)
    rotated = Keyring([SECOND, FIRST])
    assert rotated.decrypt(old, CONTEXT) == b"old"
    new = rotated.encrypt(b"new", CONTEXT)
    assert Keyring([SECOND]).decrypt(new, CONTEXT) == b"new"
    with pytest.raises(errors.DecryptionFailed, match=r"'2026'.* SLUICE_ENCRYPTION_KEYS"):
        KEYRING.decrypt(new, CONTEXT)


SHORT = base64.b64encode(b"k" * 16).decode()


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ([], "No encryption key"),
        ([""], "id"),
        ([SHORT], "id"),
        ([":" + SHORT], "id"),
        (["naïve:" + SHORT], "id"),
        (["a:"], "0 bytes"),
        (["a:" + SHORT], "16 bytes"),
        (["a:not base64"], "id:base64"),
        ([new_key("a"), new_key("a")], "same id"),
    ],
)
def test_bad_keys_stop_the_start_without_being_shown(keys: list[str], reason: str) -> None:
    with pytest.raises(errors.Misconfigured, match=reason) as raised:
        Keyring([SecretStr(key) for key in keys])
    assert SHORT not in raised.value.detail


def test_a_value_is_known_again_under_every_key_that_is_kept() -> None:
    before = DigestKeys([FIRST]).digests(b"1990-02-28", "person")
    rotated = DigestKeys([SECOND, FIRST])
    after = rotated.digests(b"1990-02-28", "person")
    assert rotated.newest == next(iter(after)) == "2026"
    assert after["2025"] == before["2025"] != after["2026"]
    assert {len(digest) for digest in after.values()} == {32}


def test_digests_differ_by_value_and_context() -> None:
    keys = DigestKeys([FIRST])
    digests = [keys.digests(*one)["2025"] for one in ((b"a", "file"), (b"b", "file"), (b"a", "person"))]
    assert len(set(digests)) == 3


def test_keys_for_digests_are_checked_too() -> None:
    with pytest.raises(errors.Misconfigured, match="SLUICE_FINGERPRINT_KEYS"):
        DigestKeys([])
    with pytest.raises(errors.Misconfigured, match="fingerprint key a holds 16 bytes"):
        DigestKeys([SecretStr("a:" + SHORT)])


def test_a_key_needs_a_usable_id() -> None:
    with pytest.raises(errors.Misconfigured):
        new_key("two words")
