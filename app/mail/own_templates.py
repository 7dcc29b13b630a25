"""A lender's templates, tried on every sample before any email is sent: what cannot work stops the start."""

from __future__ import annotations

import html
import re
import traceback
from collections.abc import Iterator
from pathlib import Path

import jinja2

from app.errors import Misconfigured
from app.mail import rendering
from app.mail.notices import Notice, Template
from app.mail.rendering import Mail
from app.mail.samples import SAMPLES
from app.settings import MailSettings


def load(settings: MailSettings) -> jinja2.Environment:
    """The templates to send by. Raises Misconfigured, naming the file and what to mend in it."""
    folder = settings.templates_dir
    templates = rendering.environment(folder)
    if folder is not None:
        _check_names(folder)
        for notice in SAMPLES.values():
            _check(folder, notice, _rendered(templates, settings, notice), settings)
    return templates


def _check_names(folder: Path) -> None:
    try:
        # Kubernetes keeps links of its own, such as ..data, beside the files of a ConfigMap.
        there = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    except OSError as error:
        raise _problem(f"{folder} cannot be read ({type(error).__name__}).") from None
    if unknown := sorted(there - rendering.names()):
        raise _problem(
            f"{folder / unknown[0]} is the template of no email. "
            f"Those that can be replaced are {', '.join(sorted(rendering.names()))}."
        )


def _rendered(templates: jinja2.Environment, settings: MailSettings, notice: Notice) -> Mail:
    try:
        return rendering.render(templates, settings, notice)
    except jinja2.TemplateSyntaxError as error:
        raise _problem(f"{error.filename}, line {error.lineno}: {error.message}") from None
    except UnicodeDecodeError:
        raise _problem(f"A file for {notice.template} is not in UTF-8.") from None
    except Exception as error:
        # A template may fail in any way. Here it sees a sample, so what it says may be told.
        told = ", ".join(sorted(rendering.facts(settings, notice)))
        raise _problem(
            f"{_place(error)}: {error}. A template may use {told}; one for HTML also subject."
        ) from None


def _place(error: Exception) -> str:
    """File and line of the innermost template: it may have called others' code."""
    frames = traceback.extract_tb(error.__traceback__)
    templates = [frame for frame in frames if frame.filename.endswith((".txt", ".html"))]
    return ", ".join(f"{frame.filename}, line {frame.lineno}" for frame in templates[-1:]) or "A template"


def _check(folder: Path, notice: Notice, mail: Mail, settings: MailSettings) -> None:
    if not mail.subject or notice.name in mail.subject:
        raise _problem(
            f"The first line of {folder / notice.template}.txt is the subject. It must be there and not hold "
            "the applicant's name, for everybody on the email's way can read it."
        )
    said = {"txt": _words(mail.text), "html": _words(html.unescape(re.sub(r"<[^>]*>", " ", mail.html)))}
    for fact in _due(notice, settings):
        for kind, words in said.items():
            if _words(fact) not in words:
                raise _problem(
                    f'{folder / notice.template}.{kind} leaves out "{fact}": the applicant has to be told.'
                )


def _due(notice: Notice, settings: MailSettings) -> Iterator[str]:
    """What must be in the email, whatever else its template says."""
    yield from rendering.reasons_in_words(notice)
    yield from notice.conditions
    yield notice.problem
    yield rendering.written(notice.answer_by)
    if notice.template is Template.DENIED:
        # 12 CFR 1002.9(a)(2): the creditor's name and address, the agency's name and address.
        yield settings.creditor
        yield settings.creditor_regulator


def _words(text: str) -> str:
    return " ".join(text.split())


def _problem(sentence: str) -> Misconfigured:
    return Misconfigured(f"SLUICE_MAIL_TEMPLATES_DIR: {sentence}")
