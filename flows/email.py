"""The emails an applicant gets about a decision: subject and text, from the templates beside this file."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from importlib import resources
from string import Template

from app import regulation_b
from app.applications import Applicant
from app.errors import SluiceError
from app.models import Decision, DecisionOutcome
from app.settings import MailSettings

_REASONS_INTRODUCED_BY = {
    DecisionOutcome.DENIED: "Our principal reasons are:",
    DecisionOutcome.MORE_INFORMATION_NEEDED: "This is what we need:",
}

_RIGHT_TO_REASONS = (
    "You have the right to a statement of the specific reasons. Ask us for it within 60 days of this "
    "notice, and you will have it within 30 days of your request."
)
"""What a denial without reasons must say (12 CFR 1002.9(a)(2)(ii))."""

_WIDTH = 72


class AddressNotValid(SluiceError):
    """The applicant's email address cannot be written into a message."""

    slug, title = "address-not-valid", "The applicant's email address is not valid"


def about_decision(
    settings: MailSettings, decision: Decision, applicant: Applicant, now: datetime
) -> EmailMessage:
    """The email that tells the applicant of the decision.

    Its Message-ID is the same each time it is made. Raises AddressNotValid.
    """
    sender_name, sender_address = parseaddr(settings.sender)
    subject, text = _filled(settings, decision, applicant.name)
    message = EmailMessage()
    message["Subject"] = subject
    message["From"] = Address(sender_name, addr_spec=sender_address)
    message["To"] = _recipient(applicant)
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<decision-{decision.id}@{sender_address.rpartition('@')[2]}>"
    # RFC 3834: nobody's holiday notice is to answer this.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text, cte="quoted-printable")
    return message


def _recipient(applicant: Applicant) -> Address:
    local, _, domain = applicant.email.rpartition("@")
    try:
        # Domains travel in ASCII (RFC 5891); most servers take no other local part either.
        address = f"{local}@{domain.encode('idna').decode()}"
        return Address(_one_line(applicant.name), addr_spec=address)
    except (ValueError, IndexError, MessageError):
        # Raised anew: the parser's message quotes the address.
        raise AddressNotValid(
            "The applicant's email address is not valid. Correct the application."
        ) from None


def _filled(settings: MailSettings, decision: Decision, name: str) -> tuple[str, str]:
    """Subject and body: a template's first line and the rest."""
    template = resources.files("flows").joinpath("templates", f"{decision.outcome}.txt")
    filled = Template(template.read_text("utf-8")).substitute(
        name=_one_line(name),
        application_id=decision.application_id,
        conditions=_list("The approval is subject to these conditions:", decision.conditions),
        reasons=_reasons(decision),
        creditor=settings.creditor,
        regulator=settings.creditor_regulator,
    )
    subject, _, body = filled.partition("\n\n")
    return subject, body


def _reasons(decision: Decision) -> str:
    if decision.outcome is DecisionOutcome.DENIED and not decision.reasons:
        return f"\n{textwrap.fill(_RIGHT_TO_REASONS, _WIDTH)}\n"
    if decision.outcome not in _REASONS_INTRODUCED_BY:
        return ""
    reasons = [regulation_b.words(reason) for reason in decision.reasons]
    return _list(_REASONS_INTRODUCED_BY[decision.outcome], reasons)


def _list(introduction: str, items: Sequence[str]) -> str:
    """A paragraph with one bullet per item, or nothing when there is none."""
    if not items:
        return ""
    bullets = (
        textwrap.fill(_one_line(item), _WIDTH, initial_indent="  - ", subsequent_indent="    ")
        for item in items
    )
    return "\n" + "\n".join([introduction, *bullets]) + "\n"


def _one_line(text: str) -> str:
    """The text without line breaks: it goes into a header or a list."""
    return " ".join(text.split())
