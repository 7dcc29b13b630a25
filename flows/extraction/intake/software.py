"""Which programs a file says it was written by. A hint: programs can be told to be silent."""

from __future__ import annotations

import re
from collections.abc import Iterable

_XMP_TOOL = re.compile(r"(?:CreatorTool|softwareAgent|Software)(?:\s*=\s*[\"']|>)([^\"'<]{1,200})")
"""Where XMP names the program (XMP specification, part 2). Its `xmptk` is only the library that wrote the
XMP, which on many phones is Adobe's."""
_LONGEST = 1_000
"""Characters that are kept."""


def named(programs: Iterable[object], xmp: str = "") -> str:
    """The programs' names, separated by semicolons; empty when there are none. `programs` are a file's own
    values, of any type, and only texts count."""
    texts = [program for program in programs if isinstance(program, str)] + _XMP_TOOL.findall(xmp)
    printable = ("".join(filter(str.isprintable, text)).strip() for text in texts)
    return "; ".join(dict.fromkeys(filter(None, printable)))[:_LONGEST]
