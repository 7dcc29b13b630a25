"""What a picture's own properties say: measured where it is read, judged here from plain numbers and words.

None of them looks at what the card says. `None` for a measure means that it was not taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from app.document_checks import CheckName
from flows.extraction import normalise
from flows.extraction.checks.check import Check, not_run, passed, warned


def sharpness(variance: float | None, least: float = 100.0) -> Check:
    """Warns below `least`, in variance of the Laplacian: advice to take a new photo, evidence of nothing."""
    if variance is None:
        return not_run(CheckName.SHARPNESS, "The picture's sharpness was not measured.")
    if variance < least:
        detail = "The picture is blurred; ask for one taken with a still hand in better light."
        return warned(CheckName.SHARPNESS, detail)
    return passed(CheckName.SHARPNESS)


def glare(share: float | None, most: float = 0.02) -> Check:
    """Warns when a reflection covers more than `most` of the picture; whatever lies beneath was not read."""
    if share is None:
        return not_run(CheckName.GLARE, "The picture was not searched for reflections.")
    if share > most:
        detail = "A reflection covers part of the picture; ask for one taken without flash, a little tilted."
        return warned(CheckName.GLARE, detail)
    return passed(CheckName.GLARE)


_SPECIMEN = re.compile(r"SPECIMEN|\bSAMPLE\b|NOT\s*A?\s*VALID|\bVOID\b|\bNOVELTY\b|\bREPLICA\b|FACSIMILE")


def specimen_words(lines: Iterable[str] | None) -> Check:
    """Warns of words that no valid card bears, such as specimen, sample, void, not valid and replica."""
    if lines is None:
        return not_run(CheckName.SPECIMEN_WORDS, "The picture's text was not read.")
    if any(_SPECIMEN.search(line.upper()) for line in lines):
        detail = "The document is marked as a specimen, a sample, a copy or void."
        return warned(CheckName.SPECIMEN_WORDS, detail)
    return passed(CheckName.SPECIMEN_WORDS)


_EDITORS = re.compile(
    r"photoshop|lightroom|illustrator|gimp|paint|pixelmator|affinity|canva|snapseed|picsart|photopea|facetune"
    r"|inkscape|krita|corel|meitu|faceapp|remini|stable diffusion|midjourney|dall-?e|firefly",
    re.IGNORECASE,
)


def edited(software: str | None) -> Check:
    """Warns when the file names a program for changing pictures as the one that wrote it.

    `software` is what its metadata says (Exif 2.32, tag 0x0131 and its like). Cameras and phones write their
    own names and versions there, which pass; so does nothing at all, since most services that pass pictures
    on remove it.
    """
    if software is None:
        return not_run(CheckName.EDITED, "The file's metadata was not read.")
    if _EDITORS.search(software):
        return warned(CheckName.EDITED, "The file was last written by a program for changing pictures.")
    return passed(CheckName.EDITED)


def trailing_bytes(count: int | None) -> Check:
    """Warns when something follows the end of the picture in its file."""
    if count is None:
        return not_run(CheckName.TRAILING_BYTES, "The end of the file was not looked for.")
    if count > 0:
        return warned(CheckName.TRAILING_BYTES, "Something was appended to the picture in its file.")
    return passed(CheckName.TRAILING_BYTES)


def barcode_structure(warnings: Sequence[str] | None) -> Check:
    """Warns when a licence's barcode departs from the AAMVA DL/ID Card Design Standard, annex D.

    `warnings` are `aamva.Card.warnings`, None without such a barcode. They are counted, not repeated.
    """
    if warnings is None:
        return not_run(CheckName.BARCODE_STRUCTURE, "No licence's barcode was read.")
    if warnings:
        places = "one place" if len(warnings) == 1 else f"{len(warnings)} places"
        return warned(
            CheckName.BARCODE_STRUCTURE, f"The barcode departs from the AAMVA standard in {places}."
        )
    return passed(CheckName.BARCODE_STRUCTURE)


def issuer_matches_state(issuer: str | None, state: str | None) -> Check:
    """Warns when the barcode's issuer number belongs to another state than the one in its address.

    Both are two letters: `issuer` by AAMVA's list of issuer identification numbers, empty for a number that
    is not on it; `state` as the barcode writes it (DAJ). None or an empty state: nothing to compare.
    """
    state = normalise.state(state or "")
    if issuer is None or not state:
        return not_run(CheckName.ISSUER_MATCHES_STATE, "No barcode with an issuer and a state was read.")
    if not issuer:
        return warned(CheckName.ISSUER_MATCHES_STATE, "The barcode's issuer number belongs to nobody known.")
    if issuer != state:
        return warned(
            CheckName.ISSUER_MATCHES_STATE, "The barcode's issuer is another state than its address."
        )
    return passed(CheckName.ISSUER_MATCHES_STATE)
