"""Our managed IAM policies. Attaching them to roles or users is left to the account's owner."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from app.aws.differences import Difference
from app.aws.plan import Plan
from app.aws.policies import Document, managed, same

if TYPE_CHECKING:
    from mypy_boto3_iam.client import IAMClient

_MOST_VERSIONS = 5
"""Of one managed policy (IAM User Guide, "IAM and AWS STS quotas")."""


def managed_policies(iam: IAMClient, plan: Plan) -> Iterator[Difference]:
    """Which of the managed policies are missing, or say something else in their default version."""
    for name, document in managed(plan).items():
        shown, arn = f"IAM policy {plan.policy_name(name)}", plan.policy_arn(name)
        try:
            version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        except iam.exceptions.NoSuchEntityException:
            repair = partial(_create, iam, plan.policy_name(name), document)
            yield Difference(f"{shown} does not exist", f"create it, for the role of the {name}", repair)
            continue
        found = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
        if not same(found, document):
            yield Difference(
                f"{shown} allows something else than the {name} needs",
                "make a new default version of it",
                partial(_update, iam, arn, document),
            )


def _create(iam: IAMClient, name: str, document: Document) -> None:
    iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(document))


def _update(iam: IAMClient, arn: str, document: Document) -> None:
    """Make a new default version, in the place of the oldest when there is no room."""
    versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    if len(versions) >= _MOST_VERSIONS:
        spare = [version for version in versions if not version["IsDefaultVersion"]]
        oldest = min(spare, key=lambda version: version["CreateDate"])
        iam.delete_policy_version(PolicyArn=arn, VersionId=oldest["VersionId"])
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(document), SetAsDefault=True)
