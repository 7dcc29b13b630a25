"""Settings of the way to Prefect and back."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr

from app.settings.group import Group, prefixed


class PrefectSettings(Group):
    """The Prefect API the dispatcher creates flow runs in."""

    model_config = prefixed("PREFECT_")

    api_url: str = "http://127.0.0.1:4200/api"
    api_key: SecretStr | None = None
    """For Prefect Cloud (Bearer)."""
    auth_string: SecretStr | None = None
    """`user:password` for a server with PREFECT_SERVER_API_AUTH_STRING (Basic)."""
    timeout_seconds: float = 30.0


class DispatcherSettings(Group):
    """How accepted runs are handed to Prefect."""

    model_config = prefixed("DISPATCHER_")

    enabled: bool = True
    """Run the dispatcher inside `sluice serve`."""
    batch_size: int = Field(default=25, ge=1, le=100)
    """Runs per call: beyond about 25 only the call's latency grows."""
    calls_in_flight: int = Field(default=4, ge=1, le=16)
    """Calls at the same time, so that Prefect works while we settle the last answer."""
    lease_seconds: float = 30.0
    """How long a run stays with a dispatcher that died. Creating it twice is safe: it has one key."""
    poll_seconds: float = 1.0
    max_attempts: int = 10
    max_in_prefect: int = Field(default=200, ge=1)
    """Runs that Prefect may have unfinished at once; the others wait with us. Stuck ones do not count."""
    max_in_prefect_per_route: int = Field(default=100, ge=1)
    """The same for each route, so that one cannot take all of it."""
    creations_per_second: float | None = Field(default=None, gt=0)
    """Of all dispatchers together. Unset: as fast as Prefect takes them."""


class ProjectionSettings(Group):
    """How Prefect's states are followed."""

    model_config = prefixed("PROJECTION_")

    enabled: bool = True
    """Run the follower inside `sluice serve`."""
    poll_seconds: float = 2.0
    stuck_pending_seconds: float = Field(default=600, gt=0)
    """A run that is PENDING or CANCELLING for longer is shown as stuck: its worker has probably died."""
    stuck_running_seconds: float = Field(default=7_200, gt=0)
    """The same for RUNNING. Longer than the longest flow takes."""
    reconcile_seconds: float = Field(default=600, gt=0)
    """How often the runs of the last hour are held against all that Prefect has."""


class RoutesSettings(Group):
    model_config = prefixed("ROUTES_")

    file: Path | None = None
    """A TOML file of routes; unset means the loan routes that come with the package."""
