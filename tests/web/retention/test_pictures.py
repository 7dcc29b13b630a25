"""Pictures leave the bucket, whatever happens on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from app.db import Sessions
from app.errors import ObjectStoreUnavailable
from app.models import Document, LeavingObject
from app.object_store import ObjectStore
from app.retention import Cutoffs
from app.settings import S3Settings, Settings
from tests.web.conftest import BUCKET
from tests.web.retention.conftest import (
    PICTURE,
    Apply,
    assert_nothing_is_left,
    count,
    entries,
    purge,
    versions,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class Killed(Exception):
    """The end of the process."""


class Dying(ObjectStore):
    """The process ends while it deletes: after the first picture, or before."""

    def __init__(self, settings: S3Settings, *, after: bool) -> None:
        super().__init__(settings)
        self.after = after

    async def delete(self, bucket: str, key: str) -> str | None:
        if self.after:
            await super().delete(bucket, key)
        raise Killed


@pytest.mark.parametrize("after", [True, False], ids=["after the picture", "before the picture"])
async def test_a_purge_that_was_killed_is_finished_by_the_next(
    after: bool,
    apply: Apply,
    sessions: Sessions,
    settings: Settings,
    s3: S3Client,
    s3_settings: S3Settings,
    store: ObjectStore,
) -> None:
    old = await apply("A-1")
    with pytest.raises(Killed):
        await purge(sessions, Dying(s3_settings, after=after))
    assert await count(sessions, LeavingObject, LeavingObject.key == old.key) == 1
    assert (versions(s3) == []) is after

    # Also when no period is set any more: what was begun is finished.
    assert await purge(sessions, store, Cutoffs()) == {"objects": 1}
    assert await count(sessions, LeavingObject) == 0
    await purge(sessions, store)
    await assert_nothing_is_left(sessions, settings, s3, old)
    assert len(await entries(sessions, "application.purged")) == 1


async def test_a_picture_that_s3_keeps_is_not_forgotten(
    apply: Apply, sessions: Sessions, s3: S3Client, store: ObjectStore
) -> None:
    old = await apply("A-1")
    async with sessions.begin() as session:
        await session.execute(
            update(Document).where(Document.id == old.document_id).values(bucket="no-such-bucket")
        )
    assert (await purge(sessions, store))["objects_kept"] == 1
    assert await purge(sessions, store) == {"objects_kept": 1}
    assert await count(sessions, LeavingObject) == 1


async def test_only_the_object_itself_is_deleted(s3: S3Client, store: ObjectStore) -> None:
    for key in ("a/b.jpg", "a/b.jpg.bak", "a/b.jpg/c"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=PICTURE)
    for _ in range(2):
        assert await store.delete(BUCKET, "a/b.jpg") is None
        assert {one["Key"] for one in versions(s3)} == {"a/b.jpg.bak", "a/b.jpg/c"}


async def test_nothing_is_forgotten_while_s3_is_away(
    apply: Apply, sessions: Sessions, settings: Settings, s3: S3Client, store: ObjectStore
) -> None:
    old = await apply("A-1")
    away = ObjectStore(S3Settings(bucket=BUCKET, endpoint_url="http://127.0.0.1:9"))
    with pytest.raises(ObjectStoreUnavailable):
        await purge(sessions, away)
    assert versions(s3)
    await purge(sessions, store)
    await assert_nothing_is_left(sessions, settings, s3, old)
