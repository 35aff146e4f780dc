"""Commands: gather outside, decide in one transaction, with an idempotency key stored beside the effect.

Follows draft-ietf-httpapi-idempotency-key-header: same key and body replays the
first outcome, another body is refused (422), a twin that still runs gets 409.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from django.apps import apps
from django.db import IntegrityError, OperationalError, connections, models, transaction

from fissile.crash_points import reached
from fissile.errors import Refusal
from fissile.messages import problem_from
from fissile.messages.envelope import TENANT

from .unit_of_work import UnitOfWork, unit_of_work

# How long a twin waits for the first request before it is told to come back.
TWIN_WAIT_SECONDS = 2
# Key, route and headers are small; a larger answer does not belong in the key store (T32).
LARGEST_STORED_BYTES = 64 * 1024

G = TypeVar("G")
R = TypeVar("R")


class IdempotencyKeyInUse(Refusal):
    """A request with this Idempotency-Key is still running; retry shortly with the same key."""

    code = "idempotency_key_in_use"
    status = 409


class IdempotencyKeyReused(Refusal):
    """This Idempotency-Key was used for a request with another body; use a new key."""

    code = "idempotency_key_reused"
    status = 422


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The scope of an idempotency key: who, which route template, which key, which body.

    `fingerprint` is the SHA-256 (hex) of the canonical body.
    """

    principal: str
    method: str
    route: str
    key: str
    fingerprint: str

    def scope(self) -> dict[str, str]:
        """Return the columns that make a key unique."""
        return {
            "tenant": TENANT,
            "principal": self.principal,
            "method": self.method,
            "route": self.route,
            "key": self.key,
        }

    def lock_number(self) -> int:
        """Return a signed 64-bit number for the advisory lock of this scope."""
        text = "\0".join(self.scope().values()).encode()
        return (zlib.crc32(text) << 31) ^ zlib.adler32(text)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a door answers: status, JSON body, headers. `replayed` if it is a stored one."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)
    replayed: bool = False


def run(
    context: str,
    *,
    claim: Claim | None,
    gather: Callable[[], G],
    decide: Callable[[UnitOfWork, G], R],
    render: Callable[[R], Answer],
) -> Answer:
    """Run one command and return its answer, or the stored one of the same key.

    `gather` may ask neighbours and runs in no transaction; `decide` writes and
    asks nobody. A Refusal of `decide` undoes its writes and is an outcome too: it
    is stored and replayed. What `gather` raises is never stored.
    """
    if claim is not None and (stored := _stored(context, claim)) is not None:
        return stored
    gathered = gather()
    with unit_of_work(context) as work:
        if claim is None:
            return render(decide(work, gathered))
        _wait_for_twin(context, claim)
        if (stored := _stored(context, claim)) is not None:
            return stored
        answer = _outcome(context, work, gathered, decide, render)
        _store(context, claim, answer)
        return answer


def _outcome(
    context: str, work: UnitOfWork, gathered: G, decide: Callable[[UnitOfWork, G], R], render: Callable[[R], Answer]
) -> Answer:
    try:
        with transaction.atomic(using=context):
            return render(decide(work, gathered))
    except Refusal as no:
        problem = problem_from(no)
        return Answer(status=problem.status, body=problem.body(), headers=problem.headers)


def _rows(context: str) -> models.QuerySet[Any]:
    model: Any = apps.get_app_config(context).get_model(f"{context}idempotencykey")
    return model.objects.using(context)  # type: ignore[no-any-return]


def _stored(context: str, claim: Claim) -> Answer | None:
    row = _rows(context).filter(**claim.scope()).first()
    if row is None:
        return None
    if row.fingerprint != claim.fingerprint:
        raise IdempotencyKeyReused
    return Answer(status=row.status, body=row.body, headers=row.headers, replayed=True)


def _store(context: str, claim: Claim, answer: Answer) -> None:
    plain = replace(answer, replayed=False)
    try:
        _rows(context).create(
            **claim.scope(), fingerprint=claim.fingerprint,
            status=plain.status, headers=plain.headers, body=plain.body,
        )
    except IntegrityError as twin:  # reachable only where no lock could be taken
        raise IdempotencyKeyInUse(retry_after_seconds=1) from twin
    reached("idem.inserted")


def _wait_for_twin(context: str, claim: Claim) -> None:
    # SQLite's write lock, taken by BEGIN IMMEDIATE, has made the twin wait already.
    connection = connections[context]
    if connection.vendor != "postgresql":
        return
    give_up = time.monotonic() + TWIN_WAIT_SECONDS
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{TWIN_WAIT_SECONDS}s"])
        try:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [claim.lock_number()])
        except OperationalError as waited:
            if time.monotonic() < give_up - 0.5:
                raise
            raise IdempotencyKeyInUse(retry_after_seconds=1) from waited
        cursor.execute("SELECT set_config('lock_timeout', '0', true)")
