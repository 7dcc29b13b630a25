"""A stand-in for one SNS topic with HTTP subscriptions: confirmation first, signed envelopes, retries.

It delivers as AWS does (SNS Developer Guide, "Fanout to HTTPS endpoints" and "Message delivery retries"):
nothing before the subscription is confirmed, one attempt lasts at most 15 s, timeouts and 5xx are tried
again after 20 s up to three times, 4xx never. Beyond AWS it does on demand what SNS does rarely: deliver
twice, late, or in another order.
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import parse_qs, urlencode

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.dev.serving import serving
from app.dev.sns_signing import Signer, now

TOPIC_ARN = "arn:aws:sns:us-east-1:123456789012:sluice-uploads"

MessageType = Literal["Notification", "SubscriptionConfirmation"]


@dataclass
class Subscription:
    """One endpoint that wants the topic's messages, and what proves that it does."""

    endpoint: str
    arn: str = field(default_factory=lambda: f"{TOPIC_ARN}:{uuid.uuid4()}")
    token: str = field(default_factory=lambda: secrets.token_hex(144))
    confirmed: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class Delivery:
    """One attempt, begun `at`. `status` is None when no answer came; `message` is what was published."""

    message_id: str
    message_type: MessageType
    message: str
    attempt: int
    status: int | None
    seconds: float
    at: datetime


@dataclass(frozen=True)
class _Message:
    message_id: str
    message_type: MessageType
    subscription: Subscription
    text: str
    body: bytes
    topic_arn: str = TOPIC_ARN


class SnsStandIn:
    """The topic `TOPIC_ARN`, its API and its deliveries, within an event loop.

    `origin` serves the signing certificate and the Query API's ConfirmSubscription. `deliveries` lists every
    attempt in the order they ended.
    """

    def __init__(
        self,
        port: int,
        *,
        host: str = "127.0.0.1",
        origin: str | None = None,
        retries: int = 3,
        retry_seconds: float = 20.0,
        attempt_seconds: float = 15.0,
    ) -> None:
        """It listens on `host`; `origin` is where subscribers find it, when that is elsewhere."""
        self.port = port
        self.host = host
        self.origin = origin or f"http://127.0.0.1:{port}"
        self.retries = retries
        self.retry_seconds = retry_seconds
        self.attempt_seconds = attempt_seconds
        self.subscriptions: list[Subscription] = []
        self.deliveries: list[Delivery] = []
        self.held: list[_Message] | None = None
        """Messages kept back since `hold`, in the order they would go out; None when nothing is kept."""
        self._signer = Signer(self.origin)
        # Made once: it costs every delivery 25 ms of CPU otherwise.
        self._tls = ssl.create_default_context()
        self._sent: dict[str, list[_Message]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, started: asyncio.Event) -> None:
        """Serve until cancelled; `started` is set once requests are answered."""
        app = Starlette(
            routes=[
                Route("/", self._api, methods=["GET", "POST"]),
                Route(self._signer.certificate_path, self._certificate),
            ]
        )
        try:
            async with serving(app, self.port, self.host):
                started.set()
                await asyncio.Event().wait()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def subscribe(self, endpoint: str) -> Subscription:
        """Ask `endpoint` to confirm; it gets messages from when its `confirmed` is set."""
        subscription = Subscription(endpoint)
        self.subscriptions.append(subscription)
        query = {"Action": "ConfirmSubscription", "TopicArn": TOPIC_ARN, "Token": subscription.token}
        message_id = str(uuid.uuid4())
        body = self._signer.envelope(
            {
                "Type": "SubscriptionConfirmation",
                "MessageId": message_id,
                "Token": subscription.token,
                "TopicArn": TOPIC_ARN,
                "Message": f"You have chosen to subscribe to the topic {TOPIC_ARN}.\nTo confirm the "
                "subscription, visit the SubscribeURL included in this message.",
                "SubscribeURL": f"{self.origin}/?{urlencode(query, safe=':')}",
                "Timestamp": now(),
            }
        )
        self._send(_Message(message_id, "SubscriptionConfirmation", subscription, "", body))
        return subscription

    def publish(
        self,
        message: str,
        subject: str | None = None,
        *,
        message_id: str | None = None,
        signature_version: Literal[1, 2] = 2,
        topic_arn: str = TOPIC_ARN,
    ) -> str:
        """Send a notification to every confirmed subscription and return its MessageId.

        It may say that it comes from another topic, to which the endpoint is taken to be subscribed too.
        """
        message_id = message_id or str(uuid.uuid4())
        content = {
            "Type": "Notification",
            "MessageId": message_id,
            "TopicArn": topic_arn,
            **({} if subject is None else {"Subject": subject}),
            "Message": message,
            "Timestamp": now(),
        }
        for subscription in self.subscriptions:
            if subscription.confirmed.is_set():
                query = {"Action": "Unsubscribe", "SubscriptionArn": subscription.arn}
                body = self._signer.envelope(
                    content,
                    signature_version=signature_version,
                    unsubscribe_url=f"{self.origin}/?{urlencode(query, safe=':')}",
                )
                self._send(_Message(message_id, "Notification", subscription, message, body, topic_arn))
        return message_id

    def redeliver(self, message_id: str) -> None:
        """Send the very same bytes once more, as SNS does when it missed our answer."""
        for message in list(self._sent[message_id]):
            self._send(message)

    def hold(self) -> None:
        """Keep messages back from now on; a test may reorder `held` before it calls `release`."""
        self.held = []

    def release(self) -> None:
        """Send what was held, in its present order, and hold no more."""
        held, self.held = self.held or [], None
        for message in held:
            self._send(message)

    async def settled(self) -> None:
        """Wait until every message was taken, refused or given up."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _send(self, message: _Message) -> None:
        if self.held is not None:
            self.held.append(message)
            return
        sent = self._sent.setdefault(message.message_id, [])
        if message not in sent:
            sent.append(message)
        task = asyncio.create_task(self._deliver(message), name=f"delivery of {message.message_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, message: _Message) -> None:
        # Each message on a connection of its own; `_attempt` limits the time.
        async with httpx.AsyncClient(trust_env=False, timeout=None, verify=self._tls) as client:  # noqa: S113
            for attempt in range(1, self.retries + 2):
                began, at = time.monotonic(), datetime.now(UTC)
                status = await self._attempt(client, message)
                self.deliveries.append(
                    Delivery(
                        message_id=message.message_id,
                        message_type=message.message_type,
                        message=message.text,
                        attempt=attempt,
                        status=status,
                        seconds=time.monotonic() - began,
                        at=at,
                    )
                )
                if status is not None and status < 500:
                    return
                if attempt <= self.retries:
                    await asyncio.sleep(self.retry_seconds)

    async def _attempt(self, client: httpx.AsyncClient, message: _Message) -> int | None:
        headers = {
            "Content-Type": "text/plain; charset=UTF-8",
            "User-Agent": "Amazon Simple Notification Service Agent",
            "x-amz-sns-message-type": message.message_type,
            "x-amz-sns-message-id": message.message_id,
            "x-amz-sns-topic-arn": message.topic_arn,
        }
        if message.message_type == "Notification":
            arn = message.subscription.arn.replace(TOPIC_ARN, message.topic_arn)
            headers["x-amz-sns-subscription-arn"] = arn
        try:
            async with asyncio.timeout(self.attempt_seconds):
                answer = await client.post(
                    message.subscription.endpoint, content=message.body, headers=headers
                )
        except (httpx.HTTPError, TimeoutError):
            return None
        return answer.status_code

    async def _certificate(self, _request: Request) -> Response:
        return Response(self._signer.certificate_pem, media_type="application/x-pem-file")

    async def _api(self, request: Request) -> Response:
        """The Query API, as far as a subscriber needs it (SNS API Reference, ConfirmSubscription)."""
        form = request.url.query if request.method == "GET" else (await request.body()).decode()
        query = {name: values[0] for name, values in parse_qs(form).items()}
        if query.get("Action") != "ConfirmSubscription":
            return _error(400, "InvalidAction", "Only ConfirmSubscription is implemented.")
        if query.get("TopicArn") != TOPIC_ARN:
            return _error(404, "NotFound", "Topic does not exist")
        for subscription in self.subscriptions:
            if secrets.compare_digest(subscription.token, query.get("Token", "")):
                subscription.confirmed.set()
                return _xml(
                    200,
                    "ConfirmSubscriptionResponse",
                    "<ConfirmSubscriptionResult>"
                    f"<SubscriptionArn>{subscription.arn}</SubscriptionArn>"
                    "</ConfirmSubscriptionResult>"
                    f"<ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata>",
                )
        return _error(400, "InvalidParameter", "Invalid token")


def _error(status: int, code: str, message: str) -> Response:
    return _xml(
        status,
        "ErrorResponse",
        f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        f"<RequestId>{uuid.uuid4()}</RequestId>",
    )


def _xml(status: int, root: str, content: str) -> Response:
    return Response(
        f'<{root} xmlns="http://sns.amazonaws.com/doc/2010-03-31/">{content}</{root}>',
        status_code=status,
        media_type="text/xml",
    )
