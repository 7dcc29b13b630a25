"""The emails applicants get, to be read before anybody gets one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli.context import load_settings
from app.mail import own_templates, rendering
from app.mail.notices import Template
from app.mail.samples import SAMPLES

commands = typer.Typer(help="The emails applicants get.", no_args_is_help=True)


@commands.callback()
def group() -> None:
    """Keeps `preview` a command of its own while it is the only one."""


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
