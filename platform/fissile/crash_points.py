"""The places where a process may die that matter, each with a name. May touch: nothing.

Only the test kit's launcher arms a point (`fissile.testing.launch --crash`). Production code has no setting for it,
and a pass costs it a call.
"""

from __future__ import annotations

from collections.abc import Callable

# Each is passed in exactly one place.
POINTS = (
    # A unit of work, in the order in which one request passes them.
    "outbox.written",
    "domain.written",
    "idem.inserted",
    "unit.before_commit",
    "unit.after_commit",
    # The relay: one batch.
    "relay.claimed",
    "relay.mid_batch",
    "relay.published_unconfirmed",
    "relay.confirmed_unmarked",
    "relay.marked_uncommitted",
    # A consumer: one batch of messages.
    "consumer.received",
    "consumer.handled_uncommitted",
    "consumer.inbox_inserted",
    "consumer.committed_unacked",
    "consumer.acked",
)

_armed: Callable[[str], None] | None = None


def reached(point: str) -> None:
    """Tell that a point is passed; the process ends here if a test has asked for it."""
    if _armed is not None:
        _armed(point)


def arm(on_pass: Callable[[str], None] | None) -> None:
    """Have `on_pass` called with the name of each point that is passed in this process; None: nobody."""
    global _armed
    _armed = on_pass
