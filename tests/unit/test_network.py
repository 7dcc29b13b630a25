"""Tests ask nobody outside this machine; pytest-socket sees to it, in the tests' own process."""

from __future__ import annotations

import asyncio
import socket

import pytest
from pytest_socket import SocketConnectBlockedError

pytestmark = pytest.mark.filterwarnings("ignore:A test tried to use socket:UserWarning")

# 192.0.2.0/24 and 2001:db8::/32 are for documentation: nobody is there (RFC 5737, RFC 3849).
OUTSIDE = ["192.0.2.1", "2001:db8::1"]


@pytest.mark.parametrize("host", OUTSIDE)
def test_a_connection_to_the_outside_is_refused(host: str) -> None:
    with pytest.raises(SocketConnectBlockedError):
        socket.create_connection((host, 443), timeout=0.1)


@pytest.mark.parametrize("host", OUTSIDE)
async def test_so_is_one_of_the_event_loop(host: str) -> None:
    with pytest.raises(SocketConnectBlockedError):
        await asyncio.open_connection(host, 443)


def test_a_connection_to_ourselves_is_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()[:2]).close()
