"""The card's title: what it calls itself, and who issued it."""

from __future__ import annotations

import re
from dataclasses import replace

from flows.extraction import normalise
from flows.extraction.fields import FieldName, Reading
from flows.extraction.fronts.page import Page, Span, field
from flows.extraction.fronts.vocabulary import TITLE, Label, folded

_TITLE = 0.95
"""Belief in what the card's title says, which no label vouches for and hardly anything else can be."""
_ISSUER_WORDS = re.compile(
    r"^(?:STATE|COMMONWEALTH|PROVINCE|GOVERNMENT) OF (?:THE )?|^GOBIERNO DE "
    r"|(?: STATE)?(?:,? (?:USA?|CANADA|CAN))?$"
)
_CODE = re.compile(r"^[A-Z]{2} | [A-Z]{2}$")
_TITLE_BEGINS = re.compile(r"(?:DRIVER'?S?|IDENTIFICATION|COMMERCIAL DRIVER'?S?|OPERATOR'?S?)")


def read_title(page: Page) -> Reading:
    """The issuing state and the kind of card, from its title; a family name can be a state's (WASHINGTON)."""
    reading: Reading = {}
    for span in page.spans:
        text = folded(normalise.words(span.text))
        name = _ISSUER_WORDS.sub("", text)
        name = _CODE.sub("", name) if _CODE.sub("", name) in normalise.STATES else name
        issuer = name in normalise.STATES or text.startswith("STATE OF ")
        if issuer and (span in page.free or span.label is Label.OTHER):
            reading.setdefault(FieldName.STATE_NAME, field(name, span, _TITLE))
            page.take(span)
        if span.label is Label.OTHER and (kind := _kind(text)):
            reading.setdefault(FieldName.ID_TYPE, field(kind, span, _TITLE))
    return reading


def _kind(title: str) -> str:
    if re.search(r"LICEN[SC]E|CONDUIRE|CONDUCIR", title):
        return "DRIVER LICENSE"
    if re.search(r"\bID\b|IDENTI|CARD", title):
        return "IDENTIFICATION CARD"
    return "INSTRUCTION PERMIT" if "PERMIT" in title else ""


def join_title(page: Page) -> None:
    """A title broken in two, DRIVER above or left of LICENSE, is put together: its second half is no
    label of a number."""
    for upper in page.spans:
        if not _TITLE_BEGINS.fullmatch(folded(upper.text)):
            continue
        for lower in page.spans:
            whole = f"{upper.text} {lower.text or lower.line.text}"
            near = lower.under(upper) or (lower.on_row_of(upper) and lower.left > upper.left)
            if lower is not upper and near and TITLE.fullmatch(folded(normalise.words(whole))):
                page.replace(lower, _titled(lower, whole))
                page.take(upper)
                return


def _titled(span: Span, text: str) -> Span:
    return replace(span, label=Label.OTHER, text=text, spaced=text)
