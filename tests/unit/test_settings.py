"""Where settings come from."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from app.document_checks import CheckName
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


def test_a_policy_names_checks_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_CHECKS_REJECT", "expired, same_file")
    monkeypatch.setenv("SLUICE_CHECKS_ADVISE", "[]")
    checks = Settings().checks
    assert (checks.reject, checks.advise) == ([CheckName.EXPIRED, CheckName.SAME_FILE], [])

    monkeypatch.setenv("SLUICE_CHECKS_REJECT", "expierd")
    with pytest.raises(ValidationError, match=r"'expired', 'under_age'"):
        Settings()


def test_a_check_that_only_advises_can_neither_reject_nor_be_required(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SLUICE_CHECKS_ADVISE", "sharpness,under_age")
    with pytest.raises(ValidationError, match="under_age cannot only advise"):
        Settings()


@pytest.mark.parametrize(
    "sender",
    [
        "Loan Desk",
        "Loan Desk, Springfield <loans@example.com>",
        "loans@example.com, desk@example.com",
        "Crédit <prêts@example.com>",
        "Loan Desk <loans@exämple.com>",
        "Loan Desk <loans@example.com>\nBcc: all@example.com",
        "loans@",
    ],
)
def test_a_sender_that_no_email_can_have_stops_the_start(
    sender: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLUICE_MAIL_SENDER", sender)
    with pytest.raises(ValidationError, match="must be one address in ASCII"):
        Settings()


@pytest.mark.parametrize(
    "sender",
    ["loans@example.com", '"Loan Desk, Springfield" <loans@example.com>', "Crédit Łódź <loans@example.com>"],
)
def test_a_sender_may_have_any_name(sender: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_MAIL_SENDER", sender)
    assert Settings().mail.sender == sender


def test_an_empty_file_is_as_good_as_none(folder: Path) -> None:
    (folder / "sluice_ops_port").write_text("")
    (folder / "sluice_s3_bucket").write_text("\n")
    assert (Settings().ops.port, Settings().s3.bucket) == (None, "sluice-documents")
