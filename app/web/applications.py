"""The loan app's endpoints: register an application, let the applicant upload, follow the status."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from app import applications, errors, status
from app.models import ApplicationStatus, new_id
from app.routing import KIND
from app.status import ApplicationView
from app.web import conditional
from app.web.deps import ApplicationId, LoanAppCaller, Parts, StatusReader
from app.web.fields import Email, IsoDate, Text
from app.web.problems import BY_KEY, responses

router = APIRouter(prefix="/v1/applications", tags=["Applications"])

_EXTENSIONS = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "image/tiff": "tiff",
    "image/heic": "heic",
    "image/heif": "heic",
    "image/avif": "avif",
    "application/pdf": "pdf",
}


class ApplicantBody(BaseModel):
    """Who applies. Kept encrypted."""

    model_config = ConfigDict(extra="forbid")

    name: Text
    email: Email
    date_of_birth: IsoDate | None = None


class RegisterBody(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"applicant": {"name": "Ada Specimen", "email": "ada@example.com"}}]},
    )

    applicant: ApplicantBody


class Registered(BaseModel):
    id: str
    status: ApplicationStatus
    version: int


class UploadBody(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"kind": "license-front", "content_type": "image/jpeg"}]},
    )

    kind: Annotated[str, Field(pattern=rf"^{KIND}$", description="What the picture shows.")]
    content_type: str


class UploadForm(BaseModel):
    """A form to POST as multipart/form-data: every field first, the file last, under the name `file`."""

    url: str
    fields: dict[str, str]
    key: str
    expires_at: datetime
    max_bytes: int


@router.put(
    "/{application_id}",
    summary="Register an application",
    responses={
        201: {"model": Registered, "description": "Registered"},
        **responses(*BY_KEY, errors.Malformed, errors.Purged, errors.Unprocessable),
    },
)
async def register(
    application_id: ApplicationId, body: RegisterBody, parts: Parts, _: LoanAppCaller, response: Response
) -> Registered:
    """Register it before the first upload. Doing it again replaces the applicant."""
    applicant = applications.Applicant(**body.applicant.model_dump())
    async with parts.sessions.begin() as session:
        application, created = await applications.register(session, parts.keyring, application_id, applicant)
    response.status_code = 201 if created else 200
    return Registered(id=application.id, status=application.status, version=application.version)


@router.post(
    "/{application_id}/uploads",
    status_code=201,
    summary="Get a form for one upload",
    responses=responses(*BY_KEY, errors.Malformed, errors.NotFound, errors.Purged, errors.Unprocessable),
)
async def open_upload(
    application_id: ApplicationId, body: UploadBody, parts: Parts, _: LoanAppCaller
) -> UploadForm:
    """The applicant's client sends the file to S3 itself; S3's policy limits its size and type."""
    settings = parts.settings.s3
    if body.content_type not in settings.upload_content_types:
        allowed = ", ".join(settings.upload_content_types)
        raise errors.Unprocessable(f"The content type {body.content_type!r} is not accepted; use {allowed}.")
    async with parts.sessions() as session:
        await status.application(session, application_id)
    # The name is ours: a client's file name may hold personal data, and keys end up in logs and URLs.
    filename = f"{new_id()}.{_EXTENSIONS.get(body.content_type, 'bin')}"
    key = f"applications/{application_id}/{body.kind}/{filename}"
    slot = await parts.store.upload_slot(key, body.content_type)
    return UploadForm(
        url=slot.url,
        fields=slot.fields,
        key=slot.key,
        expires_at=slot.expires_at,
        max_bytes=settings.upload_max_bytes,
    )


@router.get(
    "/{application_id}",
    summary="Read an application's status",
    response_model=ApplicationView,
    responses={
        304: {"description": "The version that If-None-Match names is the current one."},
        **responses(*BY_KEY, errors.NotFound, errors.Purged, errors.Unprocessable, errors.DecryptionFailed),
    },
)
async def read_status(
    application_id: ApplicationId,
    parts: Parts,
    caller: StatusReader,
    if_none_match: conditional.IfNoneMatch = None,
    prefer: conditional.Prefer = None,
) -> Response:
    """Its documents, runs and standing decision, and the kinds of documents that are missing. What was read
    from all documents together, and the decision's note, are shown only to underwriters and operators."""
    watched = conditional.application(parts, application_id, caller)
    return await conditional.read(parts.watchers, watched, if_none_match=if_none_match, prefer=prefer)
