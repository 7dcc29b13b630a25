"""The mail sink keeps each mail as a file that any mail program opens."""

from __future__ import annotations

import asyncio
import email
import email.policy
import smtplib
from email.message import EmailMessage
from pathlib import Path

from app.dev.mail import MailSink
from app.dev.process import free_port

SUBJECT = "Ihr Antrag: genehmigt, Ä/1"


async def test_each_mail_becomes_a_file(tmp_path: Path) -> None:
    sink = MailSink(free_port(), tmp_path)
    await sink.start()
    message = EmailMessage()
    message["From"], message["To"] = "loans@example.com", "ada@example.com"
    message["Subject"] = SUBJECT
    message.set_content("Grüße")

    def send() -> None:
        with smtplib.SMTP("127.0.0.1", sink.port, timeout=10) as client:
            client.send_message(message)

    waiting = asyncio.create_task(sink.first_to("ada@example.com"))
    await asyncio.to_thread(send)
    mail = await asyncio.wait_for(waiting, 10)
    await sink.stop()
    assert mail.subject == SUBJECT
    assert mail.recipients == ("ada@example.com",)
    assert mail.path.parent == tmp_path
    assert mail.path.name.endswith("-ihr-antrag-genehmigt-1.eml")
    kept = email.message_from_bytes(mail.path.read_bytes(), policy=email.policy.default)
    assert kept["Subject"] == SUBJECT
    assert kept.get_content().splitlines() == ["Grüße"]
