"""Signing and verifying webhooks by the Standard Webhooks specification."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from app import errors
from app.standard_webhooks import new_secret, sign, verify

NOW = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)
OLD, NEW, STRANGE = (SecretStr(new_secret()) for _ in range(3))
BODY = b'{"outcome":"approved"}'
IDS = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="."), min_size=1, max_size=255
)


def test_the_specifications_own_example_verifies() -> None:
    """From the reference implementations' tests (github.com/standard-webhooks/standard-webhooks)."""
    secret = SecretStr("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    sent = datetime.fromtimestamp(1614265330, UTC)
    body = b'{"test": 2432232314}'
    headers = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", sent, body)
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    assert verify([secret], headers, body, sent, 300) == "msg_p5jXN8AQM9LWM0D4loKWxJek"


@given(IDS, st.binary(), st.integers(-300, 300))
def test_what_is_signed_verifies_within_the_tolerance(webhook_id: str, body: bytes, skew: int) -> None:
    headers = sign(NEW, webhook_id, NOW + timedelta(seconds=skew), body)
    assert verify([NEW], headers, body, NOW, 300) == webhook_id


@given(IDS, st.binary(), st.binary())
def test_another_body_does_not_verify(webhook_id: str, body: bytes, other: bytes) -> None:
    headers = sign(NEW, webhook_id, NOW, body)
    if other != body:
        with pytest.raises(errors.SignatureInvalid):
            verify([NEW], headers, other, NOW, 300)


def test_while_rotating_any_secret_and_any_signature_will_do() -> None:
    by_old, by_new = sign(OLD, "msg_1", NOW, BODY), sign(NEW, "msg_1", NOW, BODY)
    assert verify([NEW, OLD], by_old, BODY, NOW, 300) == "msg_1"
    both = by_new | {
        "webhook-signature": f"v1a,AAAA {by_old['webhook-signature']} {by_new['webhook-signature']}"
    }
    assert verify([NEW], both, BODY, NOW, 300) == "msg_1"


def test_a_retired_secret_and_no_secret_are_refused() -> None:
    headers = sign(OLD, "msg_1", NOW, BODY)
    for secrets in ([NEW, STRANGE], []):
        with pytest.raises(errors.SignatureInvalid, match="No signature matches"):
            verify(secrets, headers, BODY, NOW, 300)


@pytest.mark.parametrize(
    "changed", [{"webhook-id": "msg_2"}, {"webhook-timestamp": str(int(NOW.timestamp()) + 1)}]
)
def test_the_id_and_the_time_are_signed_too(changed: dict[str, str]) -> None:
    headers = sign(NEW, "msg_1", NOW, BODY) | changed
    with pytest.raises(errors.SignatureInvalid):
        verify([NEW], headers, BODY, NOW, 300)


@pytest.mark.parametrize("skew", [-301, 301])
def test_a_time_outside_the_tolerance_is_refused_with_the_tolerance(skew: int) -> None:
    headers = sign(NEW, "msg_1", NOW + timedelta(seconds=skew), BODY)
    with pytest.raises(errors.SignatureInvalid, match="more than 300 seconds"):
        verify([NEW], headers, BODY, NOW, 300)


MALFORMED: dict[str, list[str | None]] = {
    "webhook-id": [None, "", " ", "a.b", "a b", "é", "x" * 256],
    "webhook-timestamp": [None, "", " ", "now", "²", "-1", "1e9", "1.5", "1" * 13],
    "webhook-signature": [None, "", " ", "v1", "v1a,AAAA", "v2,AAAA", "AAAA"],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name in MALFORMED for value in MALFORMED[name]]
)
def test_a_missing_or_malformed_header_is_unauthenticated(name: str, value: str | None) -> None:
    headers = sign(NEW, "msg_1", NOW, BODY)
    del headers[name]
    if value is not None:
        headers[name] = value
    with pytest.raises(errors.Unauthenticated, match=name):
        verify([NEW], headers, BODY, NOW, 300)


@given(st.text(), st.text(), st.text())
def test_no_header_makes_verification_fail_in_another_way(
    webhook_id: str, seconds: str, signature: str
) -> None:
    headers = {"webhook-id": webhook_id, "webhook-timestamp": seconds, "webhook-signature": f"v1,{signature}"}
    with pytest.raises((errors.Unauthenticated, errors.SignatureInvalid)):
        verify([NEW], headers, BODY, NOW, 300)


@pytest.mark.parametrize("webhook_id", ["", "a.b", "a b", "é", "x" * 256])
def test_an_id_that_could_not_be_verified_is_not_signed(webhook_id: str) -> None:
    with pytest.raises(ValueError, match="full stops"):
        sign(NEW, webhook_id, NOW, BODY)


@pytest.mark.parametrize(
    "secret", ["whsec_", "whsec_c2hvcnQ=", "whsec_not base64", "whsec_" + "A" * 100, "whsec_é"]
)
def test_a_bad_secret_is_reported_without_showing_it(secret: str) -> None:
    with pytest.raises(errors.Misconfigured, match="webhook secret") as raised:
        sign(SecretStr(secret), "msg_1", NOW, BODY)
    assert secret == "whsec_" or secret not in raised.value.detail
