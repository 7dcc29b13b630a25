"""The loan app's side of the conversation, as the demo and the tests hold it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self

import httpx

View = dict[str, Any]
"""An application as `GET /v1/applications/{id}` answers it."""

UploadForm = dict[str, Any]
"""What `POST /v1/applications/{id}/uploads` answers."""


class Refused(Exception):
    """The gateway or S3 answered with an error; the message holds what it said."""


class LoanApp:
    """A client with the loan app's API key. Every method raises Refused when the answer is an error."""

    def __init__(self, gateway_url: str, key: str) -> None:
        self._http = httpx.AsyncClient(
            base_url=gateway_url, headers={"authorization": f"Bearer {key}"}, trust_env=False, timeout=40
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def register(self, application_id: str, *, name: str, email: str) -> None:
        answer = await self._http.put(
            f"/v1/applications/{application_id}", json={"applicant": {"name": name, "email": email}}
        )
        _accepted(answer)

    async def upload(
        self,
        application_id: str,
        picture: bytes,
        *,
        kind: str = "license-front",
        content_type: str = "image/jpeg",
    ) -> str:
        """Ask for a form and post the picture with it to S3. Returns the object's key."""
        form = await self.open_upload(application_id, kind=kind, content_type=content_type)
        await self.send(form, picture)
        return str(form["key"])

    async def open_upload(
        self, application_id: str, *, kind: str = "license-front", content_type: str = "image/jpeg"
    ) -> UploadForm:
        """Ask the gateway for the form of one upload."""
        answer = await self._http.post(
            f"/v1/applications/{application_id}/uploads", json={"kind": kind, "content_type": content_type}
        )
        _accepted(answer)
        form: UploadForm = answer.json()
        return form

    async def send(self, form: UploadForm, picture: bytes) -> None:
        """Post the picture with the form, as the applicant's browser would."""
        # S3 belongs to somebody else: it gets the form and never our API key.
        async with httpx.AsyncClient(trust_env=False, timeout=40) as s3:
            file = ("picture", picture, form["fields"]["Content-Type"])
            stored = await s3.post(form["url"], data=form["fields"], files={"file": file})
        _accepted(stored)

    async def follow(self, application_id: str) -> AsyncIterator[View]:
        """The application now and after each change, for ever, by long polling."""
        headers: dict[str, str] = {}
        while True:
            answer = await self._http.get(f"/v1/applications/{application_id}", headers=headers)
            if answer.status_code == httpx.codes.NOT_MODIFIED:
                continue
            _accepted(answer)
            yield answer.json()
            headers = {"if-none-match": answer.headers["etag"], "prefer": "wait=20"}


def _accepted(answer: httpx.Response) -> None:
    if answer.is_error:
        request = answer.request
        raise Refused(f"{request.method} {request.url} was answered with {answer.status_code}: {answer.text}")
