"""Fetching certificates and confirming subscriptions, against real HTTP servers on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import boto3
import httpx
import pytest

from app import errors
from app.settings import SnsSettings
from app.sns_client import CertificateCache, confirm_subscription

PEM = next((Path(__file__).parent.parent / "fixtures" / "sns").glob("*.pem")).read_bytes()
MOVED = b"HTTP/1.1 302 Found\r\nLocation: /else.pem\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
GONE = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def answer(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body


class Origin:
    """A server that counts its requests and answers each with what `reply` returns, byte for byte."""

    def __init__(self) -> None:
        self.base = ""
        self.requests: list[str] = []
        self.asked = asyncio.Semaphore(0)
        """Acquired once per request that has arrived."""
        self.reply: Callable[[], Awaitable[bytes]] = self.serve(answer(PEM))

    @staticmethod
    def serve(raw: bytes) -> Callable[[], Awaitable[bytes]]:
        async def reply() -> bytes:
            return raw

        return reply

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        self.requests.append(request.decode())
        self.asked.release()
        writer.write(await self.reply())
        writer.close()

    def url(self, number: int = 0) -> str:
        return f"{self.base}/SimpleNotificationService-{number:032x}.pem"


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    origin = Origin()
    server = await asyncio.start_server(origin.handle, "127.0.0.1", 0)
    async with server:
        origin.base = "http://{}:{}".format(*server.sockets[0].getsockname())
        yield origin


@asynccontextmanager
async def cache(clock: Callable[[], float], timeout_seconds: float = 5.0) -> AsyncIterator[CertificateCache]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield CertificateCache(client, timeout_seconds=timeout_seconds, failure_seconds=5, clock=clock)


async def test_a_certificate_is_fetched_once_for_all_who_wait_and_for_all_later(origin: Origin) -> None:
    async with cache(Clock()) as certificates:
        first = await asyncio.gather(*(certificates.get(origin.url()) for _ in range(50)))
        again = await certificates.get(origin.url())
    assert len(origin.requests) == 1
    assert all(certificate is again for certificate in first)
    assert again.dns_names == {"sns.amazonaws.com"}


async def test_a_failure_is_answered_from_memory_for_a_short_while_and_then_tried_again(
    origin: Origin,
) -> None:
    clock = Clock()
    origin.reply = origin.serve(GONE)
    async with cache(clock) as certificates:
        for _ in range(3):
            with pytest.raises(errors.CertificateUnavailable, match="404"):
                await certificates.get(origin.url())
        assert len(origin.requests) == 1
        origin.reply = origin.serve(answer(PEM))
        clock.seconds = 5
        await certificates.get(origin.url())
    assert len(origin.requests) == 2


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (MOVED, "302"),
        (answer(b"<html>Blocked by policy</html>"), "not one"),
        (answer(b"A" * 16_385), "larger than 16384"),
        (b"not HTTP at all\r\n\r\n", "cannot be fetched"),
        (b"", "cannot be fetched"),
    ],
)
async def test_whatever_else_is_served_is_a_503_for_sns_to_try_again(
    origin: Origin, raw: bytes, reason: str
) -> None:
    origin.reply = origin.serve(raw)
    async with cache(Clock()) as certificates:
        with pytest.raises(errors.CertificateUnavailable, match=reason) as raised:
            await certificates.get(origin.url())
    assert raised.value.status == 503
    assert len(origin.requests) == 1, "a redirect is not followed"


async def test_a_compressed_answer_is_not_asked_for_and_not_unpacked(origin: Origin) -> None:
    origin.reply = origin.serve(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n" + PEM
    )
    async with cache(Clock()) as certificates:
        await certificates.get(origin.url())
    assert "accept-encoding: identity" in origin.requests[0].lower()


async def test_a_server_that_dawdles_is_given_up(origin: Origin) -> None:
    async def dawdle() -> bytes:
        await asyncio.sleep(1)
        return answer(PEM)

    origin.reply = dawdle
    async with cache(Clock(), timeout_seconds=0.05) as certificates:
        with pytest.raises(errors.CertificateUnavailable, match="TimeoutError"):
            await certificates.get(origin.url())


async def test_nobody_listening_is_a_503(origin: Origin) -> None:
    async with cache(Clock()) as certificates:
        with pytest.raises(errors.CertificateUnavailable):
            await certificates.get("http://127.0.0.1:1/SimpleNotificationService-x.pem")


async def test_a_caller_that_goes_away_does_not_take_the_fetch_from_the_others(origin: Origin) -> None:
    go = asyncio.Event()

    async def wait() -> bytes:
        await go.wait()
        return answer(PEM)

    origin.reply = wait
    async with cache(Clock()) as certificates:
        leaving = asyncio.create_task(certificates.get(origin.url()))
        staying = asyncio.create_task(certificates.get(origin.url()))
        await origin.asked.acquire()
        leaving.cancel()
        go.set()
        assert await staying
    assert leaving.cancelled()
    assert len(origin.requests) == 1


async def test_forged_urls_cannot_start_more_than_a_few_fetches_at_once(origin: Origin) -> None:
    go = asyncio.Event()

    async def wait() -> bytes:
        await go.wait()
        return GONE

    origin.reply = wait
    async with cache(Clock()) as certificates:
        waiting = [asyncio.create_task(certificates.get(origin.url(number))) for number in range(20)]
        for _ in range(8):
            await origin.asked.acquire()
        go.set()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(outcome, errors.CertificateUnavailable) for outcome in outcomes)
    assert len(origin.requests) == 8


async def test_the_memory_is_bounded_and_forgets_what_was_used_longest_ago(origin: Origin) -> None:
    async with cache(Clock()) as certificates:
        for number in range(64):
            await certificates.get(origin.url(number))
        await certificates.get(origin.url(0))
        await certificates.get(origin.url(64))
        assert len(origin.requests) == 65
        await certificates.get(origin.url(0))
        assert len(origin.requests) == 65
        await certificates.get(origin.url(1))
        assert len(origin.requests) == 66


@pytest.fixture
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the developer's own machine has configured for AWS is not to be used."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def credentials(no_credentials: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


@pytest.mark.usefixtures("credentials")
async def test_a_subscription_is_confirmed_in_the_region_of_its_topic(moto_url: str) -> None:
    sns = boto3.session.Session().client("sns", region_name="eu-west-1", endpoint_url=moto_url)
    topic = sns.create_topic(Name="uploads")["TopicArn"]
    settings = SnsSettings(endpoint_url=moto_url)
    arn = await confirm_subscription(settings, topic, "token")
    assert arn is not None
    assert arn.startswith(f"{topic}:")
    assert await confirm_subscription(settings, topic, "token") == arn


@pytest.mark.usefixtures("credentials")
async def test_a_topic_that_is_gone_refuses_its_token_for_good(moto_url: str) -> None:
    topic = "arn:aws:sns:eu-west-1:123456789012:gone"
    with pytest.raises(errors.SubscriptionRefused, match=topic) as raised:
        await confirm_subscription(SnsSettings(endpoint_url=moto_url), topic, "the-token")
    assert "the-token" not in raised.value.detail


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (404, "NotFound", errors.SubscriptionRefused),
        (403, "AuthorizationError", errors.Unavailable),
        (403, "SubscriptionLimitExceeded", errors.Unavailable),
        (500, "InternalError", errors.Unavailable),
    ],
)
async def test_only_a_topic_that_is_gone_is_final(
    origin: Origin, status: int, code: str, error: type[errors.SluiceError]
) -> None:
    body = (
        f"<ErrorResponse><Error><Code>{code}</Code><Message>bad the-token</Message></Error></ErrorResponse>"
    ).encode()
    head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
    origin.reply = origin.serve(head + body)
    with pytest.raises(error, match=code) as raised:
        await confirm_subscription(
            SnsSettings(endpoint_url=origin.base), "arn:aws:sns:eu-west-1:123456789012:uploads", "the-token"
        )
    assert "the-token" not in raised.value.detail


@pytest.mark.usefixtures("credentials")
async def test_a_token_that_was_used_before_is_no_error(origin: Origin) -> None:
    body = b"<ErrorResponse><Error><Code>InvalidParameter</Code><Message>x</Message></Error></ErrorResponse>"
    head = f"HTTP/1.1 400 X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
    origin.reply = origin.serve(head + body)
    topic = "arn:aws:sns:eu-west-1:123456789012:uploads"
    assert await confirm_subscription(SnsSettings(endpoint_url=origin.base), topic, "the-token") is None


@pytest.mark.usefixtures("credentials")
async def test_sns_out_of_reach_is_a_503() -> None:
    settings = SnsSettings(endpoint_url="http://127.0.0.1:1")
    with pytest.raises(errors.Unavailable):
        await confirm_subscription(settings, "arn:aws:sns:eu-west-1:123456789012:uploads", "token")


@pytest.mark.usefixtures("no_credentials")
async def test_missing_credentials_are_our_trouble(moto_url: str) -> None:
    with pytest.raises(errors.Unavailable, match="credentials"):
        await confirm_subscription(
            SnsSettings(endpoint_url=moto_url), "arn:aws:sns:eu-west-1:123456789012:uploads", "token"
        )
