"""The emails applicants get: to be read before anybody gets one, and let go when nobody knows of one."""

from __future__ import annotations

import uuid
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import func, select, update

from app import audit
from app.cli.context import load_settings, with_database
from app.db import Sessions
from app.errors import NotFound
from app.mail import own_templates, rendering
from app.mail.notices import Template
from app.mail.samples import SAMPLES
from app.models import Decision, Document, Email, EmailStatus

commands = typer.Typer(help="The emails applicants get.", no_args_is_help=True)

_LONGEST_RUN = timedelta(minutes=15)
"""No flow that sends emails runs longer (`timeout_seconds` of the flows), so none holds an older claim."""


@commands.command("preview")
def preview(
    template: Annotated[
        Template | None, typer.Argument(help="The email; without one all of them.", show_default=False)
    ] = None,
    out: Annotated[Path, typer.Option(help="The folder for the files.")] = Path("mail-preview"),
    text: Annotated[bool, typer.Option("--text", help="Print the text instead of writing files.")] = False,
) -> None:
    """Write every email as HTML and text, to people who do not exist, and print the files' names.

    Names, addresses and templates of the lender are those of the settings, so this also checks them.
    """
    settings = load_settings().mail
    templates = own_templates.load(settings)
    for name, notice in SAMPLES.items():
        if template in {None, notice.template}:
            mail = rendering.render(templates, settings, notice)
            if text:
                typer.echo(f"=== {name}\nSubject: {mail.subject}\n\n{mail.text}")
                continue
            out.mkdir(parents=True, exist_ok=True)
            for file, content in (
                (out / f"{name}.html", mail.html),
                (out / f"{name}.txt", f"Subject: {mail.subject}\n\n{mail.text}"),
            ):
                file.write_text(content, "utf-8")
                typer.echo(file)


@commands.command("release")
def release(
    message_id: Annotated[
        str, typer.Argument(metavar="MESSAGE-ID", help="The email's, such as <decision-0193…@example.com>.")
    ],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Let an email be sent of which nobody knows whether it was: its run can be replayed then.

    Only when the mail server's log shows that it never took the email. Else the applicant gets it twice.
    """
    # What flows.telling makes it of: `decision` or the template, and the id of the decision or document.
    name, _, cause = message_id.strip("<>").partition("@")[0].partition("-")
    try:
        cause_id = uuid.UUID(cause)
    except ValueError:
        raise typer.BadParameter(
            "Give the email's Message-ID, such as <decision-0193…@example.com>."
        ) from None
    if not yes:
        typer.confirm("Does the mail server's log show that it never took this email?", abort=True)
    with_database(lambda sessions: _release(sessions, name, cause_id))
    typer.echo("It is due again. Replay the run that failed as EmailUnconfirmed.")


async def _release(sessions: Sessions, name: str, cause_id: uuid.UUID) -> None:
    kind, of_cause = (
        ("decision", [Email.decision_id == cause_id])
        if name == "decision"
        else ("document", [Email.document_id == cause_id, Email.template == name])
    )
    unknown = [Email.status == EmailStatus.SENDING, Email.claimed_at < func.now() - _LONGEST_RUN]
    released = update(Email).where(*of_cause, *unknown).values(status=EmailStatus.DUE).returning(Email.id)
    async with sessions.begin() as session:
        if await session.scalar(released) is None:
            raise NotFound(
                f"There is no email {name}-{cause_id} that was claimed over 15 minutes ago and neither sent "
                "nor given back."
            )
        model = Decision if kind == "decision" else Document
        application_id = await session.scalar(select(model.application_id).where(model.id == cause_id))
        subject, cause = f"application:{application_id}", {kind: str(cause_id)}
        audit.record(session, actor="cli", action="email.released", subject=subject, **cause)
