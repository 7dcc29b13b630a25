"""From a notice to subject, text and HTML, by the templates of the package or the lender's own."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import jinja2

from app import regulation_b
from app.mail.notices import Notice, Template, in_words
from app.settings import MailSettings

_PACKAGE = jinja2.PackageLoader("app.mail")


@dataclass(frozen=True)
class Mail:
    """An email in words. Text and HTML say the same."""

    subject: str
    text: str
    html: str


def names() -> set[str]:
    """The templates that there are, the two that the others extend included."""
    return set(_PACKAGE.list_templates())


def environment(folder: Path | None) -> jinja2.Environment:
    """The templates, those in `folder` before the package's. What they are given is escaped in HTML."""
    loaders = [_PACKAGE] if folder is None else [jinja2.FileSystemLoader(folder), _PACKAGE]
    made = jinja2.Environment(
        loader=jinja2.ChoiceLoader(loaders),
        autoescape=jinja2.select_autoescape(["html"], default=False),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["item"] = _item
    return made


def render(templates: jinja2.Environment, settings: MailSettings, notice: Notice) -> Mail:
    """Put the notice into words. The text template's first line is the subject. Raises jinja2's errors."""
    given = facts(settings, notice)
    filled = templates.get_template(f"{notice.template}.txt").render(given)
    subject, _, text = re.sub(r"\n{3,}", "\n\n", filled.strip()).partition("\n")
    html = templates.get_template(f"{notice.template}.html").render(given, subject=subject)
    return Mail(subject, text.strip() + "\n", html + "\n")


def reasons_in_words(notice: Notice) -> list[str]:
    """The reasons as the applicant reads them."""
    if notice.template is Template.DENIED:
        return [_one_line(regulation_b.words(reason)) for reason in notice.reasons]
    return [_one_line(reason) for reason in notice.reasons]


def facts(settings: MailSettings, notice: Notice) -> dict[str, Any]:
    """What a template may name."""
    return {
        "application_id": notice.application_id,
        "name": _one_line(notice.name),
        "reasons": reasons_in_words(notice),
        "conditions": [_one_line(condition) for condition in notice.conditions],
        "answer_by": written(notice.answer_by),
        "document": in_words(notice.document),
        "problem": _one_line(notice.problem),
        "creditor": settings.creditor,
        "regulator": settings.creditor_regulator,
    }


def written(day: date | None) -> str:
    """The day as Americans write it; empty for None."""
    return "" if day is None else f"{day:%B} {day.day}, {day.year}"


def _item(text: str) -> str:
    """The text as an item of a list in plain text: its later lines are set in."""
    return textwrap.fill(text, 72, initial_indent="  - ", subsequent_indent="    ", break_long_words=False)


def _one_line(text: str) -> str:
    """The text without line breaks: it goes into a sentence, a list or a header."""
    return " ".join(text.split())
