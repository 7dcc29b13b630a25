"""What is refused at no cost; the other hostile files are opened in a process, as all are in service."""

from __future__ import annotations

import time

import pytest

from flows.extraction.intake.picture import Rejected, Unreadable
from flows.extraction.intake.upload import open_upload
from tests.hostile_files import REFUSED


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_refused_at_once(name: str) -> None:
    hostile = REFUSED[name]
    data = hostile.build()
    began = time.perf_counter()
    with pytest.raises(Rejected if hostile.status == "rejected" else Unreadable, match=hostile.says):
        open_upload(data)
    assert time.perf_counter() - began < 2
