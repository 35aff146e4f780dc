"""The inbox's machine alone: which effects follow which event, in which order."""

from __future__ import annotations

from uuid import UUID

import pytest

from fissile.events.inbox.core import (
    ATTEMPTS,
    Aborted,
    Ack,
    Apply,
    Begin,
    Commit,
    Committed,
    Delivered,
    Disconnect,
    Ensure,
    Failed,
    Found,
    Handle,
    Head,
    Inbox,
    Isolate,
    Isolated,
    Lock,
    Locked,
    Look,
    Mark,
    Park,
    Retry,
    Rollback,
    Row,
    Sleep,
    Store,
    Tick,
)
from fissile.events.inbox.received import Message


def message(version, aggregate="parcel/a", number=None):
    return Message(
        aggregate=aggregate,
        version=version,
        id=UUID(int=number or version),
        type="depot.parcel_packed.v1",
        payload={},
        headers={"source": "depot", "time": "2026-01-01T00:00:00+00:00", "correlationid": "c"},
    )


def head(applied, *rows):
    return Locked({"parcel/a": Head(applied, {row.message.version: row for row in rows})})


def delivered(inbox, *messages, redelivered=False):
    return inbox.step(Delivered(messages, redelivered))


def names(effects):
    return [type(effect).__name__ for effect in effects]


def at_mark(*rows, applied=0):
    """Return a machine that has looked, found the aggregate, and got this answer to its lock."""
    inbox = Inbox()
    inbox.step(Tick())
    inbox.step(Found(("parcel/a",)))
    return inbox, inbox.step(head(applied, *rows))


def at_run(row):
    inbox, _ = at_mark(row)
    inbox.step(Committed())
    return inbox


def at_verdict(attempts, failed):
    """Return a machine whose handler has just failed on the given attempt, and its answer to the lock."""
    inbox = at_run(Row(message(1), attempts=attempts - 1))
    marked = head(0, Row(message(1), attempts=attempts, is_due=False, is_marked=True))
    inbox.step(marked)
    assert inbox.step(failed) == [Rollback(), Begin(), Lock(("parcel/a",), wait=True)]
    return inbox.step(marked)


def test_a_first_delivery_is_handled_upward_and_written_in_one_statement():
    inbox = Inbox()

    assert delivered(inbox, message(2), message(1)) == [
        Ensure(("parcel/a",)), Begin(), Lock(("parcel/a",), wait=False),
    ]  # fmt: skip
    assert inbox.step(head(0)) == [
        Handle(message(1)), Handle(message(2)), Apply((message(1), message(2)), ()), Commit(),
    ]  # fmt: skip


def test_an_acknowledgement_follows_the_commit_and_never_precedes_it():
    inbox = Inbox()
    delivered(inbox, message(1))
    inbox.step(head(0))

    assert inbox.step(Committed()) == [Ack(), Look(("parcel/a",))]


def test_positions_are_locked_in_sorted_order():
    effects = delivered(Inbox(), message(1, "parcel/b"), message(1, "parcel/a"))

    assert effects[-1] == Lock(("parcel/a", "parcel/b"), wait=False)


def test_version_three_waits_for_two():
    inbox = Inbox()
    delivered(inbox, message(3))

    assert inbox.step(head(1)) == [Apply((), (message(3),)), Commit()]


def test_a_batch_takes_along_rows_that_waited_for_it():
    inbox = Inbox()
    delivered(inbox, message(1))

    effects = inbox.step(head(0, Row(message(2))))

    assert effects[-2] == Apply((message(1), message(2)), ())


@pytest.mark.parametrize("row", [Row(message(2), attempts=1), Row(message(2), state="parked")])
def test_a_row_that_failed_before_is_left_to_the_careful_path(row):
    inbox = Inbox()
    delivered(inbox, message(1))

    assert inbox.step(head(0, row))[-2] == Apply((message(1),), ())


def test_aggregates_that_somebody_else_holds_are_only_stored():
    inbox = Inbox()
    delivered(inbox, message(1, "parcel/b"))

    assert inbox.step(Locked({})) == [Apply((), (message(1, "parcel/b"),)), Commit()]


def test_a_redelivered_message_is_stored_and_acknowledged_before_any_handler():
    inbox = Inbox()

    assert names(delivered(inbox, message(1), redelivered=True)) == ["Ensure", "Begin", "Store", "Commit"]
    assert inbox.step(Committed()) == [Ack(), Look(("parcel/a",))]


def test_a_message_that_cannot_be_read_sends_its_batch_to_the_table():
    unreadable = message(1).quarantined("no JSON")

    assert Store((message(2), unreadable)) in delivered(Inbox(), message(2), unreadable)


def test_after_a_failure_the_batch_runs_from_the_table_and_not_from_the_broker():
    inbox = Inbox()
    delivered(inbox, message(1))
    inbox.step(head(0))

    assert inbox.step(Failed("ValueError: no")) == [
        Rollback(), Ensure(("parcel/a",)), Begin(), Store((message(1),)), Commit(),
    ]  # fmt: skip


def test_a_handler_from_the_table_runs_only_under_a_committed_mark():
    inbox, effects = at_mark(Row(message(1)))

    assert effects == [Mark(Row(message(1))), Commit()]
    assert inbox.step(Committed()) == [Begin(), Lock(("parcel/a",), wait=True)]
    assert names(inbox.step(head(0, Row(message(1), attempts=1, is_marked=True)))) == ["Handle", "Apply", "Commit"]


def test_after_a_run_the_rows_behind_it_are_looked_at():
    inbox = at_run(Row(message(1)))
    inbox.step(head(0, Row(message(1), attempts=1, is_marked=True), Row(message(2), is_due=False)))

    assert inbox.step(Committed()) == [Begin(), Lock(("parcel/a",), wait=False)]


def test_after_a_run_with_nothing_behind_it_the_machine_goes_on():
    inbox = at_run(Row(message(1)))
    inbox.step(head(0, Row(message(1), attempts=1, is_marked=True)))

    assert inbox.step(Committed()) == []
    assert inbox.doing == "idle"


@pytest.mark.parametrize(
    "row",
    [Row(message(1), attempts=2), Row(message(1), state="parked", attempts=1), Row(message(1, number=9), attempts=1)],
)
def test_a_zombie_that_wakes_before_its_run_goes_home(row):
    inbox = at_run(Row(message(1)))

    assert inbox.step(head(0, row)) == [Rollback()]
    assert inbox.doing == "idle"


def test_a_zombie_that_wakes_before_its_verdict_goes_home():
    inbox = at_run(Row(message(1)))
    inbox.step(head(0, Row(message(1), attempts=1, is_marked=True)))
    inbox.step(Failed("no"))

    assert inbox.step(head(1)) == [Rollback()]


def test_a_zombie_goes_home_though_another_has_given_its_attempt_back():
    inbox = at_run(Row(message(1)))

    # Marked by another to 2, refunded to 1: the zombie's own number again, and nobody's mark.
    assert inbox.step(head(0, Row(message(1), attempts=1, is_due=False))) == [Rollback()]
    assert inbox.doing == "idle"


def test_a_verdict_makes_the_row_due_again_later():
    effects = at_verdict(1, Failed("ValueError: no"))

    row = Row(message(1), attempts=1, is_due=False, is_marked=True)
    assert effects == [Retry(row, False, "ValueError: no"), Commit()]


def test_the_last_verdict_parks_the_row_with_its_reason():
    effects = at_verdict(ATTEMPTS, Failed("ValueError: no"))

    row = Row(message(1), attempts=ATTEMPTS, is_due=False, is_marked=True)
    assert effects == [Park(row, "ValueError: no"), Commit()]


def test_a_deadlock_costs_no_attempt_and_parks_nothing():
    (retry, _) = at_verdict(ATTEMPTS, Failed("OperationalError: deadlock detected", transient=True))

    assert isinstance(retry, Retry)
    assert retry.refund


def test_a_row_whose_runs_never_came_back_is_parked_without_another():
    _, effects = at_mark(Row(message(1), attempts=ATTEMPTS))

    assert names(effects) == ["Park", "Commit"]


SUSPECT = Row(message(1), attempts=1, is_marked=True)


def isolating(*rows):
    """Return a worker's machine that has found two aggregates, and what it does about the rows of the first."""
    inbox = Inbox(isolates=True)
    inbox.step(Tick())
    inbox.step(Found(("parcel/a", "parcel/b")))
    return inbox, inbox.step(head(0, *rows))


def test_a_run_that_never_came_back_is_handed_over_and_the_others_go_on():
    _, effects = isolating(SUSPECT)

    assert effects == [Rollback(), Isolate("parcel/a"), Begin(), Lock(("parcel/b",), wait=False)]


@pytest.mark.parametrize(
    "row", [Row(message(1)), Row(message(1), attempts=3), Row(message(1), attempts=ATTEMPTS, is_marked=True)]
)
def test_what_has_a_verdict_and_what_had_its_last_attempt_stay_with_the_worker(row):
    _, effects = isolating(row)

    assert names(effects) == ["Park" if row.attempts == ATTEMPTS else "Mark", "Commit"]


def test_a_mark_that_still_holds_is_nobodys_suspect():
    _, effects = isolating(Row(message(1), attempts=1, is_due=False, is_marked=True))

    assert effects == [Sleep("parcel/a"), Commit()]


def alone(row):
    """Return the machine of a suspect's own process, which has locked it, and what it does."""
    inbox = Inbox()
    assert inbox.step(Isolated("parcel/a")) == [Begin(), Lock(("parcel/a",), wait=False)]
    return inbox, inbox.step(head(0, row))


def test_in_its_own_process_a_suspect_is_marked_and_run_and_what_is_behind_it_is_not():
    inbox, effects = alone(SUSPECT)
    assert effects == [Mark(SUSPECT), Commit()]
    inbox.step(Committed())
    ours = Row(message(1), attempts=2, is_due=False, is_marked=True)

    assert names(inbox.step(head(0, ours, Row(message(2), is_due=False)))) == ["Handle", "Apply", "Commit"]
    assert inbox.step(Committed()) == []
    assert inbox == Inbox()


def test_in_its_own_process_a_suspect_that_raises_gets_its_verdict():
    inbox, _ = alone(SUSPECT)
    inbox.step(Committed())
    ours = Row(message(1), attempts=2, is_due=False, is_marked=True)
    inbox.step(head(0, ours))
    inbox.step(Failed("ValueError: no"))

    assert inbox.step(head(0, ours)) == [Retry(ours, False, "ValueError: no"), Commit()]
    assert inbox.step(Committed()) == []


def test_a_suspect_that_another_process_has_taken_on_meanwhile_is_left_to_it():
    _, effects = alone(Row(message(1), attempts=2, is_due=False, is_marked=True))

    assert effects == [Sleep("parcel/a"), Commit()]


@pytest.mark.parametrize(
    "rows", [[], [Row(message(1), is_due=False)], [Row(message(1), state="parked")], [Row(message(3))]]
)
def test_an_aggregate_without_a_due_head_is_put_to_sleep(rows):
    _, effects = at_mark(*rows)

    assert effects == [Sleep("parcel/a"), Commit()]


def test_rows_without_a_position_get_one_before_they_are_locked():
    inbox = Inbox()
    inbox.step(Tick())

    assert inbox.step(Found(("parcel/a",))) == [Ensure(("parcel/a",)), Begin(), Lock(("parcel/a",), wait=False)]


def test_an_aggregate_that_somebody_else_holds_is_left_to_the_next_sweep():
    inbox = Inbox()
    inbox.step(Tick())
    inbox.step(Found(("parcel/a", "parcel/b")))

    assert inbox.step(Locked({})) == [Rollback(), Begin(), Lock(("parcel/b",), wait=False)]


def test_a_batch_that_cannot_be_stored_is_stored_one_by_one_and_acknowledged_once():
    inbox = Inbox()
    delivered(inbox, message(1), message(2), redelivered=True)

    effects = [inbox.step(Failed("DataError: no")), inbox.step(Committed()), inbox.step(Committed())]

    assert [effect for step in effects for effect in step if isinstance(effect, Store | Ack)] == [
        Store((message(1),)), Store((message(2),)), Ack(),
    ]  # fmt: skip


def test_a_message_that_no_row_can_hold_is_quarantined_alone():
    inbox = Inbox()
    delivered(inbox, message(1), redelivered=True)
    inbox.step(Failed("DataError: no"))

    (store,) = [effect for effect in inbox.step(Failed("DataError: no")) if isinstance(effect, Store)]

    assert store.messages[0].quarantine == "DataError: no"


def test_a_database_in_trouble_quarantines_nothing():
    inbox = Inbox()
    delivered(inbox, message(1), redelivered=True)
    inbox.step(Failed("DataError: no"))

    assert inbox.step(Failed("OperationalError: locked", transient=True)) == [Rollback(), Disconnect()]


@pytest.mark.parametrize("steps", [0, 1])
def test_a_lost_database_drops_the_broker_connection_and_forgets_the_batch(steps):
    inbox = Inbox()
    delivered(inbox, message(1))
    for _ in range(steps):
        inbox.step(head(0))

    assert inbox.step(Aborted()) == [Disconnect()]
    assert inbox == Inbox()


def test_a_resting_machine_finishes_what_is_begun_and_starts_nothing_more():
    inbox = Inbox()
    inbox.step(Tick())
    inbox.step(Found(("parcel/a", "parcel/b")))
    inbox.rest()

    assert inbox.step(head(0)) == [Sleep("parcel/a"), Commit()]
    assert inbox.step(Committed()) == []
    assert inbox.doing == "idle"


def test_a_resting_machine_leaves_the_successors_of_what_it_has_run_to_others():
    inbox = at_run(Row(message(1)))
    inbox.step(head(0, Row(message(1), attempts=1, is_marked=True), Row(message(2), is_due=False)))
    inbox.rest()

    assert inbox.step(Committed()) == []
    assert inbox.doing == "idle"


def test_nothing_is_taken_up_while_something_is_in_hand():
    inbox = Inbox()
    delivered(inbox, message(1))

    assert inbox.step(Tick()) == []
    assert delivered(inbox, message(2)) == []
