"""What a file's own structure says before anything is decoded: how many scans, and where the picture ends.

Bytes after the end are how one file passes for two: a JPEG to one program, a ZIP archive to another.
"""

from __future__ import annotations

import re

_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])", re.DOTALL)
"""A marker of a JPEG; stuffed bytes and restarts, which occur inside coded data, are none (T.81, B.1.1)."""
_SOI, _EOI, _SOS, _TEM = 0xD8, 0xD9, 0xDA, 0x01

_MOST_PICTURES = 16
"""Further pictures that one JPEG may announce: gain map, depth, portrait mask, two sizes of preview."""


def scans(data: bytes) -> int:
    """How often a JPEG's decoder has to go over the picture: 1 to 3 for a baseline one, about 10 for a
    progressive one (T.81, G.1)."""
    return _walk_jpeg(data, 0)[1]


def trailing_bytes(data: bytes, kind: str) -> int:
    """Bytes after the picture's end, without what phones put there.

    A TIFF has no end, its parts lie anywhere, so it has no trailing bytes either.
    """
    if kind == "JPEG":
        return _after_jpeg(data)
    ends = {"PNG": _end_of_png, "WebP": _end_of_riff, "HEIC": _end_of_boxes, "AVIF": _end_of_boxes}
    if kind == "PDF":
        return len(data.rstrip()) - _end_of_pdf(data)
    return max(0, len(data) - ends[kind](data)) if kind in ends else 0


def _walk_jpeg(data: bytes, start: int) -> tuple[int, int]:
    """Offset after the end of the picture that starts at `start`, and its scans."""
    at, count = start + 2, 0
    while marker := _MARKER.search(data, at):
        code, at = marker[1][0], marker.end()
        if code == _EOI:
            return at, count
        if code in {_SOI, _TEM}:
            continue
        count += code == _SOS
        at += int.from_bytes(data[at : at + 2], "big")
    return len(data), count


def _after_jpeg(data: bytes) -> int:
    """What remains after the picture, the further pictures it announces (CIPA DC-007, Multi-Picture Format),
    a motion photo's film that its XMP announces, and the block that Samsung's phones write."""
    first, _ = _walk_jpeg(data, 0)
    end = first
    if b"MPF\0" in data[:first]:
        for _ in range(_MOST_PICTURES):
            following = len(data) - len(data[end:].lstrip(b"\0"))
            if not data.startswith(b"\xff\xd8\xff", following):
                break
            end, _ = _walk_jpeg(data, following)
    rest = data[end:].rstrip(b"\0")
    film = rest[4:8] == b"ftyp" and b"MotionPhoto" in data[:first]
    return 0 if not rest or film or rest.endswith(b"SEFT") else len(data) - end


def _end_of_png(data: bytes) -> int:
    at = 8
    while at + 8 <= len(data):
        length, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        at += 12 + length
        if name == b"IEND":
            return at
    return len(data)


def _end_of_riff(data: bytes) -> int:
    """The size is that of what follows it, padded to an even number (WebP container specification)."""
    size = int.from_bytes(data[4:8], "little")
    return 8 + size + size % 2


def _end_of_boxes(data: bytes) -> int:
    """The last whole box (ISO/IEC 14496-12, 4.2): a size of 1 has the real one after the name, 0 means the
    rest of the file."""
    at = 0
    while at + 8 <= len(data):
        size, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if size == 0:
            return len(data)
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if size < 8 or at + size > len(data) or not (name.isascii() and name.decode("ascii").isprintable()):
            return at
        at += size
    return at


def _end_of_pdf(data: bytes) -> int:
    """After the last marker: each change that was appended to the file has one (ISO 32000, 7.5.6)."""
    at = data.rfind(b"%%EOF")
    return len(data.rstrip()) if at < 0 else at + len(b"%%EOF")
