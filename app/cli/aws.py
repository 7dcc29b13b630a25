"""The AWS account: make it fit, say what does not, and take in what SNS did not deliver."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Annotated

import httpx
import typer

from app import main as composition
from app.aws import connect as connecting
from app.aws import reconcile as reconciling
from app.aws import redrive as redriving
from app.aws.clients import Aws, clients
from app.aws.plan import Plan, make_plan
from app.aws.policies import managed
from app.cli.context import load_settings, with_database
from app.cli.runs import since_option
from app.db import Sessions
from app.settings import Settings
from app.sns_client import CertificateCache

commands = typer.Typer(
    help="The AWS account: connect and check it, redrive and reconcile what was missed.",
    no_args_is_help=True,
)

ManageBucket = Annotated[
    bool,
    typer.Option(
        "--manage-bucket", help="The bucket too: make it if need be, private, encrypted, versioned."
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only tell what would happen.")]


@commands.command("connect")
def connect(
    *,
    dry_run: DryRun = False,
    manage_bucket: ManageBucket = False,
    print_policies: Annotated[
        bool, typer.Option("--print-policies", help="Print the IAM policies instead of making them.")
    ] = False,
) -> None:
    """Make notification, topic, queue, subscription and IAM policies, or repair them.

    Another time changes nothing. What only a person can do is told.
    """
    settings, aws, plan = _account()
    if print_policies:
        typer.echo(json.dumps(managed(plan), indent=2))
    changed = 0
    for difference, repairable in connecting.connect(
        aws, plan, manage_bucket=manage_bucket, policies=not print_policies, dry_run=dry_run
    ):
        changed += repairable
        done = "Would change" if dry_run else "Changed"
        typer.echo(f"{done if repairable else 'By hand'}: {difference}", err=print_policies)
    for difference in connecting.settings_against(plan, settings.sns):
        typer.echo(f"By hand: {difference}", err=print_policies)
    typer.echo(f"{changed} {'to change' if dry_run else 'changed'}.", err=True)


@commands.command("check")
def check(
    *,
    manage_bucket: ManageBucket = False,
    policies: Annotated[bool, typer.Option(help="Look at the managed IAM policies too.")] = True,
) -> None:
    """Say what is wrong and what to do about it, a line each; fails unless all is as planned."""
    settings, aws, plan = _account()
    found = connecting.differences(aws, plan, manage_bucket=manage_bucket, policies=policies)
    for difference in found:
        does = " (`sluice aws connect` does)" if difference.repair else ""
        typer.echo(f"{difference}{does}")
    for difference in connecting.settings_against(plan, settings.sns):
        found.append(difference)
        typer.echo(f"{difference}")
    if found:
        raise typer.Exit(1)
    typer.echo(f"{plan.bucket}, {plan.topic_arn} and {plan.queue_arn} are as planned.")


@commands.command("redrive")
def redrive(
    *,
    limit: Annotated[int, typer.Option(help="At most so many messages.", min=1)] = 10_000,
    dry_run: DryRun = False,
) -> None:
    """Take what SNS could not deliver from the dead-letter queue, verified and once, as if it arrived now.

    Fails if anything stays in the queue.
    """
    settings = load_settings()
    routes = composition.load_routes(settings)
    sqs = clients(settings).sqs

    async def drain(sessions: Sessions) -> redriving.Report:
        async with httpx.AsyncClient() as client:
            drain = redriving.Drain(
                sessions=sessions,
                certificates=CertificateCache(
                    client, timeout_seconds=settings.sns.certificate_timeout_seconds
                ),
                settings=settings,
                routes=routes,
                actor="cli",
                dry_run=dry_run,
            )
            return await redriving.redrive(drain, sqs, settings.aws.dead_letter_queue, limit=limit)

    report = with_database(drain)
    for outcome, count in sorted(report.taken.items()):
        typer.echo(f"{count:6}  {outcome}")
    if report.quarantined:
        typer.echo(f"{report.quarantined:6}  into quarantine: signed by SNS, but not to be read")
    typer.echo(f"{len(report.left):6}  left in the queue")
    for name, reason in report.left:
        typer.echo(f"        {name}  {reason}")
    if dry_run:
        typer.echo("Nothing was changed.", err=True)
    if report.left:
        raise typer.Exit(1)


@commands.command("reconcile")
def reconcile(
    *,
    since: Annotated[
        datetime,
        typer.Option(
            parser=since_option, metavar="TIME", help="Stored since: 2026-11-20T08:00, or 12h, 7d ago."
        ),
    ],
    settled_minutes: Annotated[
        float, typer.Option(help="Leave what is younger: its notification may be on its way.", min=0)
    ] = 10,
    dry_run: DryRun = False,
) -> None:
    """Accept every upload in the bucket that no notification announced, once, and name it."""
    settings, aws, plan = _account()
    routes = composition.load_routes(settings)
    until = datetime.now(UTC) - timedelta(minutes=settled_minutes)

    async def accept(sessions: Sessions) -> reconciling.Report:
        return await reconciling.reconcile(
            sessions, aws.s3, plan, routes, since=since, until=until, dry_run=dry_run
        )

    report = with_database(accept)
    for one in report.accepted:
        typer.echo(one)
    typer.echo(
        f"{report.looked_at} objects: {report.known} known, {report.elsewhere} of no route, "
        f"{len(report.accepted)} {'missed' if dry_run else 'accepted'}.",
        err=True,
    )


def _account() -> tuple[Settings, Aws, Plan]:
    settings = load_settings()
    aws = clients(settings)
    return settings, aws, make_plan(settings, aws)
