"""What reads the letters on a picture: the one interface behind which every engine stands.

An engine turns pixels into lines of text with their places. Some also name fields by themselves; the parsers
of this package then have those to hold their own reading against.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from flows.extraction.fields import Reading
from flows.extraction.intake.picture import Pixels


@dataclass(frozen=True)
class Line:
    """A line of text: `corners` are four rows of x and y, clockwise; `confidence` runs from 0 to 100."""

    text: str
    confidence: float
    corners: NDArray[np.float32]
    gaps: tuple[float, ...] = ()
    """Blanks between the characters, spaces left out, in letter heights; empty when not known."""


@dataclass(frozen=True)
class Text:
    """What an engine found on one picture: lines in no promised order, and fields it named by itself."""

    lines: list[Line]
    fields: Reading = field(default_factory=dict)


class Engine(Protocol):
    """Reads text. Blocking; about a second for a page when it is local."""

    name: str
    """The name the setting chooses it by, kept with every extraction."""
    reads_any_way_round: bool
    """Whether a line's letters come out right whichever way round it stands, its corners in their order."""

    def versions(self) -> dict[str, str]:
        """What read the text, for the record kept with every extraction."""
        ...

    def read(self, pixels: Pixels) -> Text:
        """Every line of text on the picture."""
        ...

    def reread(self, pixels: Pixels, line: Line, *, further: float) -> Line:
        """The same line read again, from its first corner to its second, with `further` times its height
        added at the end. An engine that cannot returns the line as it was.
        """
        ...
