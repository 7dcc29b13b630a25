"""The load generator: processes of their own that send prepared requests and time each answer.

Closed loop: every connection sends its next request when the last answer is whole, as SNS does. Only
answers that came within the measured time count; those under way are waited for, so that they do not
disturb what is measured next.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import uvloop

PROCESSES = 2
"""Generators at once. One manages some 15,000 requests a second, several times what it measures."""

_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CONNECTING_SECONDS = 0.5
_PATIENCE_SECONDS = 30.0


@dataclass
class Sample:
    """What a load found out. Seconds; latencies in the order of the answers."""

    seconds: float
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    done: int = 0
    """How much was done, where single latencies mean nothing."""

    @property
    def rate(self) -> float:
        """Answers per second."""
        return (self.done or len(self.latencies)) / self.seconds


@dataclass(frozen=True)
class Load:
    """What one generator process is to send. `repeat` begins again when the requests are used up."""

    port: int
    connections: int
    requests: Sequence[bytes]
    seconds: float
    starts_at: float
    repeat: bool


def request(method: str, path: str, *, body: bytes = b"", headers: dict[str, str] | None = None) -> bytes:
    """One HTTP/1.1 request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", "Host: sluice"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if method != "GET":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + _HEAD_END + body


async def put_load(
    pool: ProcessPoolExecutor,
    port: int,
    requests: Sequence[bytes],
    *,
    connections: int,
    seconds: float,
    repeat: bool = False,
) -> Sample:
    """Send the requests over so many connections for so long, from as many processes as are worth it.

    Raises RuntimeError when an answer was neither 2xx nor 304: a rate of refusals measures nothing.
    """
    processes = min(PROCESSES, connections)
    starts_at = time.monotonic() + _CONNECTING_SECONDS
    loads = [
        Load(
            port=port,
            connections=connections // processes,
            requests=requests if repeat else requests[number::processes],
            seconds=seconds,
            starts_at=starts_at,
            repeat=repeat,
        )
        for number in range(processes)
    ]
    loop = asyncio.get_running_loop()
    parts = await asyncio.gather(*(loop.run_in_executor(pool, run, load) for load in loads))
    whole = Sample(seconds=max(part.seconds for part in parts))
    for part in parts:
        whole.latencies += part.latencies
        whole.statuses += part.statuses
    if unwanted := [status for status in whole.statuses if status != 304 and not 200 <= status < 300]:
        raise RuntimeError(f"The server on port {port} answered {unwanted}: {dict(whole.statuses)}.")
    return whole


def run(load: Load) -> Sample:
    """One generator's part, in its own process."""
    return uvloop.run(_run(load))


async def _run(load: Load) -> Sample:
    loop = asyncio.get_running_loop()
    requests = itertools.cycle(load.requests) if load.repeat else iter(load.requests)
    sample = Sample(seconds=load.seconds)
    clients = []
    for _ in range(load.connections):
        client = _Client(requests, sample, load.starts_at + load.seconds)
        await loop.create_connection(partial(_itself, client), "127.0.0.1", load.port)
        clients.append(client)
    await asyncio.sleep(max(0.0, load.starts_at - time.monotonic()))
    for client in clients:
        client.send()
    async with asyncio.timeout(load.seconds + _PATIENCE_SECONDS):
        await asyncio.gather(*(client.finished for client in clients))
    if any(client.ran_out for client in clients):
        sample.seconds = max(client.last_answer for client in clients) - load.starts_at
    return sample


def _itself(client: _Client) -> _Client:
    return client


class _Client(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, requests: Iterator[bytes], sample: Sample, deadline: float) -> None:
        self._requests = requests
        self._sample = sample
        self._deadline = deadline
        self._received = b""
        self._sent_at = self.last_answer = time.monotonic()
        self.ran_out = False
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.finished.done():
            self.finished.set_exception(exc or ConnectionResetError("The server closed the connection."))

    def send(self) -> None:
        """Send the next request, or end when there is none or no time is left."""
        self._sent_at = time.monotonic()
        following = next(self._requests, None) if self._sent_at < self._deadline else None
        if following is None:
            self.ran_out = self._sent_at < self._deadline
            self.finished.set_result(None)
            self._transport.close()
        else:
            self._transport.write(following)  # type: ignore[attr-defined] # TCP's transport has it

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(_HEAD_END)
        if not found:
            return
        status = int(head[9:12])
        announced = _LENGTH.search(head)
        if status != 304 and announced and len(body) < int(announced[1]):
            return
        self._received = b""
        now = time.monotonic()
        if now <= self._deadline:
            self.last_answer = now
            self._sample.latencies.append(now - self._sent_at)
        self._sample.statuses[status] += 1
        self.send()
