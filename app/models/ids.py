"""Ids that sort by the time they were made."""

from __future__ import annotations

import os
import time
import uuid


def new_id() -> uuid.UUID:
    """A UUIDv7 (RFC 9562 section 5.7): sorts by creation, so index inserts stay at the right edge."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds << 80) | int.from_bytes(os.urandom(10), "big")
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return uuid.UUID(int=value)


def first_id(seconds: float) -> uuid.UUID:
    """The lowest id that is made at `seconds` since 1970 or later, to compare others with."""
    return uuid.UUID(int=max(0, int(seconds * 1000)) << 80)
