"""The database: engine, sessions, naming convention, and the connection that listens.

Transactions are visible where they happen: `async with sessions.begin() as session:` commits at the
end of the block, and an answer is sent only after it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy import (
    JSON,
    BindParameter,
    ClauseElement,
    Column,
    ColumnDefault,
    ExceptionContext,
    MetaData,
    bindparam,
    column,
    event,
    func,
    literal,
    literal_column,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

from app.errors import DatabaseUnavailable
from app.settings import DatabaseSettings

Sessions = async_sessionmaker[AsyncSession]

_SILENT_SECONDS = 1.0
"""PostgreSQL gives up a statement in time and says so; a server that is silent for so much longer is gone."""


class Base(DeclarativeBase):
    """Every constraint has a predictable name, so that a migration can drop it by name."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def create_engine(settings: DatabaseSettings, application_name: str = "sluice") -> AsyncEngine:
    """An engine that gives up on its own: a stuck statement, a silent server or a full pool becomes a 503."""
    statement_seconds = settings.statement_timeout_seconds
    engine = create_async_engine(
        settings.url.get_secret_value(),
        pool_size=settings.pool_size,
        max_overflow=0,
        pool_timeout=settings.pool_timeout_seconds,
        # An error must not quote the row it was about.
        hide_parameters=True,
        connect_args={
            "timeout": settings.pool_timeout_seconds,
            "command_timeout": statement_seconds + _SILENT_SECONDS if statement_seconds else None,
            "server_settings": {
                "application_name": application_name,
                "statement_timeout": str(int(statement_seconds * 1000)),
                "idle_in_transaction_session_timeout": "30000",
            },
        },
    )
    event.listen(engine.sync_engine, "checkout", _replace_if_lost)
    event.listen(engine.sync_engine, "handle_error", _discard_if_useless)
    return engine


def _replace_if_lost(connection: Any, *_: object) -> None:
    """Let the pool open another connection for one that the server has closed, in a restart for example.

    The driver knows from the socket. Asking the server, as `pool_pre_ping` does, would be three round
    trips before each transaction.
    """
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def _discard_if_useless(context: ExceptionContext) -> None:
    """Throw a useless connection away, and with it all that the pool opened before."""
    if context.connection is not None and _is_useless(context.original_exception):
        driver: Any = context.connection.connection.driver_connection
        driver.terminate()
        context.is_disconnect = context.invalidate_pool_on_disconnect = True


def _is_useless(error: BaseException) -> bool:
    """Whether the connection looks well and is of no use: its server keeps silent, or takes no writes.

    A host that is lost, or cut off, closes no connection; and after a failover one may lead to a standby.
    """
    return isinstance(error, TimeoutError) or getattr(error, "sqlstate", None) == _READ_ONLY


def session_factory(engine: AsyncEngine) -> Sessions:
    return async_sessionmaker(engine, expire_on_commit=False)


def insert_many(model: type[Base], *columns: str) -> Insert:
    """`INSERT` for any number of rows, given as one parameter `rows`: a list of dictionaries of JSON values.

    Built once, it is the same statement however many the rows are, so nothing is compiled or planned anew.
    Rows go in in the order given; columns that are not named get their defaults.
    """
    table = model.metadata.tables[model.__tablename__]
    record = func.json_populate_recordset(
        literal_column(f"NULL::{model.__tablename__}"), bindparam("rows", type_=JSON)
    )
    given = record.table_valued(*(column(name, table.c[name].type) for name in columns), name="given")
    others = [(one.name, _default(one)) for one in table.columns if one.name not in columns]
    defaults = {name: default for name, default in others if default is not None}
    return insert(table).from_select(
        [*columns, *defaults], select(*given.c, *defaults.values()), include_defaults=False
    )


def _default(column: Column[Any]) -> BindParameter[Any] | None:
    """The model's own default as a value; None if it has none, or leaves it to the database."""
    if not isinstance(column.default, ColumnDefault):
        return None
    value = column.default.arg
    return literal(value(None) if callable(value) else value, column.type)


class Direct:
    """A statement that is compiled once and run straight by the driver, in the session's transaction.

    For the few that every notification goes through: SQLAlchemy's way to PostgreSQL and back costs more than
    such a statement does there. Rows hold what the driver makes of them.
    """

    def __init__(self, statement: ClauseElement) -> None:
        dialect = PGDialect_asyncpg()  # type: ignore[no-untyped-call] # SQLAlchemy's
        compiled: Any = statement.compile(dialect=dialect)
        self._sql = str(compiled)
        self._parameters = [(name, compiled.params[name]) for name in compiled.positiontup]
        types = {name: compiled.binds[name].type.dialect_impl(dialect) for name in compiled.positiontup}
        self._processors = {
            name: process for name, kind in types.items() if (process := kind.bind_processor(dialect))
        }

    async def run(self, session: AsyncSession, **values: Any) -> Sequence[Sequence[Any]]:
        """Run it with these parameters, after what the session has still to write; returns its rows."""
        if session.new or session.dirty or session.deleted:
            await session.flush()
        given = {name: values.get(name, default) for name, default in self._parameters}
        for name, process in self._processors.items():
            given[name] = process(given[name])
        sent = tuple(given[name] for name, _ in self._parameters)
        connection = await session.connection()
        driver: Any = (await connection.get_raw_connection()).driver_connection
        if driver.is_in_transaction():
            return await _fetch(driver, self._sql, sent)
        # SQLAlchemy begins a transaction with the first statement that it runs itself, and ends no other.
        result = await connection.exec_driver_sql(self._sql, sent)
        return result.all() if result.returns_rows else []


async def _fetch(driver: Any, sql: str, sent: Sequence[Any]) -> Sequence[Sequence[Any]]:
    try:
        rows: Sequence[Sequence[Any]] = await driver.fetch(sql, *sent)
    except Exception as error:
        if _is_useless(error):
            # SQLAlchemy, which would have been told, finds it closed at the end of the transaction.
            driver.terminate()
        raise
    return rows


async def check_writable(session: AsyncSession) -> None:
    """Raise what a write would, such as on a standby, and write nothing."""
    await session.execute(text("UPDATE runs SET version = version WHERE false"))


_READ_ONLY = "25006"

_HEALING_SQLSTATES = ("08", "40", "53", "57", _READ_ONLY)
"""How SQLSTATEs begin that heal by themselves: connection lost, deadlock or serialization failure, out of
resources, server starting or shutting down, a standby (PostgreSQL manual, appendix A)."""


def unavailable(error: BaseException) -> DatabaseUnavailable | None:
    """The 503 for an error that means the database could not be asked, or None for a bug of ours.

    A lost connection or a full pool is trouble that passes; a broken constraint or a wrong statement is
    not, and must not be retried for ever.
    """
    cause: BaseException | None = error
    while cause is not None:
        lost = isinstance(cause, DBAPIError) and cause.connection_invalidated
        if lost or isinstance(cause, PoolTimeoutError | OSError) or _is_cut_off(cause):
            return DatabaseUnavailable("The database cannot be reached in time. Send it again later.")
        if isinstance(cause, asyncpg.InvalidCachedStatementError):
            # SQLAlchemy forgets all plans then, so it happens once in a process.
            return DatabaseUnavailable("The database has just been migrated. Send it again.")
        if (getattr(cause, "sqlstate", None) or "").startswith(_HEALING_SQLSTATES):
            return DatabaseUnavailable("The database is restarting or overloaded. Send it again later.")
        cause = cause.__cause__
    return None


def _is_cut_off(error: BaseException) -> bool:
    """Whether the driver says that the connection is closed. Its DataError is an InterfaceError as well."""
    return isinstance(error, asyncpg.InterfaceError) and not isinstance(error, ValueError)


@asynccontextmanager
async def dedicated(settings: DatabaseSettings, name: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    """A connection outside the pool, for what lasts longer than a transaction: to listen, or hold a lock.

    PostgreSQL notices within some 5 s that the machine at our end is gone, and ends the session.
    """
    url = settings.url.get_secret_value().replace("postgresql+asyncpg://", "postgresql://")
    keepalives = {"tcp_keepalives_idle": "2", "tcp_keepalives_interval": "1", "tcp_keepalives_count": "3"}
    connection = await asyncpg.connect(
        url,
        timeout=settings.pool_timeout_seconds,
        command_timeout=settings.pool_timeout_seconds,
        server_settings={"application_name": name, **keepalives},
    )
    try:
        yield connection
    finally:
        await connection.close(timeout=2)


@asynccontextmanager
async def listen(
    settings: DatabaseSettings, callbacks: Mapping[str, Callable[[str], None]]
) -> AsyncIterator[asyncpg.Connection[Any]]:
    """A connection of its own that calls a channel's callback with each NOTIFY while the block runs.

    A NOTIFY is a hint, never a guarantee: whoever listens also polls, and treats the start of the
    block as "anything may have changed".
    """

    def deliver(_connection: object, _pid: int, channel: str, payload: object) -> None:
        callbacks[channel](str(payload))

    async with dedicated(settings, "sluice-listen") as connection:
        for channel in callbacks:
            await connection.add_listener(channel, deliver)
        yield connection
