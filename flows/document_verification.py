"""The `document-verification` flow: fetch an upload, read it, put its application before an underwriter.

A document that cannot be read is a result like any other: it gets a reason, the application goes to
review and the run completes. A run fails only when it could not do its work.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from typing import Any

import jinja2
from prefect import Task, flow
from prefect.client.schemas.objects import State, TaskRun
from prefect.states import Completed, Failed

from app import applications, handovers
from app.errors import ObjectStoreUnavailable, Purged
from app.mail import own_templates
from app.models import Document, DocumentStatus
from app.object_store import ObjectMissing, ObjectStore, StoredObject
from flows import assessing, document_emails, handover, reader, run_report
from flows.assessing import Assessed
from flows.context import PATIENT, Context, discreet, opened, step, transient
from flows.engines.choice import Engines, chosen
from flows.engines.cloud import EngineRefused, EngineUnavailable
from flows.extraction.checks import Policy
from flows.reader import Reader, Reading, ReadingCrashedError, Refusal
from flows.reading_steps import read_by_any
from flows.underwriting_tool import UnderwritingToolRefused

_LOOKS_FOR_A_MISSING_OBJECT = 3
_MD5 = re.compile(r"[0-9a-f]{32}")

_MISSING = Refusal(DocumentStatus.REJECTED, "The file is no longer where it was uploaded; upload it again.")
_REPLACED = Refusal(
    DocumentStatus.REJECTED,
    "Another file was uploaded in its place before it was read; the newer one counts.",
    ask_again=False,
)
_CRASHED = Refusal(
    DocumentStatus.UNREADABLE,
    "The document could not be read automatically; a person will look at it.",
    ask_again=False,
)


@flow(
    name="document-verification",
    flow_run_name="document {document_id}",
    timeout_seconds=900,
    persist_result=False,
)
async def document_verification(document_id: uuid.UUID) -> State[None]:
    """Read one uploaded document."""
    with discreet():
        async with opened() as context:
            engines = chosen(context.settings.reader)
            templates = own_templates.load(context.settings.mail)
            async with reader.started(next(iter(engines))) as reading_process:
                try:
                    document = await begin(context, document_id)
                except Purged as error:
                    return Completed(name="Purged", message=error.detail)
                if document.status is DocumentStatus.SUPERSEDED:
                    return Completed(
                        name="Superseded", message="A newer upload of the same file is read instead."
                    )
                return await _verify(context, document, engines, reading_process, templates)


async def _verify(
    context: Context,
    document: Document,
    engines: Engines,
    reading_process: Reader,
    templates: jinja2.Environment,
) -> State[None]:
    failure: str | None = None
    try:
        result = await _obtain_and_read(context, document, engines, reading_process)
    except (ReadingCrashedError, EngineUnavailable, EngineRefused) as error:
        result, failure = _CRASHED, str(error)
    if isinstance(result, Refusal):
        assessed = await record_refusal(context, document, result)
        state: State[None] = Completed(name=result.status.capitalize(), message=result.reason)
    else:
        assessed = await record_reading(context, document, result)
        recommended = assessed.assessment.recommendation
        state = Completed(message=f"Read {len(result.fields)} fields; recommendation: {recommended}.")
    if failure is not None:
        state = Failed(message=f"{failure} {_whereabouts(assessed)}")
    await report(result, assessed)
    # First, for its trouble only delays the underwriting tool, whose trouble would end the run.
    untold = await document_emails.tell(context, templates, document)
    if context.settings.underwriting.url is not None:
        try:
            await hand_over(context, document, result, assessed)
        except UnderwritingToolRefused as error:
            await record_handover_refused(context, document, error.extensions["status"])
            return Failed(name="NotHandedOver", message=f"{error.detail} {_whereabouts(assessed)}")
    return state if untold is None else untold.state(state.message or "")


def _whereabouts(assessed: Assessed) -> str:
    if assessed.complete:
        return "The application is in review."
    return "Its application waits for other documents."


async def _obtain_and_read(
    context: Context, document: Document, engines: Engines, process: Reader
) -> Reading | Refusal:
    try:
        stored = await fetch(context, document)
    except ObjectMissing:
        return _MISSING
    refusal = mismatch(document, stored, context.settings.s3.upload_max_bytes)
    return refusal or await read_by_any(engines, process, stored.data, Policy.of(context.settings.checks))


@step(timeout=30, retry_delays=PATIENT)
async def begin(context: Context, document_id: uuid.UUID) -> Document:
    """Mark the document as being read."""
    async with context.sessions.begin() as session:
        return await applications.begin_verification(session, document_id)


def _again(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """A missing object is looked for again: replication to another region takes a moment."""
    if isinstance(state.data, ObjectMissing):
        return run.run_count < _LOOKS_FOR_A_MISSING_OBJECT
    return transient(task, run, state)


@step(timeout=120, retry_delays=PATIENT, retry_if=_again)
async def fetch(context: Context, document: Document) -> StoredObject:
    """The object as S3 holds it, whole and undamaged, or its beginning when it is larger than allowed.

    Raises ObjectMissing, or ObjectStoreUnavailable for trouble that passes.
    """
    store, limit = ObjectStore(context.settings.s3), context.settings.s3.upload_max_bytes
    stored = await store.read(document.bucket, document.key, document.version_id, max_bytes=limit)
    if len(stored.data) < min(stored.size, limit):
        raise ObjectStoreUnavailable("S3 sent less of the object than it announced.")
    if stored.size <= limit and not _is_md5_of(stored.etag, stored.data):
        # After a multipart upload, or encrypted by SSE-KMS or SSE-C, the ETag is no MD5 of the content
        # (S3 API, "Object"). Then two downloads that agree vouch for it.
        again = await store.read(document.bucket, document.key, document.version_id, max_bytes=limit)
        if again.data != stored.data:
            raise ObjectStoreUnavailable("Two downloads of the object differ.")
    return stored


def _is_md5_of(etag: str, data: bytes) -> bool:
    digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return _MD5.fullmatch(etag) is not None and etag == digest


def mismatch(document: Document, stored: StoredObject, limit: int) -> Refusal | None:
    """Why the object is not the one that was announced, or not one we take; None when all is well."""
    if stored.size > limit:
        return Refusal(
            DocumentStatus.REJECTED, f"The file is larger than {limit // 1024**2} MB; upload a smaller photo."
        )
    announced_etag = (document.etag or "").strip('"')
    if announced_etag not in {"", stored.etag} or document.size not in {None, stored.size}:
        return _REPLACED
    return None


@step(timeout=30, retry_delays=PATIENT)
async def record_reading(context: Context, document: Document, reading: Reading) -> Assessed:
    """Keep what was read, assess the application anew and move it on."""
    return await assessing.record_reading(context, document, reading)


@step(timeout=30, retry_delays=PATIENT)
async def record_refusal(context: Context, document: Document, refusal: Refusal) -> Assessed:
    """Keep why there is nothing to read; a person looks."""
    return await assessing.record_refusal(context, document, refusal)


@step(timeout=60)
async def report(result: Reading | Refusal, assessed: Assessed) -> None:
    """Leave a report of the run in Prefect's UI."""
    await run_report.publish(result, assessed.assessment)


@step(timeout=60, retry_delays=PATIENT)
async def hand_over(
    context: Context, document: Document, result: Reading | Refusal, assessed: Assessed
) -> None:
    """Tell the underwriting tool, and keep that it was told.

    Raises UnderwritingToolRefused when telling it again cannot help.
    """
    await handover.hand_over(context, document, result, assessed)


@step(timeout=30, retry_delays=PATIENT)
async def record_handover_refused(context: Context, document: Document, status: int) -> None:
    """Keep that the underwriting tool did not take the result; the application stays in review."""
    async with context.sessions.begin() as session:
        await handovers.record_refused(session, document, status=status)
