"""Every (kind, state, effect) that can be interrupted: schedules aim at each in turn; each must have been struck."""

from __future__ import annotations

PAIRS: tuple[tuple[str, str, str], ...] = tuple(
    (kind, state, effect)
    for kind, state, effects in (
        ("relay", "free", "Claim GiveBack Disconnect"),
        ("relay", "sharing", "Acquire Ask"),
        ("relay", "idle", "GiveBack Pause Disconnect"),
        ("relay", "busy", "Claim Settle Disconnect"),
        ("relay", "publishing", "GiveBack Publish Claim Settle Await"),
        ("inbox", "fast", "Ensure Begin Lock Handle Apply Commit"),
        ("inbox", "store", "Rollback Ensure Begin Store Commit"),
        ("inbox", "alone", "Rollback Ensure Begin Store Commit"),
        ("inbox", "look", "Ack Look"),
        ("inbox", "mark", "Ensure Begin Lock Rollback Isolate"),
        ("inbox", "marked", "Mark Commit"),
        ("inbox", "run", "Begin Lock"),
        ("inbox", "ran", "Handle Apply Commit"),
        ("inbox", "fail", "Rollback Begin Lock"),
        ("inbox", "done", "Park Retry Sleep Commit"),
        ("inbox", "idle", "Rollback Isolate Disconnect"),
        ("isolated", "mark", "Begin Lock"),
        ("isolated", "marked", "Mark Commit"),
        ("isolated", "run", "Begin Lock"),
        ("isolated", "ran", "Handle Apply Commit"),
        ("isolated", "fail", "Rollback Begin Lock"),
        ("isolated", "done", "Park Retry Sleep Commit"),
        ("isolated", "idle", "Rollback Disconnect"),
    )
    for effect in effects.split()
)
