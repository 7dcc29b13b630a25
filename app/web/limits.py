"""How much one caller may ask: token buckets in this process's memory.

A caller that is known (API key, signed decision) pays from its own bucket, wherever it calls from. An
address pays for each request that proved no known caller: a wrong key, a forged signature, a page nobody
needs a key for. When its bucket is empty it is not listened to, whatever it sends, until there is a token
again: finding out who is calling is what is to be saved.

A body is held in memory until it is whole, before anybody knows whose it is. So one that never is costs its
address a token too; only so many of an address may be on their way, and of large ones fewer are read at once.
"""

from __future__ import annotations

import asyncio
import ipaddress
import math
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from weakref import WeakValueDictionary

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import Overloaded, RateLimited
from app.settings import EventsSettings, LimitSettings
from app.telemetry import STREAMS
from app.web import problems

MOST_BUCKETS = 10_000
"""Beyond it the bucket that was longest unused is forgotten, which can only be kind to its caller."""

SMALL_BODY_BYTES = 65_536
"""A body up to this size waits for nobody: what S3 announces in a message is a few kilobytes."""

MOST_LARGE_BODIES = 32
"""Larger bodies that are read at a time for one address; the others wait."""

MOST_BODIES = 512
"""Bodies of any size that may be on their way from one address. SNS sends its own whole, or nearly so."""

EXEMPT_PATHS = frozenset({"/livez", "/readyz", "/metrics"})
SNS_PATH = "/v1/sns"


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class Buckets:
    """A bucket for each caller: it holds `burst` tokens and gets `per_second` new ones. 0: no limit."""

    def __init__(self, per_second: float, burst: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def wait(self, caller: str) -> int:
        """Whole seconds until the caller has a token; 0 when it has one. Takes none."""
        if self._per_second == 0:
            return 0
        known = self._buckets.get(caller)
        missing = 1 - self._filled(known) if known else 0
        return max(0, math.ceil(missing / self._per_second))

    def take(self, caller: str) -> int:
        """Take a token if there is one; returns as `wait` does."""
        if self._per_second == 0:
            return 0
        seconds = self.wait(caller)
        bucket = self._buckets.setdefault(caller, _Bucket(self._burst, self._clock()))
        self._buckets.move_to_end(caller)
        bucket.tokens, bucket.at = self._filled(bucket), self._clock()
        if seconds == 0:
            bucket.tokens -= 1
        if len(self._buckets) > MOST_BUCKETS:
            self._buckets.popitem(last=False)
        return seconds

    def charge(self, caller: str) -> None:
        """Take a token even if there is none: a debt, no deeper than a burst.

        Requests that were let in side by side and cost something later would cost nothing otherwise, all but
        the first.
        """
        if self.take(caller):
            bucket = self._buckets[caller]
            bucket.tokens = max(-self._burst, bucket.tokens - 1)

    def _filled(self, bucket: _Bucket) -> float:
        gained = (self._clock() - bucket.at) * self._per_second
        return min(self._burst, bucket.tokens + gained)


class Limits:
    """The limits of one process."""

    def __init__(self, settings: LimitSettings) -> None:
        self.callers = Buckets(settings.key_per_second, settings.key_burst)
        self.addresses = Buckets(settings.address_per_second, settings.address_burst)
        self.sns_addresses = Buckets(settings.sns_per_second, settings.sns_burst)

    def admit(self, request: Request, caller: str) -> None:
        """Note that a known caller sent the request, who pays for it. Raises RateLimited."""
        prove(request)
        if seconds := self.callers.take(caller):
            raise RateLimited(
                f"This caller may send no more for now. Try again in {seconds} s, and more slowly.",
                retry_after=seconds,
            )


class Streams:
    """The event streams that are open in this process."""

    def __init__(self, settings: EventsSettings) -> None:
        self._settings = settings
        self._open: Counter[str] = Counter()

    @contextmanager
    def one_of(self, caller: str) -> Iterator[None]:
        """A stream is open while the block runs. Raises RateLimited when there are too many already."""
        most = self._settings.max_streams_per_key
        if self._open[caller] >= most:
            raise RateLimited(f"This key has {most} event streams open here. Close some.")
        if self._open.total() >= self._settings.max_streams:
            raise RateLimited("This gateway has as many event streams open as it may. Try again later.")
        self._open[caller] += 1
        STREAMS.inc()
        try:
            yield
        finally:
            STREAMS.dec()
            self._open[caller] -= 1
            self._open += Counter()  # forgets those who have none


class _Bodies:
    """The bodies of one address that are on their way in."""

    def __init__(self) -> None:
        self.missing = 0
        self.large = asyncio.Semaphore(MOST_LARGE_BODIES)


class _Body:
    """A request's body on its way in, in as many parts as it comes."""

    def __init__(self, receive: Receive, among: _Bodies) -> None:
        self._receive = receive
        self._among = among
        self._bytes = 0
        self._large = self._whole = self._missing = False

    async def receive(self) -> Message:
        self._note(missing=not self._whole)
        if self._bytes > SMALL_BODY_BYTES and not self._large:
            await self._among.large.acquire()
            self._large = True
        message = await self._receive()
        if message["type"] == "http.request":
            self._bytes += len(message.get("body", b""))
            self._whole = not message.get("more_body", False)
            self._note(missing=not self._whole)
        return message

    def end(self) -> bool:
        """The request is over: another body may come in. Returns whether this one was awaited in vain."""
        missing = self._missing
        self._note(missing=False)
        if self._large:
            self._among.large.release()
        return missing

    def _note(self, *, missing: bool) -> None:
        self._among.missing += missing - self._missing
        self._missing = missing


class AddressLimit:
    """Turn away an address that has proved nothing too often: 429, but 503 on `/v1/sns`.

    SNS retries 5xx and never 4xx, and the message that is turned away may be genuine. An answer of 5xx
    costs nothing, that trouble is ours, unless it is the body's fault. Liveness, readiness and metrics are
    always answered.
    """

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app = app
        self._limits = limits
        self._bodies: WeakValueDictionary[str, _Bodies] = WeakValueDictionary()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in EXEMPT_PATHS:
            await self._app(scope, receive, send)
            return
        sns = scope["path"] == SNS_PATH
        buckets = self._limits.sns_addresses if sns else self._limits.addresses
        address = address_of(scope)
        bodies = self._bodies_of(address)
        if seconds := buckets.wait(address) or int(bodies.missing >= MOST_BODIES):
            detail = f"Too many requests from this address proved no known caller. Wait {seconds} s."
            error = (Overloaded if sns else RateLimited)(detail, retry_after=seconds)
            await problems.render(Request(scope), error)(scope, receive, send)
            return
        status, body = 500, _Body(receive, bodies)

        async def observing(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, body.receive, observing)
        finally:
            missing = body.end()
            if (status < 500 or missing) and not proven(scope):
                buckets.charge(address)

    def _bodies_of(self, address: str) -> _Bodies:
        """Kept for as long as a request of the address is under way."""
        bodies = self._bodies.get(address)
        if bodies is None:
            bodies = self._bodies[address] = _Bodies()
        return bodies


def prove(request: Request) -> None:
    """Note that the request is from somebody we know, by key or signature; its address does not pay."""
    request.state.proven = True


def proven(scope: Scope) -> bool:
    """Whether an endpoint has found out that a known caller sent the request."""
    return bool(scope.get("state", {}).get("proven", False))


def address_of(scope: Scope) -> str:
    """Whose bucket a stranger pays from: the IPv4 address, or the /64 that one IPv6 customer gets."""
    host = (scope.get("client") or ("unknown", 0))[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return str(host)
    if address.version == 4:
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address), 64), strict=False))
