"""A mailbox for everybody: an SMTP server that delivers nothing and keeps each mail as a file."""

from __future__ import annotations

import asyncio
import email.policy
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass(frozen=True)
class Mail:
    """A mail that was sent, and the `.eml` file it was kept in."""

    path: Path
    recipients: tuple[str, ...]
    message: EmailMessage
    at: datetime

    @property
    def subject(self) -> str:
        return str(self.message["subject"] or "")

    @property
    def tells_decision(self) -> bool:
        """Whether it is about a decision, and not about documents."""
        return str(self.message["message-id"]).startswith("<decision-")


class MailSink:
    """`mails` holds what has come, oldest first."""

    def __init__(self, port: int, folder: Path, *, host: str = "127.0.0.1") -> None:
        self.port = port
        self.host = host
        self.folder = folder
        self.mails: list[Mail] = []
        self._came = asyncio.Event()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: SMTP(self, hostname="localhost", enable_SMTPUTF8=True), self.host, self.port
        )

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def first_to(self, recipient: str) -> Mail:
        """The first mail to this address, now or when it comes."""
        while True:
            self._came.clear()
            for mail in self.mails:
                if recipient in mail.recipients:
                    return mail
            await self._came.wait()

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 (aiosmtpd's name)
        """Keep the mail. Called by aiosmtpd when one has been received whole."""
        content = envelope.content or b""
        raw = content if isinstance(content, bytes) else content.encode()
        message = BytesParser(_class=EmailMessage, policy=email.policy.default).parsebytes(raw)
        at = datetime.now(UTC)
        path = self.folder / _file_name(str(message["subject"] or "no subject"), at)
        path.write_bytes(raw)
        self.mails.append(Mail(path, tuple(envelope.rcpt_tos), message, at))
        self._came.set()
        return "250 OK"


def _file_name(subject: str, at: datetime) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", subject.lower()).strip("-")[:60]
    return f"{at:%Y%m%dT%H%M%S.%f}-{slug}.eml"
