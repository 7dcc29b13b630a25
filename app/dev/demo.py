"""The demo: a stack is started, and one identity document travels the whole way through it."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import httpx
from rich.console import Console
from rich.text import Text

from app.dev import specimens
from app.dev.folder import shown
from app.dev.loan_app import LoanApp, View
from app.dev.mail import Mail
from app.dev.stack import Stack
from app.dev.timeline import Step, decided_at, follow, read_at, run_time, say, show, tell_decision
from app.dev.underwriter import Handover, Ruling, by_checks
from app.models import Role

APPLICATION = "A-1001"
OPEN_APPLICATION = "A-1002"
"""Left in review, for whoever watches the demo to decide."""

EMAIL = "applicant@example.com"
SEED = 7

_FIELDS = {
    "name": ("FIRST_NAME", "MIDDLE_NAME", "LAST_NAME"),
    "born": ("DATE_OF_BIRTH",),
    "number": ("DOCUMENT_NUMBER",),
    "issued": ("DATE_OF_ISSUE",),
    "expires": ("EXPIRATION_DATE",),
    "address": ("ADDRESS", "CITY_IN_ADDRESS", "STATE_IN_ADDRESS", "ZIP_CODE_IN_ADDRESS"),
}


class Demo:
    """With `stay` everything is left running after the email, with addresses and commands to try."""

    def __init__(self, console: Console, *, stay: bool) -> None:
        self._console = console
        self._stay = stay
        self._stack = Stack(rule=_rule, on_ready=self._part_is_ready)
        self._picture = self._stack.folder.path / "license.jpg"
        self._keys: dict[Role, str] = {}

    async def run(self) -> None:
        """Raises PartFailed, StepFailed or Refused; everything is stopped on the way out."""
        with self._console.status("Starting the stack …"):
            await self._stack.start()
        try:
            story = asyncio.create_task(self._story())
            watch = asyncio.create_task(self._stack.watch())
            try:
                await asyncio.wait([story, watch], return_when=asyncio.FIRST_COMPLETED)
                if story.done() and story.exception() is not None:
                    # If a part crashed, that explains it better and shows within a moment.
                    await asyncio.wait([watch], timeout=1)
                (watch if watch.done() else story).result()
            finally:
                story.cancel()
                watch.cancel()
                await asyncio.gather(story, watch, return_exceptions=True)
        finally:
            with self._console.status("Stopping …"):
                await self._stack.stop()

    def _part_is_ready(self, part: str, seconds: float) -> None:
        self._console.print(Text(f"{seconds:6.1f} s  {part}"))

    async def _story(self) -> None:
        for role in Role:
            self._keys[role] = await self._stack.create_key(role, f"{role} (demo)")
        async with LoanApp(self._stack.gateway_url, self._keys[Role.LOAN_APP]) as loan_app:
            self._console.print()
            uploaded_at = await self._upload(loan_app, APPLICATION)
            show(self._console, "uploaded", 0, [f"{shown(self._picture)} to S3, by the presigned form"])
            view = await follow(self._console, loan_app.follow(APPLICATION), self._steps(), since=uploaded_at)
            if self._stay:
                with self._console.status("Preparing an application for you to decide …"):
                    await self._upload(loan_app, OPEN_APPLICATION)
                    async for other in loan_app.follow(OPEN_APPLICATION):
                        if other["status"] == "in_review":
                            break
                self._print_what_to_try(view)
                await asyncio.Event().wait()

    async def _upload(self, loan_app: LoanApp, application_id: str) -> datetime:
        """Register somebody who does not exist and upload their licence. Returns when that was done."""
        somebody = specimens.person(SEED, datetime.now(UTC).date())
        picture = await asyncio.to_thread(lambda: specimens.to_jpeg(specimens.both(somebody)))
        self._picture.write_bytes(picture)
        name = f"{somebody.first} {somebody.last}".title()
        await loan_app.register(application_id, name=name, email=EMAIL)
        await loan_app.upload(application_id, picture)
        return datetime.now(UTC)

    def _steps(self) -> list[Step]:
        gateway, worker = self._stack.gateway.log, self._stack.worker.log
        return [
            Step("notified", gateway, self._notified_at, say("by SNS, with a signed message")),
            Step(
                "committed", gateway, run_time("accepted_at"), say("to PostgreSQL, before SNS was answered")
            ),
            Step("dispatched", gateway, run_time("dispatched_at"), self._tell_flow_run),
            Step("running", worker, run_time("started_at"), say("in a process the worker started")),
            Step("read", worker, read_at, self._tell_what_was_read),
            Step("in review", worker, self._in_review_at, say("and handed to the underwriting tool")),
            Step("decided", gateway, decided_at, tell_decision),
            Step("emailed", worker, self._emailed_at, self._tell_mail),
        ]

    def _notified_at(self, _view: View) -> datetime | None:
        for delivery in self._stack.sns.deliveries:
            if delivery.message_type == "Notification" and APPLICATION in delivery.message:
                return delivery.at
        return None

    def _in_review_at(self, _view: View) -> datetime | None:
        handovers = self._stack.underwriter.handovers
        return handovers[0].at if handovers else None

    def _emailed_at(self, _view: View) -> datetime | None:
        mails = self._decision_mails()
        return mails[0].at if mails else None

    def _decision_mails(self) -> list[Mail]:
        return [mail for mail in self._stack.mail.mails if mail.tells_decision]

    async def _tell_flow_run(self, view: View) -> list[str]:
        return [f"to Prefect, as {self._stack.prefect_url}/runs/flow-run/{view['runs'][0]['flow_run_id']}"]

    async def _tell_what_was_read(self, view: View) -> list[str]:
        """The fields and the checks, which only underwriters and operators may see."""
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            answer = await client.get(
                f"{self._stack.gateway_url}/v1/applications/{view['id']}",
                headers={"authorization": f"Bearer {self._keys[Role.UNDERWRITER]}"},
            )
        assessment = answer.raise_for_status().json()["assessment"]
        found = assessment["fields"]
        lines = [
            f"{label:<8} {' '.join(found[name]['value'] for name in names if name in found)}"
            for label, names in _FIELDS.items()
        ]
        return [f"from {self._picture.name}", *lines, f"{'checks':<8} {_told(assessment['checks'])}"]

    async def _tell_mail(self, _view: View) -> list[str]:
        mail = self._decision_mails()[0]
        return [f"“{mail.subject}”", shown(mail.path)]

    def _print_what_to_try(self, view: View) -> None:
        """Addresses, and one command per caller that works as pasted."""
        stack = self._stack
        application, run = f"{stack.gateway_url}/v1/applications", view["runs"][0]["id"]
        decision = json.dumps(
            {
                "application_id": OPEN_APPLICATION,
                "outcome": "denied",
                "reasons": ["Income not verified"],
                "decided_by": "you",
            }
        )
        self._print("")
        self._print("API documentation", f"{stack.gateway_url}/docs")
        self._print("Prefect", stack.prefect_url)
        self._print("Application's status", f"{application}/{APPLICATION} (with a key, as below)")
        self._print("Logs and mail", shown(stack.folder.path))
        self._print("")
        self._print("The loan app reads the status:")
        self._print("", f"curl -s {self._bearer(Role.LOAN_APP)} {application}/{APPLICATION}")
        self._print(f"The underwriter decides {OPEN_APPLICATION}, which is in review:")
        self._print(
            "",
            f"curl -s {self._bearer(Role.UNDERWRITER)} -H 'Idempotency-Key: my-first' "
            f"-H 'Content-Type: application/json' -d '{decision}' {application}/{OPEN_APPLICATION}/decisions",
        )
        self._print("The operator looks at a run:")
        self._print("", f"curl -s {self._bearer(Role.OPERATOR)} {stack.gateway_url}/v1/runs/{run}")
        self._print("")
        self._print("Ctrl-C stops everything.")

    def _bearer(self, role: Role) -> str:
        return f"-H 'Authorization: Bearer {self._keys[role]}'"

    def _print(self, label: str, value: str = "") -> None:
        self._console.print(Text.assemble((f"{label:<22}" if label and value else label, "bold"), value))


def _rule(handover: Handover) -> Ruling | None:
    """Approve what passed every check that counts, deny the rest; leave one for whoever watches."""
    return None if handover.application_id == OPEN_APPLICATION else by_checks(handover)


def _told(checks: list[dict[str, Any]]) -> str:
    """How many passed, and what became of the others."""
    others = [f"{check['check']} {check['status']}" for check in checks if check["status"] != "pass"]
    return ", ".join([f"{len(checks) - len(others)} passed", *others]).replace("_", " ")
