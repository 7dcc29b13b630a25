"""Handing over an email: taken, not taken, or nobody knows. The mail servers are real and ill-behaved."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email import message_from_string, policy
from email.message import EmailMessage
from pathlib import Path

import boto3
import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends

from app.applications import Applicant
from app.dev.mail import MailSink
from app.dev.process import free_port
from app.errors import SluiceError
from app.mail.rendering import Mail
from app.settings import MailSettings
from flows import email, mail_transport
from flows.mail_transport import MailRefused, MailUnavailable, MailUnconfirmed

RECIPIENT = "jane.quimby@example.net"


@pytest.fixture
def message() -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Loan Desk <loans@example.com>"
    message["To"] = f"Jane <{RECIPIENT}>"
    message["Subject"] = "About your application"
    message.set_content("First line\n.a line with a dot\n.\nlast line\n")
    return message


class Answers:
    """Answers RCPT and the end of DATA as the test wants; None closes the connection instead."""

    def __init__(self, rcpt: str = "250 OK", data: str | None = "250 OK") -> None:
        self._rcpt = rcpt
        self._data = data

    async def handle_RCPT(  # noqa: N802 (aiosmtpd's name)
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        envelope.rcpt_tos.append(address)
        return self._rcpt

    async def handle_DATA(self, server: SMTP, _session: Session, _envelope: Envelope) -> str:  # noqa: N802
        if self._data is None:
            assert isinstance(server.transport, asyncio.WriteTransport)
            server.transport.abort()
        return self._data or ""


@asynccontextmanager
async def serving(protocol: Callable[[], asyncio.BaseProtocol]) -> AsyncIterator[MailSettings]:
    port = free_port()
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", port)
    try:
        yield MailSettings(smtp_port=port, timeout_seconds=1)
    finally:
        server.close()
        await server.wait_closed()


async def test_an_email_arrives_as_it_was_written(mailbox: MailSink, message: EmailMessage) -> None:
    await mail_transport.deliver(MailSettings(smtp_port=mailbox.port), message)
    [mail] = mailbox.mails
    assert mail.recipients == (RECIPIENT,)
    assert mail.subject == "About your application"
    assert mail.message.get_content().splitlines() == ["First line", ".a line with a dot", ".", "last line"]


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        (Answers(rcpt="550 no such user jane.quimby@example.net"), MailRefused),
        (Answers(rcpt="451 greylisted, jane.quimby@example.net"), MailUnavailable),
        (Answers(data="554 looks like spam"), MailRefused),
        (Answers(data="452 disk full"), MailUnavailable),
        (Answers(data=None), MailUnconfirmed),
    ],
    ids=["unknown recipient", "greylisted", "refused content", "full disk", "lost after the content"],
)
async def test_what_the_server_answers_decides(
    answers: Answers, error: type[SluiceError], message: EmailMessage
) -> None:
    async with serving(lambda: SMTP(answers, hostname="localhost")) as settings:
        with pytest.raises(error) as caught:
            await mail_transport.deliver(settings, message)
    assert RECIPIENT not in str(caught.value)
    assert caught.value.retryable == (error is MailUnavailable)


async def test_an_unreachable_server_took_nothing(message: EmailMessage) -> None:
    with pytest.raises(MailUnavailable, match="ConnectionRefusedError"):
        await mail_transport.deliver(MailSettings(smtp_port=free_port()), message)


async def test_a_silent_server_took_nothing(message: EmailMessage) -> None:
    async with serving(asyncio.Protocol) as settings:
        with pytest.raises(MailUnavailable):
            await mail_transport.deliver(settings, message)


async def test_without_the_demanded_starttls_nothing_is_sent(
    mailbox: MailSink, message: EmailMessage
) -> None:
    with pytest.raises(MailRefused):
        await mail_transport.deliver(MailSettings(smtp_port=mailbox.port, smtp_starttls=True), message)
    assert mailbox.mails == []


async def test_a_message_of_which_the_end_never_left_was_not_taken(message: EmailMessage) -> None:
    """The server says go ahead and reads no further, so most of a large message stays here."""
    message.set_content("a line of it\n" * 2_000_000)

    async def stops_reading(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 localhost\r\n")
        while line := await reader.readline():
            writer.write(b"354 go ahead\r\n" if line.upper().startswith(b"DATA") else b"250 OK\r\n")
            if line.upper().startswith(b"DATA"):
                await asyncio.sleep(2)
                break
        writer.transport.abort()

    port = free_port()
    async with await asyncio.start_server(stops_reading, "127.0.0.1", port):
        with pytest.raises(MailUnavailable):
            await mail_transport.deliver(MailSettings(smtp_port=port, timeout_seconds=1), message)


async def test_what_nobody_foresaw_before_the_message_left_took_nothing(
    mailbox: MailSink, message: EmailMessage
) -> None:
    message.replace_header("From", "Crédit <prêts@example.com>")
    with pytest.raises(MailRefused, match="UnicodeEncodeError"):
        await mail_transport.deliver(MailSettings(smtp_port=mailbox.port), message)
    assert mailbox.mails == []


@pytest.fixture
def ses(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> MailSettings:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    return MailSettings(transport="ses", ses_endpoint_url=moto_url)


async def test_ses_takes_an_email_from_a_verified_sender_only(
    ses: MailSettings, message: EmailMessage
) -> None:
    with pytest.raises(MailRefused, match="SES answered MessageRejected"):
        await mail_transport.deliver(ses, message)
    client = boto3.client("sesv2", region_name="us-east-1", endpoint_url=ses.ses_endpoint_url)
    await asyncio.to_thread(client.create_email_identity, EmailIdentity="loans@example.com")
    await mail_transport.deliver(ses, message)


async def test_ses_is_given_both_forms_and_names_of_any_alphabet(ses: MailSettings) -> None:
    ses = ses.model_copy(update={"sender": "Crédit Łódź <loans@example.com>"})
    client = boto3.client("sesv2", region_name="us-east-1", endpoint_url=ses.ses_endpoint_url)
    await asyncio.to_thread(client.create_email_identity, EmailIdentity="loans@example.com")
    mail = Mail("About A-17", "Dear Zoë,\n", "<p>Dear Zoë,</p>\n")
    jane = Applicant(name="Zoë Łukasiewicz 李", email="zoe@example.net")
    await mail_transport.deliver(
        ses, email.compose(ses, mail, jane, reference="decision-1", now=datetime.now(UTC))
    )

    taken = ses_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].sent_messages[-1]
    assert "zoe@example.net" in taken.destinations
    assert taken.source.isascii()
    message = message_from_string(taken.raw_data, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert message["From"].addresses[0].display_name == "Crédit Łódź"
    assert message["To"].addresses[0].display_name == "Zoë Łukasiewicz 李"
    forms = {part.get_content_type(): part.get_content().strip() for part in message.iter_parts()}
    assert forms == {"text/plain": "Dear Zoë,", "text/html": "<p>Dear Zoë,</p>"}


async def test_ses_unreachable_took_nothing(ses: MailSettings, message: EmailMessage) -> None:
    nowhere = ses.model_copy(update={"ses_endpoint_url": f"http://127.0.0.1:{free_port()}"})
    with pytest.raises(MailUnavailable):
        await mail_transport.deliver(nowhere, message)


async def test_without_credentials_ses_is_not_asked(
    ses: MailSettings, message: EmailMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "missing")
    with pytest.raises(MailRefused, match="ProfileNotFound"):
        await mail_transport.deliver(ses, message)


async def test_whoever_gives_the_credentials_breaking_off_took_nothing(
    ses: MailSettings, message: EmailMessage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a pod gets them: STS is asked for a role by a token, and only then SES."""
    (tmp_path / "token").write_text("a token")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it remembers the credentials of the test before
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    async with answering(b"") as port:
        for name, value in {
            "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/sluice-worker",
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"),
            "AWS_ENDPOINT_URL_STS": f"http://127.0.0.1:{port}",
            "AWS_REGION": "us-east-1",
            "AWS_MAX_ATTEMPTS": "1",
        }.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(MailUnavailable, match="ConnectionClosedError"):
            await mail_transport.deliver(ses, message)


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"],
    ids=["none", "of something between"],
)
async def test_an_answer_that_says_nothing_of_the_email_leaves_it_unconfirmed(
    ses: MailSettings, message: EmailMessage, answer: bytes
) -> None:
    async with answering(answer) as port:
        there = ses.model_copy(update={"ses_endpoint_url": f"http://127.0.0.1:{port}"})
        with pytest.raises(MailUnconfirmed):
            await mail_transport.deliver(there, message)


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[int]:
    """The port of a server that reads a request, answers this and hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        await reader.readexactly(int(length[1]) if length else 0)
        writer.write(answer)
        writer.close()

    port = free_port()
    async with await asyncio.start_server(serve, "127.0.0.1", port):
        yield port


async def test_ses_falling_silent_leaves_the_email_unconfirmed(
    ses: MailSettings, message: EmailMessage
) -> None:
    async with serving(asyncio.Protocol) as settings:
        silent = {"ses_endpoint_url": f"http://127.0.0.1:{settings.smtp_port}", "timeout_seconds": 1}
        with pytest.raises(MailUnconfirmed):
            await mail_transport.deliver(ses.model_copy(update=silent), message)
