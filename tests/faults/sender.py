"""Thousands of notifications about a few hundred causes: repeated, mixed up, and retried as SNS does."""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from app.dev import specimens
from app.dev.bucket import EVENT_SUBJECT, REGION
from app.dev.sns import Delivery
from app.dev.stack import BUCKET
from tests.faults.rig import Rig

Kind = Literal["upload", "message", "document"]

_MIX_UP_SECONDS = 0.7
_REACHED_THE_GATEWAY = timedelta(seconds=0.1)


@dataclass(frozen=True)
class Load:
    """How much is sent, evenly over `seconds`: so many notifications about so many causes of each kind."""

    uploads: int
    messages: int
    documents: int
    notifications: int
    seconds: float


@dataclass
class Cause:
    """Something that happened in the world: it starts one flow run, however often it is told."""

    kind: Kind
    key: str
    """Of the object in S3; the drill's name for a message."""
    text: str
    """What a notification about it says. For a document S3 says it."""
    message_ids: list[str] = field(default_factory=list)
    """The notifications about it, in the order of publication. A message is its own cause: it has one."""

    @property
    def object_version(self) -> str:
        """As our runs know an object of an unversioned bucket: ETag and sequencer."""
        [record] = json.loads(self.text)["Records"]
        stored = record["s3"]["object"]
        return f"{stored['eTag']}-{stored['sequencer']}"


class Sender:
    """Sends the load through the stack's SNS stand-in, which signs, delivers and retries.

    `notifications` counts what was sent, repetitions of the same message included, SNS's retries not.
    """

    def __init__(self, rig: Rig, load: Load, seed: int) -> None:
        self._rig, self._load = rig, load
        self._sns = rig.stack.sns
        self._chance = random.Random(seed)
        uploads = [_upload(number) for number in range(load.uploads)]
        messages = [_message(number) for number in range(load.messages)]
        self._untold = [*uploads, *messages]
        self._chance.shuffle(self._untold)
        repeated = load.notifications - len(self._untold) - load.documents
        self._queue = [True] * len(self._untold) + [False] * repeated
        """What is still to be sent: True for news, False for what was told before."""
        self._chance.shuffle(self._queue)
        self._documents = [
            Cause("document", f"applications/DRILL-{n}/license-front/{n}.jpg", "")
            for n in range(load.documents)
        ]
        self._told: list[Cause] = []
        self.notifications = 0

    def causes(self) -> list[Cause]:
        """Every cause that was told of at least once."""
        return [*self._told, *(document for document in self._documents if self._was_told(document))]

    def _was_told(self, document: Cause) -> bool:
        """Whether S3 has told of it, and if so, in which notifications."""
        announced = f'"key":"{document.key}"'
        told = [delivery for delivery in self._sns.deliveries if announced in delivery.message]
        document.text = told[0].message if told else ""
        document.message_ids = list(dict.fromkeys(delivery.message_id for delivery in told))
        return bool(told)

    async def run(self) -> None:
        """Send everything; returns when SNS has delivered, or given up, all of it."""
        clock = asyncio.get_running_loop().time
        pause, next_at = self._load.seconds / len(self._queue), clock()
        helpers = [asyncio.create_task(self._upload_documents()), asyncio.create_task(self._mix_up())]
        try:
            while self._queue:
                self._send_next()
                next_at += pause
                await asyncio.sleep(max(0.0, next_at - clock()))
            await helpers[0]
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
            self._sns.release()
        await asyncio.sleep(3)  # S3's last events come by way of a queue
        await self._sns.settled()

    def hurry(self, count: int) -> None:
        """Send the next `count` at once; when nothing is left to send, repeat something."""
        self._sns.release()
        for _ in range(count):
            self._send_next()

    async def under_way(self, moment: datetime) -> list[Delivery]:
        """The attempts that had surely reached the gateway at `moment` and had no answer then."""
        await asyncio.sleep(0.5)
        return [
            attempt
            for attempt in self._sns.deliveries
            if attempt.at + _REACHED_THE_GATEWAY < moment < attempt.at + timedelta(seconds=attempt.seconds)
        ]

    def turned_away(self, since: datetime) -> int:
        """How many attempts begun since then were answered with 503."""
        return sum(attempt.at >= since and attempt.status == 503 for attempt in self._sns.deliveries)

    def answered(self) -> set[str]:
        """The ids of the notifications that were ever answered with 200."""
        return {
            delivery.message_id
            for delivery in self._sns.deliveries
            if delivery.status == 200 and delivery.message_type == "Notification"
        }

    def attempts(self) -> dict[str, int]:
        """How often each answer was given; `none` is no answer in time."""
        counts: dict[str, int] = {}
        for delivery in self._sns.deliveries:
            answer = str(delivery.status or "none")
            counts[answer] = counts.get(answer, 0) + 1
        return counts

    def _send_next(self) -> None:
        self.notifications += 1
        if self._queue.pop() if self._queue else False:
            cause = self._untold.pop()
            self._told.append(cause)
            self._publish([cause])
        else:
            self._repeat()

    def _repeat(self) -> None:
        """The very same message once more, or, about an object, a new one that may name others too."""
        out = [cause for cause in self._told if any(self._is_out(m) for m in cause.message_ids)]
        if not out:
            return
        cause = self._chance.choice(out)
        if cause.kind == "message" or self._chance.random() < 0.4:
            self._sns.redeliver(self._chance.choice([m for m in cause.message_ids if self._is_out(m)]))
            return
        others = self._chance.sample(out, k=min(len(out), 3)) if self._chance.random() < 0.3 else []
        self._publish([cause, *(other for other in others if other.kind == "upload" and other is not cause)])

    def _publish(self, causes: list[Cause]) -> None:
        if causes[0].kind == "message":
            message_id = self._sns.publish(causes[0].text)
        else:
            records = [record for cause in causes for record in json.loads(cause.text)["Records"]]
            message_id = self._sns.publish(json.dumps({"Records": records}), EVENT_SUBJECT)
        for cause in causes:
            cause.message_ids.append(message_id)

    def _is_out(self, message_id: str) -> bool:
        """Whether it has left the stand-in, which holds some back to mix them up."""
        return message_id in self._sns._sent

    async def _mix_up(self) -> None:
        """Now and then hold messages back for a moment, and let them go in another order."""
        while True:
            await asyncio.sleep(self._chance.uniform(0.5, 2.5))
            self._sns.hold()
            await asyncio.sleep(_MIX_UP_SECONDS)
            self._chance.shuffle(self._sns.held or [])
            self._sns.release()

    async def _upload_documents(self) -> None:
        """Real pictures into the bucket, each told twice: by S3, and once more as it was told."""
        today = datetime.now(UTC).date()
        picture = await asyncio.to_thread(
            lambda: specimens.to_jpeg(specimens.both(specimens.person(41, today)))
        )
        for document in self._documents:
            url = f"{self._rig.stack.aws_url}/{BUCKET}/{document.key}"
            answer = await self._rig.http.put(url, content=picture, headers={"content-type": "image/jpeg"})
            answer.raise_for_status()
            self.notifications += 1
            await asyncio.sleep(self._load.seconds / len(self._documents))
            if self._was_told(document):
                self._sns.publish(document.text, EVENT_SUBJECT)
                self.notifications += 1


def _message(number: int) -> Cause:
    return Cause("message", f"message-{number}", json.dumps({"drill": number}))


def _upload(number: int) -> Cause:
    """An object as S3 would tell of it (S3 User Guide, "Event message structure")."""
    key = f"drills/{number:05d}"
    stored = {"key": key, "size": 1_000, "eTag": uuid.uuid5(uuid.NAMESPACE_URL, key).hex}
    record: dict[str, Any] = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": REGION,
        "eventTime": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": BUCKET}, "object": {**stored, "sequencer": f"{number:018X}"}},
    }
    return Cause("upload", key, json.dumps({"Records": [record]}))


def accepted(causes: Iterable[Cause], answered: set[str]) -> list[Cause]:
    """The causes we have promised to act upon: one of their notifications was answered with 200."""
    return [cause for cause in causes if answered.intersection(cause.message_ids)]
