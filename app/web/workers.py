"""Several processes behind one listening socket: how the gateway uses more than one core."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing import connection, get_context, parent_process
from multiprocessing.context import SpawnProcess

import structlog

log = structlog.get_logger()

_SHORTEST_LIFE_SECONDS = 5.0
"""A worker that ends earlier would do so each time: its settings or its port are wrong."""
_LOOK_SECONDS = 0.5
"""A signal does not end the wait for workers, so this is how soon it is seen."""


def listen(host: str, port: int) -> socket.socket:
    """The socket that the workers share: a connection waits in it for whoever is free."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2_048)


def run(count: int, serve: Callable[[socket.socket], None], listening: socket.socket) -> None:
    """Keep `count` processes running `serve` until SIGTERM or SIGINT, which each of them is given.

    One that dies is replaced. Exits with 1 when one cannot live. `serve` must be a module's function.
    """
    supervisor = _Supervisor(count, serve, listening)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, supervisor.stop)
    supervisor.watch()
    if supervisor.failed:
        sys.exit(1)


class _Supervisor:
    def __init__(self, count: int, serve: Callable[[socket.socket], None], listening: socket.socket) -> None:
        self._serve = serve
        self._listening = listening
        self._stopping = False
        self.failed = False
        self._workers = {worker: time.monotonic() for worker in [self._start() for _ in range(count)]}

    def stop(self, *_: object) -> None:
        self._stopping = True
        for worker in self._workers:
            worker.terminate()

    def watch(self) -> None:
        """Return when all have ended."""
        while not self._stopping:
            connection.wait([worker.sentinel for worker in self._workers], _LOOK_SECONDS)
            for worker in [worker for worker in self._workers if not worker.is_alive()]:
                self._replace(worker)
        # Once the workers have closed theirs, a connection must be refused. In ours it would only wait.
        self._listening.close()
        for worker in self._workers:
            worker.join()

    def _replace(self, worker: SpawnProcess) -> None:
        lived = time.monotonic() - self._workers.pop(worker)
        if self._stopping:
            return
        log.error("a worker ended", pid=worker.pid, exit_code=worker.exitcode, seconds=round(lived, 1))
        if lived < _SHORTEST_LIFE_SECONDS:
            self.failed = True
            self.stop()
        else:
            self._workers[self._start()] = time.monotonic()

    def _start(self) -> SpawnProcess:
        worker = get_context("spawn").Process(target=_work, args=(self._serve, self._listening))
        worker.start()
        return worker


def _work(serve: Callable[[socket.socket], None], listening: socket.socket) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    serve(listening)


def _end_with_parent() -> None:
    """However the parent died: nobody would be left to stop this process."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
