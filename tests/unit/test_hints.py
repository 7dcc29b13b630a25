"""Hints are kept once a flow run, the latest of them, and not for ever."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

from app.hints import Hints
from app.prefect_events import StateEvent

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RUN = uuid.uuid4()


def test_of_several_events_the_latest_counts_in_whatever_order_they_come() -> None:
    hints = Hints()
    for seconds in (1, 3, 2, 3):
        hints.add(StateEvent(RUN, NOW + timedelta(seconds=seconds)))
    taken = hints.take(10)
    assert {run: hint.state_at for run, hint in taken.items()} == {RUN: NOW + timedelta(seconds=3)}
    assert hints.take(10) == {}


def test_a_hint_wakes_its_reader() -> None:
    hints = Hints()
    assert not hints.arrived.is_set()
    hints.add(StateEvent(RUN, NOW))
    assert hints.arrived.is_set()
    assert hints.seconds_until_due() == 0


def test_what_was_not_borne_out_is_due_again_a_little_later_and_then_given_up() -> None:
    hints = Hints()
    hints.add(StateEvent(RUN, NOW))
    [hint] = hints.take(1).values()
    waits = []
    while hint.tries < 100:
        hints.again(RUN, hint)
        if hints.seconds_until_due() > 10:
            break
        waits.append(hints.seconds_until_due())
        [hint] = hints._waiting.values()
        hints._waiting.clear()
    assert waits == sorted(waits)
    assert 2 < sum(waits) < 5


def test_a_newer_event_is_not_replaced_by_a_second_look_at_an_older_one() -> None:
    hints = Hints()
    hints.add(StateEvent(RUN, NOW))
    [old] = hints.take(1).values()
    hints.add(StateEvent(RUN, NOW + timedelta(seconds=1)))
    hints.again(RUN, old)
    assert hints.take(1)[RUN].state_at == NOW + timedelta(seconds=1)


def test_a_flood_is_bounded() -> None:
    hints = Hints()
    for _ in range(10_050):
        hints.add(StateEvent(uuid.uuid4(), NOW))
    assert len(hints.take(20_000)) == 10_000
