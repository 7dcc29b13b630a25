"""Hand one email to the mail server or to SES, and know whether it was taken.

There are three answers besides success, because an email must be sent at most once: it was not taken and
may be later, it was not taken and never will be, and nobody knows. Doubt begins once the whole message has
left. Whatever goes wrong before, foreseen or not, the email was certainly not taken; whatever does
afterwards, nobody knows, unless the server itself says no.
"""

from __future__ import annotations

import asyncio
import re
import smtplib
import ssl
import threading
from contextlib import suppress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formataddr
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NotConnectedError

from app.errors import SluiceError, Unavailable
from app.settings import MailSettings

_THROTTLED = {"TooManyRequestsException", "Throttling", "ThrottlingException", "LimitExceededException"}


class MailUnavailable(Unavailable):
    """The email was certainly not taken, and may be later."""

    slug, title = "mail-unavailable", "The mail server cannot be reached"


class MailRefused(SluiceError):
    """The email was certainly not taken, and will not be. `code` is the server's."""

    slug, title = "mail-refused", "The mail server refused the email"


class MailUnconfirmed(SluiceError):
    """The connection was lost after the email was handed over, so nobody knows whether it was taken."""

    slug, title = "mail-unconfirmed", "Nobody knows whether the email was sent"

    def __init__(self) -> None:
        super().__init__(
            "Nobody knows whether the email was sent: the mail server's answer was lost. "
            "It is not sent again; ask the mail server's log or the applicant."
        )


async def deliver(settings: MailSettings, message: EmailMessage) -> None:
    """Send the email. Raises MailUnavailable, MailRefused or MailUnconfirmed; none quotes an address."""
    send = _by_ses if settings.transport == "ses" else _by_smtp
    await asyncio.to_thread(send, settings, message)


def _by_smtp(settings: MailSettings, message: EmailMessage) -> None:
    try:
        content = message.as_bytes(policy=SMTP)
        server = smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=settings.timeout_seconds)
    except Exception as error:
        raise _not_taken(error) from error
    try:
        _announce(settings, server, message)
        _hand_over(server, content)
        with suppress(smtplib.SMTPException, OSError):
            server.quit()
    finally:
        with suppress(OSError):
            server.close()


def _announce(settings: MailSettings, server: smtplib.SMTP, message: EmailMessage) -> None:
    """Everything up to the server's "go ahead" after DATA."""
    try:
        server.ehlo_or_helo_if_needed()
        if settings.smtp_starttls:
            server.starttls(context=ssl.create_default_context())
        if settings.smtp_username is not None and settings.smtp_password is not None:
            server.login(settings.smtp_username, settings.smtp_password.get_secret_value())
        sender, recipient = (_address(message, header) for header in ("From", "To"))
        _expect(server.mail(sender), 250)
        _expect(server.rcpt(recipient), 250, 251)
        _expect(server.docmd("DATA"), 354)
    except Exception as error:
        raise _not_taken(error) from error


def _hand_over(server: smtplib.SMTP, content: bytes) -> None:
    try:
        # RFC 5321 section 4.5.2: a line that begins with a dot gets another.
        server.send(re.sub(rb"(?m)^\.", b"..", content) + b".\r\n")
    except Exception as error:
        # Its end did not leave, and only that makes the server take it (RFC 5321 section 4.1.1.4).
        raise _not_taken(error) from error
    try:
        code, answer = server.getreply()
    except Exception as error:
        raise MailUnconfirmed from error
    if code >= 400:
        raise _not_taken(smtplib.SMTPResponseException(code, answer))
    if code != 250:
        raise MailUnconfirmed


def _expect(reply: tuple[int, bytes], *accepted: int) -> None:
    if reply[0] not in accepted:
        raise smtplib.SMTPResponseException(*reply)


def _not_taken(error: Exception) -> SluiceError:
    """Permanent or not, by the reply code's first digit (RFC 5321 section 4.2.1). Replies quote addresses."""
    if isinstance(error, smtplib.SMTPResponseException):
        answered = f"The mail server answered {error.smtp_code}."
        if error.smtp_code >= 500:
            return MailRefused(answered, code=error.smtp_code)
        return MailUnavailable(answered)
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return MailRefused("The mail server offers no STARTTLS or no login.", code="not-supported")
    kind = type(error).__name__
    if isinstance(error, smtplib.SMTPException | OSError):
        return MailUnavailable(f"The mail server cannot be reached ({kind}).")
    return MailRefused(f"The mail server cannot be asked ({kind}).", code=kind)


def _by_ses(settings: MailSettings, message: EmailMessage) -> None:
    # SendEmail is not idempotent, so boto3 must not repeat it by itself.
    config = Config(
        connect_timeout=settings.timeout_seconds,
        read_timeout=settings.timeout_seconds,
        retries={"mode": "standard", "total_max_attempts": 1},
    )
    leaving = threading.Event()
    try:
        client: Any = boto3.client(
            "sesv2", region_name=settings.ses_region, endpoint_url=settings.ses_endpoint_url, config=config
        )
        # Once it is signed: asking others for credentials, which may fail in every way, is over then.
        client.meta.events.register("before-send.sesv2.SendEmail", lambda **_: leaving.set())
        sender = message["From"].addresses[0]
        client.send_email(
            # It takes a name in other letters than ASCII's only as encoded words (RFC 2047).
            FromEmailAddress=formataddr((sender.display_name, sender.addr_spec)),
            Destination={"ToAddresses": [_address(message, "To")]},
            Content={"Raw": {"Data": message.as_bytes(policy=SMTP)}},
        )
    except Exception as error:
        raise (_failed_at_ses(error) if leaving.is_set() else _not_sent_to_ses(error)) from error


def _not_sent_to_ses(error: Exception) -> SluiceError:
    kind = type(error).__name__
    if isinstance(error, NotConnectedError | HTTPClientError):
        return MailUnavailable(f"SES cannot be reached ({kind}).")
    return MailRefused(f"SES cannot be asked ({kind}).", code=kind)


def _failed_at_ses(error: Exception) -> SluiceError:
    if isinstance(error, NotConnectedError):
        return _not_sent_to_ses(error)
    if not isinstance(error, ClientError):
        return MailUnconfirmed()
    code = error.response.get("Error", {}).get("Code", "")
    if code in _THROTTLED:
        return MailUnavailable(f"SES answered {code}.")
    if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500:
        return MailUnconfirmed()
    return MailRefused(f"SES answered {code}.", code=code)


def _address(message: EmailMessage, header: str) -> str:
    address: str = message[header].addresses[0].addr_spec
    return address
