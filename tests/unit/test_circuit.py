"""Prefect is left alone for longer and longer, and never for very long."""

from __future__ import annotations

import re

from prometheus_client import REGISTRY

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


def test_a_part_rests_while_the_whole_goes_on() -> None:
    circuit = Circuit("test")
    circuit.part("slow").failed(ERROR)
    assert circuit.seconds_left() == 0
    assert circuit.resting() == ["slow"]
    assert circuit.part("slow").failures == 1


def test_the_fault_is_a_parts_once_prefect_has_worked_for_another() -> None:
    circuit = Circuit("test")
    part = circuit.part("slow")
    circuit.succeeded()
    assert not circuit.worked_since_failure_of(part)
    part.failed(ERROR)
    assert not circuit.worked_since_failure_of(part)
    circuit.succeeded()
    assert circuit.worked_since_failure_of(part)


def test_what_is_amiss_is_told_in_words_until_it_works_again() -> None:
    circuit = Circuit("test", longest_seconds=0)
    assert circuit.note() is None
    circuit.failed(ERROR)
    circuit.part("slow").failed(ERROR)
    assert re.fullmatch(
        r"Prefect unavailable since \S+Z, route slow not served since \S+Z", circuit.note() or ""
    )
    circuit.succeeded()
    assert (circuit.note() or "").startswith("route slow")


def test_the_metrics_show_it() -> None:
    circuit = Circuit("shown", longest_seconds=0)
    assert _metrics() == (0, 0)
    circuit.failed(ERROR)
    circuit.failed(ERROR)
    assert _metrics() == (1, 2)
    circuit.succeeded()
    assert _metrics() == (0, 0)


def _metrics() -> tuple[float | None, float | None]:
    label = {"circuit": "shown"}
    return (
        REGISTRY.get_sample_value("sluice_circuit_open", label),
        REGISTRY.get_sample_value("sluice_circuit_failures", label),
    )
