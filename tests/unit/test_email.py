"""The email as it is sent: who it is to and from, and both forms of what it says."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from app.applications import Applicant
from app.mail.notices import Template
from app.mail.rendering import Mail
from app.models import Decision, DecisionOutcome
from app.settings import MailSettings
from flows import email
from flows.telling import Cause
from flows.underwriting_decision import cause_of, notice_of

NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
JANE = Applicant(name="Jane Sample", email="jane@example.net")
SETTINGS = MailSettings(sender="Loan Desk <loans@lender.example>")
MAIL = Mail("About A-17", "Dear Zoë,\n\n.a line\n", "<p>Dear Zoë,</p>\n<p>.a line</p>\n")
ID = uuid.UUID("019aa000-0000-7000-8000-000000000001")


def arrived(applicant: Applicant = JANE, reference: str = f"decision-{ID}") -> EmailMessage:
    """The email as its recipient's program reads it."""
    composed = email.compose(SETTINGS, MAIL, applicant, reference=reference, now=NOW)
    message = message_from_bytes(composed.as_bytes(policy=policy.SMTP), policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


def test_headers() -> None:
    message = arrived()
    assert message["Subject"] == "About A-17"
    assert message["From"] == "Loan Desk <loans@lender.example>"
    assert message["To"] == "Jane Sample <jane@example.net>"
    assert message["Date"].datetime == NOW
    assert message["Message-ID"] == "<decision-019aa000-0000-7000-8000-000000000001@lender.example>"
    assert message["Auto-Submitted"] == "auto-generated"


@pytest.mark.parametrize("name", ["Loan Desk, Springfield", "Crédit Łódź"])
def test_a_sender_is_named_as_the_setting_says(name: str) -> None:
    settings = MailSettings(sender=f'"{name}" <loans@lender.example>')
    [sender] = email.compose(settings, MAIL, JANE, reference="decision-1", now=NOW)["From"].addresses
    assert (sender.display_name, sender.addr_spec) == (name, "loans@lender.example")


def test_a_reader_may_choose_between_text_and_html() -> None:
    message = arrived()
    assert message.get_content_type() == "multipart/alternative"
    parts = [
        (part.get_content_type(), part.get_content().replace("\r\n", "\n")) for part in message.iter_parts()
    ]
    assert parts == [("text/plain", MAIL.text), ("text/html", MAIL.html)]


def test_emails_about_one_document_have_message_ids_of_their_own() -> None:
    references = {
        Cause("document", ID, "A-17", template).reference
        for template in (Template.DOCUMENTS_RECEIVED, Template.DOCUMENT_UNREADABLE)
    }
    assert references == {f"documents_received-{ID}", f"document_unreadable-{ID}"}


@pytest.mark.parametrize("outcome", list(DecisionOutcome))
def test_every_outcome_is_told_as_it_was_decided(outcome: DecisionOutcome) -> None:
    decision = Decision(
        id=ID, application_id="A-17", outcome=outcome, reasons=["bankruptcy"], conditions=["A co-signer"]
    )
    notice = notice_of(decision, JANE, answer_by=date(2027, 1, 4))
    assert notice.template.value == outcome.value
    assert (notice.application_id, notice.name) == ("A-17", "Jane Sample")
    assert (notice.reasons, notice.conditions) == (("bankruptcy",), ("A co-signer",))
    needed = outcome is DecisionOutcome.MORE_INFORMATION_NEEDED
    assert notice.answer_by == (date(2027, 1, 4) if needed else None)
    assert cause_of(decision).columns == {"decision_id": ID, "template": outcome}


def test_names_of_any_alphabet_arrive_whole() -> None:
    message = arrived(Applicant(name="Zoë Łukasiewicz 李", email="zoe@bücher.example"))
    assert message["To"].addresses[0].display_name == "Zoë Łukasiewicz 李"
    assert message["To"].addresses[0].addr_spec == "zoe@xn--bcher-kva.example"


@pytest.mark.parametrize("name", ["Jane\r\nBcc: other@example.net", "Jane\n\nInjected", '"a" <b@c.d>, e'])
def test_a_name_adds_no_header_and_no_recipient(name: str) -> None:
    message = arrived(Applicant(name=name, email="jane@example.net"))
    assert message["Bcc"] is None
    assert [address.addr_spec for address in message["To"].addresses] == ["jane@example.net"]
    assert message["To"].addresses[0].display_name == " ".join(name.split())


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
        arrived(Applicant(name="Jane Sample", email=address))
    assert not address or address not in str(caught.value)
    assert caught.value.__cause__ is None
