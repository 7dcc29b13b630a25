"""What the gateway asks of SNS: signing certificates, and the confirmation of a subscription."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import boto3
import httpx
import structlog
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from app import errors, sns
from app.settings import SnsSettings
from app.sns_certificates import (
    SigningCertificate,
    check_certificate_url,
    load_certificate,
    parse_topic_arn,
)

log = structlog.get_logger()

_Entry = TypeVar("_Entry")

_MAX_CERTIFICATE_BYTES = 16 * 1024
_MAX_ENTRIES = 64
_MAX_FETCHES = 8
"""Fetches under way at once. A forger who knows a listed topic can name certificates that do not exist."""

_TOKEN_SPENT = {"InvalidParameter", "InvalidParameterException"}
_TOPIC_GONE = {"NotFound", "NotFoundException"}


class CertificateCache:
    """Signing certificates by URL: each fetched once, by one request, however many messages wait for it.

    Failures are remembered for `failure_seconds`, so that a burst of messages does not become a burst of
    fetches. Both memories are bounded and forget what was used longest ago. The caller has checked the URL
    (`sns_certificates.check_certificate_url`) and checks the certificate at every use.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        timeout_seconds: float = 5.0,
        failure_seconds: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`timeout_seconds` is for a whole fetch; SNS waits 15 s for our answer in all."""
        self._client = client
        self._timeout_seconds = timeout_seconds
        self._failure_seconds = failure_seconds
        self._clock = clock
        self._certificates: OrderedDict[str, SigningCertificate] = OrderedDict()
        self._failures: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._fetches: dict[str, asyncio.Task[SigningCertificate | errors.CertificateUnavailable]] = {}

    async def get(self, url: str) -> SigningCertificate:
        """Return the certificate, fetching it if need be. Raises CertificateUnavailable: 503, SNS retries."""
        if (certificate := self._certificates.get(url)) is not None:
            self._certificates.move_to_end(url)
            return certificate
        failed_at, reason = self._failures.get(url, (float("-inf"), ""))
        if self._clock() - failed_at < self._failure_seconds:
            raise errors.CertificateUnavailable(reason)
        # Shielded: a caller that goes away must not take the fetch from the others that wait for it.
        outcome = await asyncio.shield(self._fetch_once(url))
        if isinstance(outcome, errors.CertificateUnavailable):
            raise errors.CertificateUnavailable(outcome.detail)
        return outcome

    def _fetch_once(self, url: str) -> asyncio.Task[SigningCertificate | errors.CertificateUnavailable]:
        if url not in self._fetches:
            if len(self._fetches) >= _MAX_FETCHES:
                raise errors.CertificateUnavailable(
                    "Too many signing certificates are being fetched at once."
                )
            self._fetches[url] = asyncio.create_task(self._fetch(url), name="sns-certificate")
        return self._fetches[url]

    async def _fetch(self, url: str) -> SigningCertificate | errors.CertificateUnavailable:
        """Fetch and remember. An error is returned, not raised: every caller may have gone away."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                certificate = load_certificate(await self._download(url))
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, errors.CertificateUnavailable) as error:
            reason = f"The signing certificate cannot be fetched: {str(error) or type(error).__name__}"
            log.warning("sns_certificate_unavailable", url=url, reason=reason)
            _remember(self._failures, url, (self._clock(), reason))
            return errors.CertificateUnavailable(reason)
        else:
            log.info("sns_certificate_fetched", url=url, not_after=certificate.not_after.isoformat())
            _remember(self._certificates, url, certificate)
            return certificate
        finally:
            del self._fetches[url]

    async def _download(self, url: str) -> bytes:
        # Unencoded and counted as it arrives, so that no answer can grow beyond the limit.
        headers = {"accept-encoding": "identity"}
        async with self._client.stream("GET", url, headers=headers, follow_redirects=False) as response:
            if response.status_code != httpx.codes.OK:
                raise errors.CertificateUnavailable(f"the answer was {response.status_code}.")
            pem = bytearray()
            async for chunk in response.aiter_raw():
                pem += chunk
                if len(pem) > _MAX_CERTIFICATE_BYTES:
                    raise errors.CertificateUnavailable(f"it is larger than {_MAX_CERTIFICATE_BYTES} bytes.")
            return bytes(pem)


def _remember(memory: OrderedDict[str, _Entry], url: str, entry: _Entry) -> None:
    memory[url] = entry
    memory.move_to_end(url)
    if len(memory) > _MAX_ENTRIES:
        memory.popitem(last=False)


async def check_signature(
    certificates: CertificateCache, settings: SnsSettings, message: sns.Message, *, now: datetime
) -> None:
    """Check that SNS signed the message, valid at `now`; its certificate is fetched from SNS alone.

    Raises SignatureInvalid, or CertificateUnavailable when the certificate cannot be had.
    """
    origins = settings.extra_certificate_origins
    check_certificate_url(message.signing_cert_url, message.topic_arn, origins)
    certificate = await certificates.get(message.signing_cert_url)
    sns.verify(message, certificate, now=now, extra_origins=origins)


async def confirm_subscription(settings: SnsSettings, topic_arn: str, token: str) -> str | None:
    """Confirm the subscription that `token` was sent for, and return its ARN.

    Calls ConfirmSubscription in the topic's own region instead of following SubscribeURL, which would be a
    request to wherever the message says. From then on only its owner, signing in, can unsubscribe us
    (AuthenticateOnUnsubscribe); AWS wants credentials for that, taken from boto3's own chain. To be called
    for listed topics only.

    Returns None when SNS takes the token no more. SNS does not say why, but the token of a message it signed
    was right once: it has been used, by an attempt of ours that we do not remember or by somebody who
    followed the SubscribeURL, or it has expired. Neither a retry nor an error would change that.

    Raises SubscriptionRefused when the topic is gone, Unavailable for everything else.
    """
    region = parse_topic_arn(topic_arn).region
    try:
        return await asyncio.to_thread(_confirm, settings.endpoint_url, region, topic_arn, token)
    except ClientError as error:
        # The code alone: SNS may quote the token in its message, and boto3 quotes that.
        code = error.response.get("Error", {}).get("Code", "unknown")
        if code in _TOKEN_SPENT:
            log.warning(
                "SNS takes the token no more: look whether the subscription is confirmed", topic=topic_arn
            )
            return None
        if code in _TOPIC_GONE:
            raise errors.SubscriptionRefused(
                f"SNS has no topic {topic_arn} any more ({code}), so there is nothing to subscribe to."
            ) from None
        raise errors.Unavailable(
            f"SNS did not confirm the subscription to {topic_arn} ({code}). "
            "Check that the gateway's AWS credentials allow sns:ConfirmSubscription."
        ) from None
    except BotoCoreError as error:
        raise errors.Unavailable(f"SNS cannot be asked to confirm the subscription: {error}") from error


def _confirm(endpoint_url: str | None, region: str, topic_arn: str, token: str) -> str:
    # A session of its own: boto3's default session must not be shared between threads.
    client = boto3.session.Session().client(
        "sns",
        region_name=region,
        endpoint_url=endpoint_url,
        # In all less than the 15 s that SNS waits for our answer.
        config=Config(
            connect_timeout=2, read_timeout=4, retries={"mode": "standard", "total_max_attempts": 2}
        ),
    )
    answer = client.confirm_subscription(TopicArn=topic_arn, Token=token, AuthenticateOnUnsubscribe="true")
    return answer["SubscriptionArn"]
