"""The letters on a page, whichever way round it lies, with as few passes of the engine as it lets us.

A page is read as it lies first, since most lie upright. When too little of it makes sense, a few of its
lines are tried the other ways round, which takes milliseconds, and only a page that stands turned is read
again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from flows.extraction.engine import Engine, Line
from flows.extraction.fields import CORE, Reading, merge
from flows.extraction.fronts.front import Front, understand
from flows.extraction.fronts.labels import cut, open_label
from flows.extraction.intake.picture import Pixels
from flows.extraction.passports import mrz, passport
from flows.extraction.passports.mrz import Mrz

_ENOUGH_CORE = 6
"""Core fields; a front that gives fewer may lie turned."""
_FRONT_LINES = 8
"""Lines of text; a page with fewer is no front, and not worth turning."""
_TRIED = 6
"""Lines; so many tell which way the page stands."""
_LONG = 4
"""Characters; a shorter line may be taller than wide on an upright page."""
_FURTHER = 1.8
"""Line heights; where a letter that stands after its label is looked for."""
_PASSPORT = re.compile(r"PASSE?PORT|PASAPORTE")


@dataclass(frozen=True)
class Printed:
    """What stands on a page in letters. The corners of lines are those of the page as it was read last."""

    lines: Sequence[Line]
    fields: Reading
    zone: Mrz | None = None
    """Of a passport or an identity card."""
    front: Front | None = None
    """Of a page that is neither."""

    def core(self) -> int:
        """How many core fields there are."""
        return sum(name in self.fields for name in CORE)


def read_printed(engine: Engine, pixels: Pixels, *, today: date) -> Printed:
    """Lines, fields and zone of a page that may lie turned by quarters."""
    text = engine.read(pixels)
    if engine.reads_any_way_round:
        turns = _turns_by_direction(text.lines)
        return _understood([_turned(line, turns, pixels) for line in text.lines], text.fields, today)
    found = _understood(text.lines, text.fields, today)
    turns = 0 if _makes_sense(found) else _turns_by_letters(engine, pixels, text.lines)
    if turns:
        pixels = np.ascontiguousarray(np.rot90(pixels, turns))
        text = engine.read(pixels)
        found = _understood(text.lines, text.fields, today)
    for look_again in (_with_letters, _with_lost, _with_surer):
        lines = look_again(engine, pixels, found)
        if [id(line) for line in lines] != [id(line) for line in found.lines]:
            found = _understood(lines, text.fields, today)
    return found


def _with_letters(engine: Engine, pixels: Pixels, found: Printed) -> Sequence[Line]:
    """The lines of a passport, with the letter that follows a label at the end of its line."""
    return found.lines if found.front else [_complete(engine, pixels, line) for line in found.lines]


def _with_lost(engine: Engine, pixels: Pixels, found: Printed) -> Sequence[Line]:
    """The lines of a front, with the values that stand where a label has lost its own."""
    if found.front is None:
        return found.lines
    known = {id(line): line for line in found.lines}
    sought = found.front.lost()  # kept, so that no two lines have one identity
    for lost in sought:
        again = engine.reread(pixels, lost.line, further=lost.further)
        if lost.is_found(again):
            known[id(lost.line)] = again
    return list(known.values())


def _with_surer(engine: Engine, pixels: Pixels, found: Printed) -> Sequence[Line]:
    """The lines of a front, those that bear a core field and were hard to read by themselves once more."""
    if found.front is None:
        return found.lines
    doubtful = {id(line) for line in found.front.doubtful(found.fields)}
    return [_surer(engine, pixels, line) if id(line) in doubtful else line for line in found.lines]


def _understood(lines: Sequence[Line], named: Reading, today: date) -> Printed:
    """What the lines of an upright page say, beside the fields that the engine named by itself."""
    zone = mrz.find(lines)
    if _of_a_traveller(lines, zone):
        return Printed(lines, merge([passport.read_passport(list(lines), today=today), named]), zone)
    front = understand(list(lines))
    return Printed(lines, merge([named, front.fields]), front=front)


def _of_a_traveller(lines: Sequence[Line], zone: Mrz | None) -> bool:
    """Whether this is a passport or an identity card with a zone."""
    return zone is not None or any(_PASSPORT.search(line.text.upper()) for line in lines)


def _makes_sense(found: Printed) -> bool:
    """Whether the page stands upright, as far as it matters: a page with little text is no front."""
    if len(found.lines) < _FRONT_LINES and not mrz.looks_like_one(found.lines):
        return True
    # The engine lays tall lines down by itself, so that half of all lying pages have their letters right.
    return not _standing(found.lines) and (found.zone is not None or found.core() >= _ENOUGH_CORE)


def _standing(lines: Sequence[Line]) -> bool:
    """Whether most lines are taller than wide."""
    spread = np.array([np.ptp(line.corners, axis=0) for line in lines if len(line.text) >= _LONG])
    return len(spread) > 0 and bool(np.mean(spread[:, 1] > spread[:, 0]) > 0.5)


def _turns_by_direction(lines: Sequence[Line]) -> int:
    """Quarter turns counter-clockwise that make the page upright, when corners follow the letters: those that
    bring the way most letters run, from the first corner to the second, to the right."""
    runs = np.array([(line.corners[1] - line.corners[0]) for line in lines]).reshape(-1, 2)
    across, down = runs.sum(axis=0)
    return round(float(np.arctan2(down, across)) / (np.pi / 2)) % 4


def _turned(line: Line, turns: int, pixels: Pixels) -> Line:
    """The line on the page turned counter-clockwise by quarters."""
    corners = line.corners
    height, width = pixels.shape[:2]
    for _ in range(turns):
        corners = np.stack([corners[:, 1], width - corners[:, 0]], axis=1)
        height, width = width, height
    return replace(line, corners=np.asarray(corners, dtype=np.float32))


def _turns_by_letters(engine: Engine, pixels: Pixels, lines: Sequence[Line]) -> int:
    """Quarter turns counter-clockwise that make the page upright: those it was read under already, or two
    more when its longest lines are read with more confidence the other way round."""
    longest = sorted(lines, key=lambda line: len(line.text), reverse=True)[:_TRIED]
    as_read = 1 if _standing(longest) else 0
    # A box begins at the picture's upper left; turned, its letters begin at another corner.
    flipped = [replace(line, corners=np.roll(line.corners, -as_read - 2, axis=0)) for line in longest]
    again = sum(engine.reread(pixels, line, further=0).confidence for line in flipped)
    return as_read + 2 if again > sum(line.confidence for line in longest) else as_read


def _surer(engine: Engine, pixels: Pixels, line: Line) -> Line:
    """The line read again by itself, from all the pixels it has, if that is surer."""
    return max(line, engine.reread(pixels, line, further=0), key=lambda own: own.confidence)


def _complete(engine: Engine, pixels: Pixels, line: Line) -> Line:
    """A line that ends in a label without its letter, looked at again a little further to the right."""
    label = open_label(line.text)
    if label is None:
        return line
    longer = engine.reread(pixels, line, further=_FURTHER)
    last = cut(longer.text, numbers=False)[-1:]
    return longer if last and last[0].label is label and last[0].text else line
