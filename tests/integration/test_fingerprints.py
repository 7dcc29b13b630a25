"""Documents known again in other applications: the same file, nearly the same picture, the same person."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import func, select, text, update

from app import fingerprints
from app.db import Sessions
from app.encryption import DigestKeys, new_key
from app.errors import NotFound
from app.fingerprints import NEAR, Match, Print
from app.models import Document, Fingerprint, FingerprintOf, new_id
from tests.integration.arrivals import arrive

OLD, NEW = SecretStr(new_key("2025")), SecretStr(new_key("2026"))
KEYS = DigestKeys([NEW])
PICTURE = bytes(range(32))
SHA256 = b"\x5a" * 32
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def changed(picture: bytes, bits: int) -> bytes:
    """The hash of a picture that differs in so many bits."""
    return (int.from_bytes(picture) ^ ((1 << bits) - 1)).to_bytes(len(picture))


async def bring(
    sessions: Sessions, application_id: str, prints: Sequence[Print], keys: DigestKeys = KEYS
) -> Document:
    document = await arrive(sessions, application_id)
    async with sessions.begin() as session:
        await fingerprints.record(session, keys, document.id, prints)
    return document


async def known_again(
    sessions: Sessions, application_id: str, prints: Sequence[Print] = (), since: datetime = LONG_AGO
) -> set[Match]:
    async with sessions() as session:
        return await fingerprints.matches(session, application_id, prints, images_since=since)


PRINTS = {
    FingerprintOf.FILE: fingerprints.of_file(KEYS, SHA256),
    FingerprintOf.IMAGE: fingerprints.of_image(PICTURE),
    FingerprintOf.PERSON: fingerprints.of_person(KEYS, "D123-4567", "1990-02-28"),
}


@pytest.mark.parametrize("what", list(FingerprintOf))
async def test_another_application_with_the_same_is_found_and_its_own_documents_are_not(
    sessions: Sessions, what: FingerprintOf
) -> None:
    await bring(sessions, "A-1", PRINTS[what])
    await bring(sessions, "A-1", PRINTS[what])
    assert await known_again(sessions, "A-1") == set()
    await bring(sessions, "A-2", PRINTS[what])
    assert await known_again(sessions, "A-2") == {Match(what, "A-1")}
    # Whoever was first finds it too, when it is asked again.
    assert await known_again(sessions, "A-1") == {Match(what, "A-2")}


async def test_different_documents_are_not_taken_for_each_other(sessions: Sessions) -> None:
    await bring(sessions, "A-1", [one for prints in PRINTS.values() for one in prints])
    others = [
        *fingerprints.of_file(KEYS, b"\x5b" * 32),
        *fingerprints.of_image(changed(PICTURE, 137)),
        *fingerprints.of_person(KEYS, "D123-4568", "1990-02-28"),
        *fingerprints.of_person(KEYS, "D123-4567", "1990-02-27"),
    ]
    await bring(sessions, "A-2", others)
    assert await known_again(sessions, "A-2") == set()


@pytest.mark.parametrize(("bits", "same"), [(0, True), (NEAR, True), (NEAR + 1, False)])
async def test_a_picture_is_the_same_up_to_a_few_bits(sessions: Sessions, bits: int, same: bool) -> None:
    await bring(sessions, "A-1", fingerprints.of_image(PICTURE))
    await bring(sessions, "A-2", fingerprints.of_image(changed(PICTURE, bits)))
    found = {Match(FingerprintOf.IMAGE, "A-1")} if same else set()
    assert await known_again(sessions, "A-2") == found


@pytest.mark.parametrize("even", [bytes(32), b"\xff" * 32, changed(bytes(32), NEAR)])
def test_a_picture_that_shows_nothing_is_like_no_other(even: bytes) -> None:
    assert fingerprints.of_image(even) == []


async def test_each_page_is_compared(sessions: Sessions) -> None:
    pages = [*fingerprints.of_image(PICTURE), *fingerprints.of_image(changed(PICTURE, 137))]
    await bring(sessions, "A-1", pages)
    await bring(sessions, "A-2", fingerprints.of_image(changed(PICTURE, 130)))
    assert await known_again(sessions, "A-2") == {Match(FingerprintOf.IMAGE, "A-1")}


async def test_pictures_from_before_are_not_compared(sessions: Sessions) -> None:
    await bring(sessions, "A-1", fingerprints.of_image(PICTURE))
    async with sessions.begin() as session:
        await session.execute(update(Fingerprint).values(made_at=func.now() - timedelta(days=10)))
    await bring(sessions, "A-2", fingerprints.of_image(PICTURE))
    now = datetime.now(UTC)
    assert await known_again(sessions, "A-2", since=now - timedelta(days=9)) == set()
    assert await known_again(sessions, "A-2", since=now - timedelta(days=11)) != set()


@pytest.mark.parametrize("number", ["d123 4567", "D1234567", "DI23.4567"])
async def test_a_number_is_the_same_however_it_was_read(sessions: Sessions, number: str) -> None:
    await bring(sessions, "A-1", PRINTS[FingerprintOf.PERSON])
    await bring(sessions, "A-2", fingerprints.of_person(KEYS, number, "1990-02-28"))
    assert await known_again(sessions, "A-2") == {Match(FingerprintOf.PERSON, "A-1")}


def test_a_number_without_a_letter_or_digit_is_nobodys() -> None:
    assert fingerprints.of_person(KEYS, "---", "1990-02-28") == []


async def test_after_a_rotation_old_documents_are_found_and_new_ones_kept_under_the_new_key(
    sessions: Sessions,
) -> None:
    before, after = DigestKeys([OLD]), DigestKeys([NEW, OLD])

    def prints(keys: DigestKeys) -> list[Print]:
        return [
            *fingerprints.of_file(keys, SHA256),
            *fingerprints.of_person(keys, "D1234567", "1990-02-28"),
        ]

    await bring(sessions, "A-1", prints(before), before)
    document = await bring(sessions, "A-2", prints(after), after)
    found = {Match(FingerprintOf.FILE, "A-1"), Match(FingerprintOf.PERSON, "A-1")}
    assert await known_again(sessions, "A-2", prints(after)) == found
    async with sessions() as session:
        kept = select(Fingerprint.key_id).where(Fingerprint.document_id == document.id)
        assert set(await session.scalars(kept)) == {"2026"}
    # Without the old key nobody knows it any more.
    assert await known_again(sessions, "A-2", prints(DigestKeys([NEW]))) == set()


async def test_reading_a_document_again_replaces_its_fingerprints(sessions: Sessions) -> None:
    document = await bring(sessions, "A-1", PRINTS[FingerprintOf.FILE] * 2)
    async with sessions.begin() as session:
        await fingerprints.record(session, KEYS, document.id, PRINTS[FingerprintOf.PERSON])
    async with sessions() as session:
        assert list(await session.scalars(select(Fingerprint.what))) == [FingerprintOf.PERSON]


async def test_nothing_is_kept_of_a_document_that_is_not_there(sessions: Sessions) -> None:
    async with sessions.begin() as session:
        with pytest.raises(NotFound):
            await fingerprints.record(session, KEYS, new_id(), PRINTS[FingerprintOf.FILE])


async def test_no_number_can_be_told_from_what_is_stored(sessions: Sessions) -> None:
    await bring(sessions, "A-1", PRINTS[FingerprintOf.PERSON])
    await bring(sessions, "A-2", fingerprints.of_person(DigestKeys([OLD]), "D123-4567", "1990-02-28"))
    async with sessions() as session:
        rows = (await session.execute(text("SELECT digest::text, key_id FROM fingerprints"))).all()
    # Under another key the same person has another digest.
    assert len({digest for digest, _ in rows}) == len(rows)
    assert "1234567" not in str(rows)


async def test_of_two_applications_at_the_same_moment_one_finds_the_other(sessions: Sessions) -> None:
    async def one(name: str, bits: int) -> set[Match]:
        await bring(sessions, name, fingerprints.of_image(changed(PICTURE, bits)))
        return await known_again(sessions, name)

    for number in range(10):
        picture = [Match(FingerprintOf.IMAGE, f"{side}-{number}") for side in "AB"]
        found = await asyncio.gather(one(f"A-{number}", 0), one(f"B-{number}", NEAR))
        assert picture[1] in found[0] or picture[0] in found[1]
