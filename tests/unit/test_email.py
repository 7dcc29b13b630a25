"""The emails about a decision: who gets which words."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from app.applications import Applicant
from app.models import Decision, DecisionOutcome
from app.settings import MailSettings
from flows import email

NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
JANE = Applicant(name="Jane Sample", email="jane@example.net")
SETTINGS = MailSettings(sender="Loan Desk <loans@lender.example>", creditor="Lender Example, (217) 555-0100")


def decided(outcome: DecisionOutcome, **changes: list[str]) -> Decision:
    decision_id = uuid.UUID("019aa000-0000-7000-8000-000000000001")
    values: dict[str, list[str]] = {"reasons": [], "conditions": []} | changes
    return Decision(id=decision_id, application_id="A-17", outcome=outcome, **values)


def arrived(decision: Decision, applicant: Applicant = JANE) -> EmailMessage:
    """The email as its recipient's program reads it."""
    sent = email.about_decision(SETTINGS, decision, applicant, NOW).as_bytes(policy=policy.SMTP)
    message = message_from_bytes(sent, policy=policy.default)
    assert not message.defects
    return message


def text(message: EmailMessage) -> str:
    return str(message.get_content()).replace("\r\n", "\n")


def test_headers() -> None:
    message = arrived(decided(DecisionOutcome.APPROVED))
    assert message["Subject"] == "Your loan application A-17 is approved"
    assert message["From"] == "Loan Desk <loans@lender.example>"
    assert message["To"] == "Jane Sample <jane@example.net>"
    assert message["Date"].datetime == NOW
    assert message["Message-ID"] == "<decision-019aa000-0000-7000-8000-000000000001@lender.example>"
    assert message["Auto-Submitted"] == "auto-generated"


@pytest.mark.parametrize("outcome", list(DecisionOutcome))
def test_every_outcome_has_a_polite_text_of_its_own(outcome: DecisionOutcome) -> None:
    message = arrived(decided(outcome))
    assert "A-17" in message["Subject"]
    assert text(message).startswith("Dear Jane Sample,\n")
    assert "A-17" in text(message)
    assert "Lender Example, (217) 555-0100" in text(message)
    assert "$" not in text(message)


def test_an_approval_names_its_conditions() -> None:
    body = text(arrived(decided(DecisionOutcome.APPROVED, conditions=["Proof of income", "A co-signer"])))
    assert "these conditions:\n  - Proof of income\n  - A co-signer\n" in body
    assert "conditions" not in text(arrived(decided(DecisionOutcome.APPROVED)))


def test_a_denial_is_an_adverse_action_notice() -> None:
    body = text(
        arrived(decided(DecisionOutcome.DENIED, reasons=["Income insufficient", "Length of residence"]))
    )
    assert "Our principal reasons are:\n  - Income insufficient\n  - Length of residence\n" in body
    assert "Equal Credit Opportunity Act prohibits" in body
    assert SETTINGS.creditor_regulator in body
    assert "within 60 days" not in body


def test_a_coded_reason_is_told_in_the_sample_forms_words() -> None:
    body = text(arrived(decided(DecisionOutcome.DENIED, reasons=["income_not_verified", "Too many pets"])))
    assert "Our principal reasons are:\n  - Unable to verify income\n  - Too many pets\n" in body
    assert "income_not_verified" not in body


def test_an_approval_gives_no_reasons() -> None:
    body = text(arrived(decided(DecisionOutcome.APPROVED, reasons=["no_credit_file"])))
    assert "credit file" not in body


def test_a_denial_without_reasons_tells_of_the_right_to_them() -> None:
    body = " ".join(text(arrived(decided(DecisionOutcome.DENIED))).split())
    assert "right to a statement of the specific reasons" in body
    assert "within 60 days" in body


def test_more_information_says_what_is_needed() -> None:
    body = text(
        arrived(decided(DecisionOutcome.MORE_INFORMATION_NEEDED, reasons=["The back of your licence"]))
    )
    assert "This is what we need:\n  - The back of your licence\n" in body


def test_names_of_any_alphabet_and_long_reasons_arrive_whole() -> None:
    applicant = Applicant(name="Zoë Łukasiewicz 李", email="zoe@bücher.example")
    message = arrived(decided(DecisionOutcome.DENIED, reasons=["long " * 400]), applicant)
    assert message["To"].addresses[0].display_name == "Zoë Łukasiewicz 李"
    assert message["To"].addresses[0].addr_spec == "zoe@xn--bcher-kva.example"
    assert "Dear Zoë Łukasiewicz 李," in text(message)
    assert text(message).count("long") == 400


@pytest.mark.parametrize("name", ["Jane\r\nBcc: other@example.net", "Jane\n\nInjected", "$application_id"])
def test_a_name_adds_no_header_and_is_no_template(name: str) -> None:
    message = arrived(decided(DecisionOutcome.APPROVED), Applicant(name=name, email="jane@example.net"))
    assert message["Bcc"] is None
    assert len(message["To"].addresses) == 1
    assert text(message).startswith(f"Dear {' '.join(name.split())},\n")


@pytest.mark.parametrize(
    "address",
    [
        "",
        "jane",
        "jane@",
        "@example.net",
        "jane@example.net\nBcc: x@y.z",
        "a@b.c, d@e.f",
        "<a@b.c>",
        "a b@c.d",
        "ü@example.net",
        "a@b\x00.c",
        "a@" + "b" * 64 + ".example",
    ],
)
def test_an_address_that_cannot_be_written_to_is_refused_without_quoting_it(address: str) -> None:
    with pytest.raises(email.AddressNotValid) as caught:
        arrived(decided(DecisionOutcome.APPROVED), Applicant(name="Jane Sample", email=address))
    assert not address or address not in str(caught.value)
    assert caught.value.__cause__ is None
