"""What endpoints share: the gateway's parts, who is calling, the body within its limit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Path, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app import api_keys
from app.api_keys import Caller
from app.db import Sessions
from app.encryption import Keyring
from app.errors import RoleMissing, Unauthenticated
from app.loops import Loop
from app.models import Role
from app.object_store import ObjectStore
from app.routing import Routes
from app.settings import Settings
from app.sns_client import CertificateCache
from app.status import Watchers


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Gateway:
    """What a running gateway is made of; built once by `app.main`."""

    settings: Settings
    sessions: Sessions
    routes: Routes
    keyring: Keyring
    store: ObjectStore
    certificates: CertificateCache
    watchers: Watchers = field(default_factory=Watchers)
    loops: list[Loop] = field(default_factory=list)
    now: Callable[[], datetime] = utc_now


def gateway(request: Request) -> Gateway:
    parts: Gateway = request.app.state.gateway
    return parts


Parts = Annotated[Gateway, Depends(gateway)]

ApplicationId = Annotated[
    str,
    Path(
        description="The loan app's own id: letters, digits, `.`, `_`, `-`.",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        examples=["A-1001"],
    ),
]

_bearer = HTTPBearer(auto_error=False, scheme_name="API key", description="`Authorization: Bearer sluice_…`")
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


async def authenticate(parts: Gateway, bearer: HTTPAuthorizationCredentials | None, *roles: Role) -> Caller:
    """The caller behind the API key. Raises Unauthenticated, or RoleMissing when the role is another."""
    if bearer is None:
        raise Unauthenticated("Send an API key as `Authorization: Bearer <key>`.")
    async with parts.sessions.begin() as session:
        caller = await api_keys.authenticate(session, bearer.credentials)
    if caller.role not in roles:
        allowed = " or ".join(roles)
        raise RoleMissing(f"The key's role is {caller.role}; this needs {allowed}.")
    return caller


def caller_with(*roles: Role) -> Callable[..., Awaitable[Caller]]:
    """A dependency that lets only these roles in."""

    async def dependency(parts: Parts, bearer: Bearer) -> Caller:
        return await authenticate(parts, bearer, *roles)

    return dependency


LoanAppCaller = Annotated[Caller, Depends(caller_with(Role.LOAN_APP))]
StatusReader = Annotated[Caller, Depends(caller_with(Role.LOAN_APP, Role.UNDERWRITER, Role.OPERATOR))]
OperatorCaller = Annotated[Caller, Depends(caller_with(Role.OPERATOR))]
