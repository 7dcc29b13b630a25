"""What made other SNS endpoints famous, tried on this one; each test names the CVE it learnt from."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from sqlalchemy import func, select
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.db import Sessions
from app.dev.process import free_port
from app.dev.serving import serving
from app.dev.sns_signing import Signer
from app.models import Notification, Run
from tests.web.conftest import SnsApi, confirmation, notification, s3_event

EVENT = s3_event("applications/A-1/license-front/front.jpg")
STRANGER = "arn:aws:sns:us-east-1:999999999999:stranger"


class Inside:
    """A service inside our network, that nobody outside should make us ask anything."""

    def __init__(self, port: int) -> None:
        self.origin = f"http://127.0.0.1:{port}"
        self.asked: list[str] = []

    async def answer(self, request: Request) -> Response:
        self.asked.append(str(request.url))
        return Response("the cloud's credentials")


@pytest.fixture
async def inside() -> AsyncIterator[Inside]:
    port = free_port()
    inside = Inside(port)
    methods = ["GET", "POST", "HEAD"]
    async with serving(Starlette(routes=[Route("/{path:path}", inside.answer, methods=methods)]), port):
        yield inside


async def _rows(sessions: Sessions) -> int:
    async with sessions() as session:
        runs = await session.scalar(select(func.count()).select_from(Run)) or 0
        return runs + (await session.scalar(select(func.count()).select_from(Notification)) or 0)


@pytest.mark.parametrize("kind", ["SubscriptionConfirmation", "UnsubscribeConfirmation"])
async def test_cve_2019_6715_a_forged_confirmation_makes_us_fetch_nothing(
    client: httpx.AsyncClient, signer: Signer, sns_api: SnsApi, inside: Inside, kind: str
) -> None:
    """W3 Total Cache fetched the SubscribeURL of a confirmation that nobody had signed."""
    signed = signer.envelope(confirmation(Type=kind))
    forged = signed.replace(b"https://sns.us-east-1.amazonaws.com", inside.origin.encode())
    answer = await client.post("/v1/sns", content=forged)

    assert forged != signed
    assert answer.status_code == 403
    assert inside.asked == []
    assert sns_api.calls == []


@pytest.mark.parametrize("kind", ["SubscriptionConfirmation", "UnsubscribeConfirmation"])
async def test_cve_2026_32096_a_subscribe_url_is_not_fetched_even_when_it_is_signed(
    client: httpx.AsyncClient, signer: Signer, sns_api: SnsApi, inside: Inside, kind: str
) -> None:
    """The subscription is confirmed where SNS is, whatever the URL says."""
    content = confirmation(Type=kind, SubscribeURL=f"{inside.origin}/latest/meta-data/")
    answer = await client.post("/v1/sns", content=signer.envelope(content))

    assert answer.status_code == 200
    assert inside.asked == []
    assert len(sns_api.calls) == (kind == "SubscriptionConfirmation")


async def test_cve_2026_42193_a_message_of_anybodys_topic_is_refused_though_sns_signed_it(
    client: httpx.AsyncClient, signer: Signer, sns_api: SnsApi, sessions: Sessions
) -> None:
    """A valid signature was enough there; but every AWS account has one."""
    for content in (notification(EVENT, TopicArn=STRANGER), confirmation(TopicArn=STRANGER)):
        answer = await client.post("/v1/sns", content=signer.envelope(content))
        assert answer.status_code == 403
        assert answer.json()["type"] == "urn:sluice:problem:topic-not-allowed"

    assert sns_api.calls == []
    assert await _rows(sessions) == 0


async def _with_certificate_at(
    client: httpx.AsyncClient, signer: Signer, origin: str, path: str | None = None
) -> httpx.Response:
    signed = signer.envelope(notification(EVENT))
    url = origin + (path or signer.certificate_path)
    return await client.post("/v1/sns", content=signed.replace(signer.certificate_url.encode(), url.encode()))


# A host that was asked in vain would be a 503, not a 403.
@pytest.mark.parametrize(
    "origin",
    [
        "https://bucket-of-anybody.s3.amazonaws.com",
        "https://s3.amazonaws.com/bucket-of-anybody",
        "https://ec2-203-0-113-25.compute-1.amazonaws.com",
        "https://amazonaws.com",
        "https://evil.example/.amazonaws.com",
        "https://evilamazonaws.com",
        "http://sns.us-east-1.amazonaws.com",
    ],
)
async def test_cve_2023_33185_amazons_domain_is_not_sns(
    client: httpx.AsyncClient, signer: Signer, sessions: Sessions, origin: str
) -> None:
    """django-ses took certificates from all of amazonaws.com, where anybody can put a file."""
    answer = await _with_certificate_at(client, signer, origin)

    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:sluice:problem:signature-invalid"
    assert await _rows(sessions) == 0


@pytest.mark.parametrize(
    "origin",
    [
        "https://sns.s3-us-west-2.amazonaws.com",
        "https://sns.us-east-1.amazonaws.com.evil.example",
        "https://sns.us-east-1.amazonaws.com@evil.example",
        "https://sns.us-east-1.amazonaws.com:8443",
        "https://sns.us-east-1.amazonaws.com.cn",
        "https://sns.eu-west-1.amazonaws.com",
        "https://sns-us-east-1.amazonaws.com",
        "https://xsns.us-east-1.amazonaws.com",
    ],
)
async def test_cve_2026_47074_a_host_that_looks_like_sns_is_not_sns(
    client: httpx.AsyncClient, signer: Signer, sessions: Sessions, origin: str
) -> None:
    """A pattern for the host lets more in than SNS: the first of these is a bucket that anybody can own."""
    answer = await _with_certificate_at(client, signer, origin)

    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:sluice:problem:signature-invalid"
    assert await _rows(sessions) == 0


async def test_cve_2026_47074_another_file_at_the_right_host_is_no_certificate_of_sns(
    client: httpx.AsyncClient, signer: Signer, inside: Inside
) -> None:
    sns = "https://sns.us-east-1.amazonaws.com"
    for path in ("/?Action=x.pem", "/evil.pem", "/x/../SimpleNotificationService-" + "0" * 32 + ".pem"):
        assert (await _with_certificate_at(client, signer, sns, path)).status_code == 403
    assert (await _with_certificate_at(client, signer, inside.origin)).status_code == 403
    assert inside.asked == []
