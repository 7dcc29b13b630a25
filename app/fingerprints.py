"""What knows a document again in another application, without keeping a number in clear.

- *file*: the same bytes, by a keyed hash of their SHA-256;
- *image*: nearly the same picture, as after compressing it anew, by its difference hash. A new photo of the
  same card is another picture;
- *person*: the same document number and birth date, by a keyed hash of both. Without a key it would hide
  nothing: there are few enough numbers and birthdays to try them all.

A new digest is made under the newest key and looked for under every one, so keys can be rotated.

Fingerprints are committed before anybody looks for them. So of two applications that bring the same document
at the same moment at least one finds the other: whoever looks last.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Integer, Select, delete, func, literal, or_, select
from sqlalchemy.dialects.postgresql import BitString, insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import applications
from app.encryption import DigestKeys
from app.models import Fingerprint, FingerprintOf

NEAR = 24
"""Of the 256 bits of a difference hash: as many differ at most in the same picture uploaded again. In a new
photo of the same card about 137 do."""

_BITS = 256
# Stands in the statement itself: of a parameter PostgreSQL would not know that the partial indexes fit.
_IMAGE = literal(FingerprintOf.IMAGE, Fingerprint.what.type, literal_execute=True)
_LOOK_ALIKES = str.maketrans("OI", "01")


@dataclass(frozen=True)
class Print:
    """One digest of 32 bytes. The `key_id` names the key that it was made under; an image needs none."""

    what: FingerprintOf
    digest: bytes
    key_id: str | None = None


@dataclass(frozen=True)
class Match:
    """Another application that brought the same."""

    what: FingerprintOf
    application_id: str


def of_file(keys: DigestKeys, sha256: bytes) -> list[Print]:
    """Of a file, by the hash of its bytes: under each key."""
    return [Print(FingerprintOf.FILE, *pair) for pair in _keyed(keys, sha256, FingerprintOf.FILE)]


def of_image(difference_hash: bytes) -> list[Print]:
    """Of a picture, by its difference hash of 32 bytes.

    None of an even one, such as a blank page: it would be near every other.
    """
    bits = int.from_bytes(difference_hash).bit_count()
    return [Print(FingerprintOf.IMAGE, difference_hash)] if NEAR < bits < _BITS - NEAR else []


def of_person(keys: DigestKeys, document_number: str, date_of_birth: str) -> list[Print]:
    """Of a person, by what stands on the document, the date being ISO's: under each key.

    Spaces, hyphens and case of the number do not count, nor whether O was read for 0 and I for 1.
    """
    number = re.sub(r"[^A-Z0-9]", "", document_number.upper()).translate(_LOOK_ALIKES)
    if not number:
        return []
    person = f"{number}/{date_of_birth}".encode()
    return [Print(FingerprintOf.PERSON, *pair) for pair in _keyed(keys, person, FingerprintOf.PERSON)]


async def record(
    session: AsyncSession, keys: DigestKeys, document_id: uuid.UUID, prints: Iterable[Print]
) -> None:
    """Keep those of the newest key and of images, in place of what was kept before.

    Commit before `matches`. Raises NotFound and Purged.
    """
    document, _ = await applications.lock_document(session, document_id)
    await session.execute(delete(Fingerprint).where(Fingerprint.document_id == document.id))
    of_document = {"document_id": document.id, "application_id": document.application_id}
    rows = [
        {**of_document, "what": one.what, "digest": _bits(one.digest), "key_id": one.key_id}
        for one in prints
        if one.key_id in {None, keys.newest}
    ]
    if rows:
        await session.execute(insert(Fingerprint).values(rows).on_conflict_do_nothing())


async def matches(
    session: AsyncSession, application_id: str, prints: Iterable[Print], *, images_since: datetime
) -> set[Match]:
    """Other applications with one of these, or of what was kept of this one; pictures since that time only.

    Purged ones are not found: their fingerprints went with them.
    """
    its_own = Fingerprint.application_id == application_id
    own = await session.execute(select(Fingerprint.what, Fingerprint.digest).where(its_own))
    known = {(one.what, _bits(one.digest)) for one in prints} | {(what, digest) for what, digest in own}
    equal = {digest for what, digest in known if what is not FingerprintOf.IMAGE}
    images = {digest for what, digest in known if what is FingerprintOf.IMAGE}
    found: set[Match] = set()
    if equal:
        rows = await session.execute(_equal(equal).where(~its_own))
        found |= {Match(what, other) for what, other in rows}
    if images:
        others = await session.scalars(_near(images, images_since).where(~its_own))
        found |= {Match(FingerprintOf.IMAGE, other) for other in others}
    return found


def _equal(digests: Collection[BitString]) -> Select[FingerprintOf, str]:
    search = select(Fingerprint.what, Fingerprint.application_id).distinct()
    return search.where(Fingerprint.what != _IMAGE, Fingerprint.digest.in_(digests))


def _near(digests: Collection[BitString], since: datetime) -> Select[str]:
    """By comparing all images since then, which takes half a second for a million."""
    return (
        select(Fingerprint.application_id)
        .distinct()
        .where(
            Fingerprint.what == _IMAGE,
            Fingerprint.made_at >= since,
            or_(*(_distance(digest) <= NEAR for digest in digests)),
        )
    )


def _distance(digest: BitString) -> ColumnElement[int]:
    different: ColumnElement[Any] = Fingerprint.digest.bitwise_xor(digest)
    return func.bit_count(different, type_=Integer)


def _keyed(keys: DigestKeys, value: bytes, what: FingerprintOf) -> list[tuple[bytes, str]]:
    return [(digest, key_id) for key_id, digest in keys.digests(value, what).items()]


def _bits(digest: bytes) -> BitString:
    return BitString.from_bytes(digest, length=_BITS)
