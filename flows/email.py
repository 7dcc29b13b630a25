"""An email as it is sent: one message with the text and the HTML of a mail."""

from __future__ import annotations

from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime

from app.applications import Applicant
from app.errors import SluiceError
from app.mail.rendering import Mail
from app.settings import MailSettings


class AddressNotValid(SluiceError):
    """The applicant's email address cannot be written into a message."""

    slug, title = "address-not-valid", "The applicant's email address is not valid"


def compose(
    settings: MailSettings, mail: Mail, applicant: Applicant, *, reference: str, now: datetime
) -> EmailMessage:
    """The message to the applicant; `reference` becomes its Message-ID. Raises AddressNotValid."""
    message = EmailMessage()
    message["Subject"] = mail.subject
    message["From"] = settings.sender
    message["To"] = _recipient(applicant)
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{reference}@{message['From'].addresses[0].domain}>"
    # RFC 3834: nobody's holiday notice is to answer this.
    message["Auto-Submitted"] = "auto-generated"
    # RFC 2046 section 5.1.4: the plainest first, the one to be preferred last.
    message.set_content(mail.text, cte="quoted-printable")
    message.add_alternative(mail.html, subtype="html", cte="quoted-printable")
    return message


def _recipient(applicant: Applicant) -> Address:
    local, _, domain = applicant.email.rpartition("@")
    try:
        # Domains travel in ASCII (RFC 5891); most servers take no other local part either.
        address = f"{local}@{domain.encode('idna').decode()}"
        # A line break in the name would begin another header.
        return Address(" ".join(applicant.name.split()), addr_spec=address)
    except (ValueError, IndexError, MessageError):
        # Raised anew: the parser's message quotes the address.
        raise AddressNotValid(
            "The applicant's email address is not valid. Correct the application."
        ) from None
