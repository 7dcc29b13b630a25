"""Pages out of a PDF, drawn by PDFium. Nothing in the file is run and nothing outside it is fetched.

The build has no JavaScript engine, and forms are not initialised, so their scripts and actions stay data.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

import numpy as np
import pypdfium2
from pypdfium2 import raw

from flows.extraction.intake.picture import (
    MAX_PIXELS,
    NotAccepted,
    Picture,
    Rejected,
    check_proportions,
    damaged,
    too_many_pixels,
    too_much_memory,
)
from flows.extraction.intake.software import named

_MOST_PAGES = 2
_DRAWN_SIDE = 3_300
"""Pixels of the longer side: a letter page at 300 dots per inch. A page's own size is only a claim: scans put
photos on pages of inches, and of metres."""
_MOST_OBJECTS = 2_000
"""Objects of a page looked at for pictures that are too large."""


def decode(data: bytes) -> tuple[tuple[Picture, ...], str]:
    """One or two pages as pictures, and the programs that wrote the file.

    Raises Rejected and Unreadable.
    """
    with _no_other_errors():
        document = pypdfium2.PdfDocument(data)
        try:
            if len(document) > _MOST_PAGES:
                raise _too_many_pages(len(document))
            programs = document.get_metadata_dict()
            pages = tuple(_drawn(document[number]) for number in range(len(document)))
            if not pages:
                raise damaged()
            return pages, named((programs.get("Creator"), programs.get("Producer")))
        finally:
            document.close()


def _too_many_pages(count: int) -> Rejected:
    return Rejected(f"The PDF has {count} pages; upload one with only the document's front and back.")


def _drawn(page: pypdfium2.PdfPage) -> Picture:
    width, height = page.get_size()
    check_proportions(width, height)
    _check_pictures(page)
    bitmap = page.render(
        scale=_DRAWN_SIDE / max(width, height),
        rev_byteorder=True,
        limit_image_cache=True,
        may_draw_forms=False,
    )
    try:
        # PDFium's memory goes with the bitmap, so the rows are copied.
        return Picture(np.array(bitmap.to_numpy(), dtype=np.uint8))
    finally:
        bitmap.close()
        page.close()


def _check_pictures(page: pypdfium2.PdfPage) -> None:
    """PDFium decodes an embedded picture whole before it scales it, so its declared size is limited too."""
    for picture in islice(page.get_objects(filter=(raw.FPDF_PAGEOBJ_IMAGE,)), _MOST_OBJECTS):
        width, height = picture.get_px_size()
        if width * height > MAX_PIXELS:
            raise too_many_pixels()


@contextmanager
def _no_other_errors() -> Iterator[None]:
    """Every failure as one of ours; PDFium says little more than that there is one."""
    try:
        yield
    except NotAccepted:
        raise
    except MemoryError:
        raise too_much_memory() from None
    except pypdfium2.PdfiumError as error:
        if error.err_code == raw.FPDF_ERR_PASSWORD:
            raise Rejected(
                "The PDF is protected by a password; upload it without one, or a photo of the document."
            ) from None
        raise damaged() from error
    except ValueError as error:
        raise damaged() from error
