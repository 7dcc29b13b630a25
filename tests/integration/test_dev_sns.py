"""The SNS stand-in delivers as SNS does: confirmation first, then signed messages, with its retries."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app import sns
from app.dev.process import free_port
from app.dev.serving import serving
from app.dev.sns import TOPIC_ARN, SnsStandIn
from app.sns_certificates import load_certificate


@dataclass
class Subscriber:
    """An endpoint that keeps what it got and answers as it is told."""

    url: str
    answers: list[int] = field(default_factory=list)
    """Statuses of the next answers; 200 when there are none left, no answer at all for 0."""
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def receive(self, request: Request) -> Response:
        self.got.append((dict(request.headers), await request.body()))
        status = self.answers.pop(0) if self.answers else 200
        if status == 0:
            await asyncio.sleep(1)
        return Response(status_code=status or 200)

    def messages(self) -> list[str]:
        return [json.loads(body)["Message"] for _headers, body in self.got]


@pytest.fixture
async def topic() -> AsyncIterator[SnsStandIn]:
    topic = SnsStandIn(free_port(), retries=3, retry_seconds=0.05, attempt_seconds=0.5)
    started = asyncio.Event()
    running = asyncio.create_task(topic.run(started))
    await started.wait()
    yield topic
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
async def subscriber() -> AsyncIterator[Subscriber]:
    port = free_port()
    subscriber = Subscriber(f"http://127.0.0.1:{port}/sns")
    app = Starlette(routes=[Route("/sns", subscriber.receive, methods=["POST"])])
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(serving(app, port))
        yield subscriber


def confirm(topic: SnsStandIn, token: str, topic_arn: str = TOPIC_ARN) -> str:
    """As the gateway does it: through boto3, in a thread."""
    client = boto3.client(
        "sns",
        endpoint_url=topic.origin,
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
    )
    answer = client.confirm_subscription(TopicArn=topic_arn, Token=token, AuthenticateOnUnsubscribe="true")
    return str(answer["SubscriptionArn"])


async def subscribed(topic: SnsStandIn, subscriber: Subscriber) -> None:
    subscription = topic.subscribe(subscriber.url)
    await topic.settled()
    token = json.loads(subscriber.got[0][1])["Token"]
    assert await asyncio.to_thread(confirm, topic, token) == subscription.arn
    assert subscription.confirmed.is_set()
    subscriber.got.clear()
    topic.deliveries.clear()


async def test_nothing_is_delivered_before_the_subscription_is_confirmed(
    topic: SnsStandIn, subscriber: Subscriber
) -> None:
    subscription = topic.subscribe(subscriber.url)
    topic.publish("too early")
    await topic.settled()
    [(headers, body)] = subscriber.got
    assert headers["x-amz-sns-message-type"] == "SubscriptionConfirmation"
    assert "x-amz-sns-subscription-arn" not in headers
    # Its link works in a browser too, as SNS's does.
    async with httpx.AsyncClient(trust_env=False) as client:
        await client.get(json.loads(body)["SubscribeURL"])
    assert subscription.confirmed.is_set()
    topic.publish("in time")
    await topic.settled()
    assert subscriber.messages()[1:] == ["in time"]


@pytest.mark.parametrize(
    ("token", "topic_arn", "code"),
    [("wrong", TOPIC_ARN, "InvalidParameter"), ("wrong", TOPIC_ARN + "2", "NotFound")],
)
async def test_a_wrong_token_or_topic_confirms_nothing(
    topic: SnsStandIn, subscriber: Subscriber, token: str, topic_arn: str, code: str
) -> None:
    subscription = topic.subscribe(subscriber.url)
    with pytest.raises(ClientError, match=code):
        await asyncio.to_thread(confirm, topic, token, topic_arn)
    assert not subscription.confirmed.is_set()


async def test_a_notification_verifies_with_the_certificate_it_names(
    topic: SnsStandIn, subscriber: Subscriber
) -> None:
    await subscribed(topic, subscriber)
    message_id = topic.publish("hello", "a subject")
    await topic.settled()
    [(headers, body)] = subscriber.got
    assert headers["content-type"] == "text/plain; charset=UTF-8"
    assert headers["x-amz-sns-message-id"] == message_id
    message = sns.parse(body)
    sns.check_headers(message, headers)
    async with httpx.AsyncClient(trust_env=False) as client:
        certificate = load_certificate((await client.get(message.signing_cert_url)).content)
    sns.verify(message, certificate, now=datetime.now(UTC), extra_origins=[topic.origin])


@pytest.mark.parametrize(
    ("answers", "statuses"),
    [
        ([503, 500, 200], [503, 500, 200]),
        ([503] * 5, [503] * 4),
        ([0, 200], [None, 200]),
        ([403], [403]),
        ([429], [429]),
    ],
    ids=["5xx is tried again", "three times", "no answer is tried again", "4xx never", "429 neither"],
)
async def test_retries(
    topic: SnsStandIn, subscriber: Subscriber, answers: list[int], statuses: list[int | None]
) -> None:
    await subscribed(topic, subscriber)
    subscriber.answers = answers
    topic.publish("hello")
    await topic.settled()
    assert [delivery.status for delivery in topic.deliveries] == statuses
    assert [delivery.attempt for delivery in topic.deliveries] == list(range(1, len(statuses) + 1))
    assert len({body for _headers, body in subscriber.got}) == 1, "a retry is the same message"


async def test_a_message_can_be_delivered_again_or_under_a_chosen_id(
    topic: SnsStandIn, subscriber: Subscriber
) -> None:
    await subscribed(topic, subscriber)
    message_id = topic.publish("hello")
    await topic.settled()
    topic.redeliver(message_id)
    await topic.settled()
    assert subscriber.got[0][1] == subscriber.got[1][1]
    chosen = "9d2c5580-b61d-550c-8583-37a582870907"
    assert topic.publish("hello", message_id=chosen) == chosen


async def test_messages_can_be_held_and_reordered(topic: SnsStandIn, subscriber: Subscriber) -> None:
    await subscribed(topic, subscriber)
    topic.hold()
    topic.publish("first")
    topic.publish("second")
    await topic.settled()
    assert subscriber.got == []
    assert topic.held is not None
    topic.held.reverse()
    topic.release()
    await topic.settled()
    assert sorted(subscriber.messages()) == ["first", "second"]
    assert topic.held is None
