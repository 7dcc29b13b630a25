"""The stand-ins for AWS, the mail server and the underwriting tool, each as a service of its own.

`python -m app.dev.stand_ins sns|mail|underwriter` serves until SIGTERM; `… journey` sends one document the
whole way and ends. All read the settings that the gateway and the flows read, which say where each is to be
found. S3 itself is `python -m moto.server`.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from app.dev import bucket, journey
from app.dev.journey import GATEWAY
from app.dev.loan_app import Refused
from app.dev.mail import MailSink
from app.dev.sns import SnsStandIn
from app.dev.timeline import StepFailed
from app.dev.underwriter import Underwriter, by_checks
from app.errors import Misconfigured
from app.settings import Settings
from app.telemetry import configure_logging

log = structlog.get_logger()

Value = TypeVar("Value")

EVERYWHERE = "0.0.0.0"  # noqa: S104 (within a container)
READY = Path("/tmp/ready")  # noqa: S108 (a container's own)
"""Exists once the stand-in does its work: what a health check looks at."""


async def sns(settings: Settings) -> None:
    """The topic with its one subscription, the gateway's, and the bucket, whose events go to the topic.

    A bucket that was lost, since S3's stand-in keeps it in memory, is made again.
    """
    endpoint = _set(settings.sns.endpoint_url, "SLUICE_SNS_ENDPOINT_URL")
    stand_in = SnsStandIn(
        urlsplit(endpoint).port or 80, host=EVERYWHERE, origin=endpoint, retries=30, retry_seconds=2
    )
    started = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(stand_in.run(started))
        await started.wait()
        await _subscribe(stand_in)
        while True:
            try:
                await _forward(settings, stand_in)
            except (BotoCoreError, ClientError) as error:
                _say_ready(False)
                log.warning("S3's stand-in does not answer", error=type(error).__name__)
                await asyncio.sleep(1)


async def _subscribe(stand_in: SnsStandIn) -> None:
    while True:
        subscription = stand_in.subscribe(f"{GATEWAY}/v1/sns")
        with suppress(TimeoutError):
            await asyncio.wait_for(subscription.confirmed.wait(), 60)
            return


async def _forward(settings: Settings, stand_in: SnsStandIn) -> None:
    endpoint = _set(settings.s3.endpoint_url, "SLUICE_S3_ENDPOINT_URL")
    queue_url = await asyncio.to_thread(bucket.create_bucket, endpoint, settings.s3.bucket)
    _say_ready()
    await bucket.forward_events(endpoint, queue_url, stand_in.publish)


async def mail(settings: Settings) -> None:
    """A mailbox for everybody; each mail is a file in the current folder."""
    sink = MailSink(settings.mail.smtp_port, Path(), host=EVERYWHERE)
    await sink.start()
    _say_ready()
    await asyncio.Event().wait()


async def underwriter(settings: Settings) -> None:
    """The tool that is handed what was read, and approves what passed every check that counts."""
    url = _set(settings.underwriting.url, "SLUICE_UNDERWRITING_URL")
    secret = _set(settings.underwriting.webhook_secret, "SLUICE_UNDERWRITING_WEBHOOK_SECRET")
    signing = settings.decisions.webhook_secrets
    tool = Underwriter(
        urlsplit(url).port or 80,
        GATEWAY,
        signing[0].get_secret_value() if signing else _set("", "SLUICE_DECISIONS_WEBHOOK_SECRETS"),
        rule=by_checks,
        host=EVERYWHERE,
        secret=secret.get_secret_value(),
    )
    started = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(tool.run(started))
        await started.wait()
        _say_ready()


def _say_ready(is_ready: bool = True) -> None:
    if is_ready:
        READY.touch()
    else:
        READY.unlink(missing_ok=True)


def _set(value: Value | None, name: str) -> Value:
    if not value:
        raise Misconfigured(f"{name} is not set.")
    return value


async def _until_told(work: Callable[[Settings], Awaitable[None]], settings: Settings) -> None:
    task = asyncio.ensure_future(work(settings))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


def main() -> None:
    """`argv` names the stand-in. Exits with 1 and a sentence when it cannot work."""
    services = {"sns": sns, "mail": mail, "underwriter": underwriter, "journey": journey.run}
    settings = Settings()
    configure_logging(settings.log)
    try:
        asyncio.run(_until_told(services[sys.argv[1]], settings))
    except (Misconfigured, Refused, StepFailed) as error:
        sys.exit(f"{sys.argv[1]}: {error}")


if __name__ == "__main__":
    main()
