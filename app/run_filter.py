"""Which runs are meant, by whoever lists or replays them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement

from app.models import Run, RunState, first_id

_CLOCKS_DIFFER_SECONDS = 300.0


@dataclass(frozen=True)
class RunFilter:
    """Each member that is set narrows it; none set means every run."""

    application_id: str | None = None
    route: str | None = None
    states: tuple[RunState, ...] = ()
    """In any of them. For one there is an index; several are for commands, which may take longer."""
    since: datetime | None = None
    """Accepted at this time or later."""
    of_applications: bool = False
    """Only those that belong to an application."""

    def conditions(self) -> list[ColumnElement[bool]]:
        """As SQL, for which there are indexes that end in the run's id."""
        wanted = {Run.application_id: self.application_id, Run.route: self.route}
        conditions = [column == value for column, value in wanted.items() if value is not None]
        if self.states:
            conditions.append(Run.state.in_(self.states))
        if self.of_applications:
            conditions.append(Run.application_id.is_not(None))
        if self.since is not None:
            # An id begins with the time at which it was made: by the clock of another machine, and later
            # than the transaction began that is the time of acceptance.
            first = first_id(self.since.timestamp() - _CLOCKS_DIFFER_SECONDS)
            conditions += [Run.accepted_at >= self.since, Run.id >= first]
        return conditions
