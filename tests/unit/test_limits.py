"""Token buckets, and which bucket an address pays from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.web import limits
from app.web.limits import Buckets, address_of


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_burst_is_let_through_and_then_one_for_each_new_token(clock: Clock) -> None:
    buckets = Buckets(0.5, 3, clock=clock)
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 2]
    clock.now += 1
    assert buckets.take("a") == 1
    clock.now += 1
    assert [buckets.take("a") for _ in range(2)] == [0, 2]


def test_callers_do_not_pay_for_each_other(clock: Clock) -> None:
    buckets = Buckets(1, 1, clock=clock)
    assert (buckets.take("a"), buckets.take("a"), buckets.take("b")) == (0, 1, 0)


def test_asking_how_long_to_wait_costs_nothing(clock: Clock) -> None:
    buckets = Buckets(1, 1, clock=clock)
    assert [buckets.wait("a") for _ in range(3)] == [0, 0, 0]
    assert len(buckets) == 0
    assert buckets.take("a") == 0


def test_without_a_rate_there_is_no_limit(clock: Clock) -> None:
    buckets = Buckets(0, 1, clock=clock)
    assert {buckets.take("a") for _ in range(100)} == {0}


def test_what_is_charged_without_a_token_is_owed_up_to_a_burst(clock: Clock) -> None:
    buckets = Buckets(1, 2, clock=clock)
    for expected in (0, 1, 2, 3, 3):
        buckets.charge("a")
        assert buckets.wait("a") == expected
    clock.now += 3
    assert buckets.wait("a") == 0


def test_buckets_are_bounded_and_the_longest_unused_goes_first(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MOST_BUCKETS", 3)
    buckets = Buckets(1, 1, clock=clock)
    for caller in ("a", "b", "c", "a", "d"):
        buckets.take(caller)
    assert len(buckets) == 3
    assert (buckets.wait("a"), buckets.wait("b"), buckets.wait("c")) == (1, 0, 1)


@given(st.lists(st.floats(0, 10), min_size=1, max_size=200), st.floats(0.1, 50), st.integers(1, 20))
def test_never_more_than_the_burst_and_the_rate_allow(
    pauses: list[float], per_second: float, burst: int
) -> None:
    clock = Clock()
    buckets = Buckets(per_second, burst, clock=clock)
    passed = 0
    for pause in pauses:
        clock.now += pause
        passed += buckets.take("a") == 0
    assert passed <= burst + sum(pauses) * per_second + 1e-6


@pytest.mark.parametrize(
    ("client", "bucket"),
    [
        (("192.0.2.7", 1), "192.0.2.7"),
        (("::ffff:192.0.2.7", 1), "192.0.2.7"),
        (("2001:db8:1:2:3::4", 1), "2001:db8:1:2::/64"),
        (("2001:db8:1:2:ffff::", 1), "2001:db8:1:2::/64"),
        (("testclient", 1), "testclient"),
        (None, "unknown"),
    ],
)
def test_an_ipv6_customer_has_one_bucket(client: tuple[str, int] | None, bucket: str) -> None:
    assert address_of({"type": "http", "client": client}) == bucket
