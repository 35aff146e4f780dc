"""What a failure means for a message: a lost line, nobody's fault, or a verdict. Touches nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import DatabaseError, DataError, IntegrityError, InterfaceError, OperationalError

from fissile.events.backlog import RETRY_AFTER_SECONDS, OutboxFull
from fissile.watch.redaction import redact_text

# PostgreSQL, appendix A: connection exceptions, shutdown, crash.
_LOST = ("08", "57P")
# Serialization failure, deadlock, lock not available, out of resources: the same
# handler may well succeed the next time. A statement time-out (57014) is a verdict.
_TRANSIENT = ("40001", "40P01", "55P03", "53")
# Program limit exceeded: this content fits in no row or index entry.
_TOO_LARGE = "54"


def is_lost(connection: Any, wrong: Exception) -> bool:
    """True if the database connection is gone, whoever noticed it."""
    raw = connection.connection
    if raw is not None and getattr(raw, "closed", False):
        return True
    return any(
        isinstance(one, InterfaceError) or _state(one).startswith(_LOST)
        for one in _chain(wrong)
        if isinstance(one, DatabaseError | InterfaceError)
    )


def is_transient(wrong: Exception) -> bool:
    """True for a deadlock, a lock time-out, a busy database or a full outbox: it costs the message no attempt."""
    return _is_outbox_full(wrong) or any(_is_busy(one) for one in _chain(wrong) if isinstance(one, OperationalError))


def wait_seconds(wrong: Exception) -> float:
    """Return how long it is in vain to try again: a full outbox does not empty itself in a moment."""
    return RETRY_AFTER_SECONDS if _is_outbox_full(wrong) else 0.0


def is_contents_fault(wrong: Exception) -> bool:
    """True if storing failed because of what was stored; a database in trouble must not quarantine messages."""
    if isinstance(wrong, DatabaseError | InterfaceError):
        return isinstance(wrong, DataError | IntegrityError) or _state(wrong).startswith(_TOO_LARGE)
    return True


def sentence(wrong: Exception) -> str:
    """Return the error as one redacted line."""
    return redact_text(f"{type(wrong).__name__}: {wrong}").replace("\0", "␀").strip().splitlines()[0]


def _is_outbox_full(wrong: Exception) -> bool:
    return any(isinstance(one, OutboxFull) for one in _chain(wrong))


def _is_busy(wrong: BaseException) -> bool:
    state = _state(wrong)
    # SQLite has no codes in 3.11's errors raised through Django; its two words are stable.
    return state.startswith(_TRANSIENT) if state else "locked" in str(wrong) or "busy" in str(wrong)


def _state(wrong: BaseException) -> str:
    return str(getattr(wrong.__cause__, "sqlstate", None) or "")


def _chain(wrong: BaseException | None) -> Iterator[BaseException]:
    # Handlers may have wrapped what the database said; ten links are plenty.
    for _ in range(10):
        if wrong is None:
            return
        yield wrong
        wrong = wrong.__cause__
