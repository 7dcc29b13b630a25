"""Prefect is left alone for longer and longer, and never for very long."""

from __future__ import annotations

from app.circuit import Circuit
from app.errors import PrefectUnavailable

ERROR = PrefectUnavailable("Prefect does not answer.")


def test_a_circuit_that_never_failed_lets_every_call_pass() -> None:
    assert Circuit("test").seconds_left() == 0


def test_each_failure_doubles_the_wait_up_to_the_longest() -> None:
    waits = []
    for failures in range(40):
        circuit = Circuit("test", longest_seconds=8, failures=failures)
        circuit.failed(ERROR)
        waits.append(circuit.seconds_left())
    for failures, wait in enumerate(waits):
        longest = min(8, 0.25 * 2**failures)
        assert longest * 0.4 < wait <= longest


def test_calls_that_fail_together_count_once() -> None:
    circuit = Circuit("test")
    circuit.failed(ERROR)
    circuit.failed(ERROR)
    assert circuit.failures == 1


def test_success_after_the_wait_closes_it() -> None:
    circuit = Circuit("test", longest_seconds=0)
    circuit.failed(ERROR)
    circuit.succeeded()
    assert circuit.failures == 0


def test_success_of_one_call_does_not_hide_that_another_has_just_failed() -> None:
    circuit = Circuit("test")
    circuit.failed(ERROR)
    circuit.succeeded()
    assert circuit.failures == 1
    assert circuit.seconds_left() > 0
