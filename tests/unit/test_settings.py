"""Where settings come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.settings import Settings


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder SLUICE_SECRETS_DIR names."""
    monkeypatch.setenv("SLUICE_SECRETS_DIR", str(tmp_path))
    return tmp_path


def test_a_setting_is_read_from_a_file_of_its_name(folder: Path) -> None:
    (folder / "SLUICE_DATABASE_URL").write_text("postgresql+asyncpg://sluice@db/sluice\n")
    (folder / "sluice_encryption_keys").write_text("new:AAAA, old:BBBB")
    (folder / "sluice_ops_port").write_text("9000")
    settings = Settings()
    assert settings.database.url.get_secret_value() == "postgresql+asyncpg://sluice@db/sluice"
    assert [key.get_secret_value() for key in settings.encryption.keys] == ["new:AAAA", "old:BBBB"]
    assert settings.ops.port == 9000


def test_the_environment_goes_before_a_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "sluice_s3_bucket").write_text("of-the-file")
    monkeypatch.setenv("SLUICE_S3_BUCKET", "of-the-environment")
    assert Settings().s3.bucket == "of-the-environment"


def test_an_empty_file_is_as_good_as_none(folder: Path) -> None:
    (folder / "sluice_ops_port").write_text("")
    (folder / "sluice_s3_bucket").write_text("\n")
    assert (Settings().ops.port, Settings().s3.bucket) == (None, "sluice-documents")
