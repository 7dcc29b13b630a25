"""What a watcher can see has changed: bump its version and say so, in the caller's transaction.

PostgreSQL delivers a NOTIFY at commit and drops it on rollback, so nobody is woken for a change that
did not happen. The announcement takes some milliseconds; the process that made the change may hear of it
when the transaction ends, so that whoever is answered there reads what was just written.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection
from typing import Any

from sqlalchemy import ARRAY, Text, Update, any_, bindparam, case, event, func, literal, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, SessionTransaction

from app.db import Direct, Sessions
from app.models import Application, ApplicationStatus, Run

CHANGES = "sluice_changes"
"""Channel for `application:<id>` and `run:<id>`: something a watcher can see is new."""

DUE = "sluice_due"
"""Channel for the dispatcher: a run has become due."""

KEYS = "sluice_keys"
"""Channel for the gateways: an API key has ended, or will sooner than it would have."""

_CHANGED = "sluice.changed"


def hear_own(sessions: Sessions, changed: Callable[[str], None]) -> None:
    """Call `changed` with each subject these sessions have changed, once their transaction has ended."""

    class Heard(Session):
        """A session whose changes are heard here too."""

    @event.listens_for(Heard, "after_transaction_end")
    def ended(session: Session, transaction: SessionTransaction) -> None:
        if transaction.parent is None:
            for subject in session.info.pop(_CHANGED, ()):
                changed(subject)

    sessions.configure(sync_session_class=Heard)


async def application_changed(session: AsyncSession, application_id: str) -> None:
    """Give the application its next version and wake whoever watches it."""
    await _bump(session, [application_id])
    await _announce(session, [f"application:{application_id}"])


def _next_version(**values: Any) -> Update:
    """Of all applications in `names`; `values` are set with it."""
    return (
        update(Application)
        .where(Application.id == any_(bindparam("names", type_=ARRAY(Text))))
        .values({"version": Application.version + 1, "updated_at": func.now(), **values})
        .returning(func.pg_notify(CHANGES, "application:" + Application.id))
        .execution_options(synchronize_session=False)
    )


async def applications_changed(
    session: AsyncSession, application_ids: Collection[str], **values: Any
) -> None:
    """The same for many applications at once, which the caller has locked; `values` are set with it."""
    _remember(session, [f"application:{name}" for name in application_ids])
    await session.execute(_next_version(**values), {"names": list(application_ids)})


_DOCUMENTS_ARRIVED = Direct(
    _next_version(
        status=case(
            (Application.status == ApplicationStatus.AWAITING_DOCUMENT, ApplicationStatus.VERIFYING),
            else_=Application.status,
        )
    )
)


async def documents_arrived(session: AsyncSession, application_ids: Collection[str]) -> None:
    """The same for applications that have new documents: those that waited for one are being verified."""
    _remember(session, [f"application:{name}" for name in application_ids])
    await _DOCUMENTS_ARRIVED.run(session, names=list(application_ids))


async def run_changed(session: AsyncSession, run_id: uuid.UUID, application_id: str | None) -> None:
    """Wake the run's watchers, and its application's: a run is part of what they see.

    The run's own version is bumped by the statement that changed it.
    """
    await _announce(session, [f"run:{run_id}"])
    if application_id is not None:
        await application_changed(session, application_id)


async def runs_changed(session: AsyncSession, runs: Collection[Run]) -> None:
    """The same for many runs at once, in as many statements as for one."""
    # In the order of their ids, so that two transactions cannot wait for each other's applications.
    application_ids = sorted({run.application_id for run in runs if run.application_id is not None})
    if application_ids:
        locked = select(Application.id).where(Application.id.in_(application_ids))
        await session.execute(locked.order_by(Application.id).with_for_update())
        await _bump(session, application_ids)
    subjects = [f"run:{run.id}" for run in runs] + [f"application:{name}" for name in application_ids]
    await _announce(session, subjects)


async def runs_gone(session: AsyncSession, run_ids: Collection[uuid.UUID]) -> None:
    """Wake whoever watches these runs, which are no longer there."""
    await _announce(session, [f"run:{run_id}" for run_id in run_ids])


async def notify(session: AsyncSession, channel: str, payload: str = "") -> None:
    await session.execute(select(func.pg_notify(channel, payload)))


async def _announce(session: AsyncSession, subjects: Collection[str]) -> None:
    _remember(session, subjects)
    await session.execute(select(func.pg_notify(CHANGES, func.unnest(literal(list(subjects), ARRAY(Text))))))


def _remember(session: AsyncSession, subjects: Collection[str]) -> None:
    session.info.setdefault(_CHANGED, set()).update(subjects)


async def _bump(session: AsyncSession, application_ids: Collection[str]) -> None:
    await session.execute(
        update(Application)
        .where(Application.id.in_(application_ids))
        .values(version=Application.version + 1, updated_at=func.now())
    )
