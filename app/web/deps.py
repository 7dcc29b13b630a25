"""What endpoints share: the gateway's parts, who is calling, the body within its limit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, Path, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app import inbox
from app.api_keys import Caller, KnownKeys
from app.db import Sessions
from app.encryption import Keyring
from app.errors import RoleMissing, Unauthenticated
from app.group_commit import GroupCommit
from app.inbox import Intake
from app.loops import Loop
from app.models import NotificationOutcome, Role
from app.object_store import ObjectStore
from app.prefect_client import PrefectClient
from app.quarantine import Strangers
from app.routing import Routes
from app.settings import Settings
from app.sns_client import CertificateCache
from app.watchers import Watchers
from app.web.limits import Limits, Streams


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(kw_only=True)
class Probed:
    """What the platform asks of any process of ours, with or without a gateway in it."""

    sessions: Sessions
    loops: list[Loop] = field(default_factory=list)
    leaving: bool = False
    """Set when the process was asked to end: whoever sends requests here should send them elsewhere."""


@dataclass(kw_only=True)
class Gateway(Probed):
    """What a running gateway is made of; built once by `app.main`."""

    settings: Settings
    routes: Routes
    keyring: Keyring
    store: ObjectStore
    certificates: CertificateCache
    prefect: PrefectClient
    limits: Limits
    strangers: Strangers
    inbox: GroupCommit[Intake, NotificationOutcome] = field(init=False)
    """Messages of the same moment share a commit."""
    watchers: Watchers = field(default_factory=Watchers)
    keys: KnownKeys = field(default_factory=KnownKeys)
    streams: Streams = field(init=False)
    now: Callable[[], datetime] = utc_now
    draining: bool = False
    """Set when the listener is about to close: no more is begun that the process might not finish."""

    def __post_init__(self) -> None:
        self.streams = Streams(self.settings.events)
        self.inbox = GroupCommit(lambda intakes: inbox.commit(self.sessions, intakes))

    def drain(self) -> None:
        """The listener closes: nobody is kept waiting for news."""
        self.leaving = self.draining = True
        self.watchers.end()


async def gateway(request: Request) -> Gateway:
    # FastAPI would send a plain function to a thread and back.
    parts: Gateway = request.app.state.gateway
    return parts


async def probed(request: Request) -> Probed:
    parts: Probed = request.app.state.probed
    return parts


Parts = Annotated[Gateway, Depends(gateway)]
AnyProcess = Annotated[Probed, Depends(probed)]

ApplicationId = Annotated[
    str,
    Path(
        description="The loan app's own id: letters, digits, `.`, `_`, `-`.",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        examples=["A-1001"],
    ),
]

api_key = HTTPBearer(
    auto_error=False,
    scheme_name="ApiKey",
    description="`Authorization: Bearer sluice_…`: an API key, which an operator makes with "
    "`sluice keys create`. A requirement names the roles that are let in.",
)
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(api_key)]


async def authenticate(
    request: Request, parts: Gateway, bearer: HTTPAuthorizationCredentials | None, *roles: Role
) -> Caller:
    """The caller behind the API key.

    Raises Unauthenticated, RoleMissing when the role is another, RateLimited when it asks too often.
    """
    if bearer is None:
        raise Unauthenticated("Send an API key as `Authorization: Bearer <key>`.")
    caller = await parts.keys.authenticate(parts.sessions, bearer.credentials)
    parts.limits.admit(request, caller.actor)
    if caller.role not in roles:
        allowed = " or ".join(roles)
        raise RoleMissing(f"The key's role is {caller.role}; this needs {allowed}.")
    return caller


def caller_with(*roles: Role) -> Callable[..., Awaitable[Caller]]:
    """A dependency that lets only these roles in."""

    async def dependency(request: Request, parts: Parts, bearer: Bearer) -> Caller:
        return await authenticate(request, parts, bearer, *roles)

    return dependency


def _only(*roles: Role) -> Any:
    """The same, its roles said in the API's description too (OpenAPI 3.1, Security Requirement Object)."""
    return Security(caller_with(*roles), scopes=[str(role) for role in roles])


LoanAppCaller = Annotated[Caller, _only(Role.LOAN_APP)]
StatusReader = Annotated[Caller, _only(Role.LOAN_APP, Role.UNDERWRITER, Role.OPERATOR)]
OperatorCaller = Annotated[Caller, _only(Role.OPERATOR)]
