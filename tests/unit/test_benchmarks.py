"""The results in docs/benchmarks.md are those that were measured, not typed."""

from __future__ import annotations

import pytest

from bench import results, tables
from bench.documents import report


@pytest.mark.skipif(not results.FILE.exists(), reason="nothing has been measured yet: run make bench")
def test_the_document_shows_the_results_that_were_measured() -> None:
    text = tables.DOCUMENT.read_text("utf-8")
    assert results.documented(text) == text, "docs/benchmarks.md differs; run make bench"


@pytest.mark.skipif(not report.FILE.exists(), reason="nothing has been read yet: run make bench-documents")
def test_the_document_shows_how_documents_were_read() -> None:
    text = tables.DOCUMENT.read_text("utf-8")
    assert report.documented(text) == text, "docs/benchmarks.md differs; run make bench-documents"
