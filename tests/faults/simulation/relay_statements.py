"""What the relay's store does, statement by statement: the twin of `fissile.events.relay.store.OutboxStore`.

A `yield` stands before each statement. A twin must change with its original.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from .database import Database, Row, Step
from .processes import FOREVER

# As in relay/store.py.
LEASE_SECONDS = 5.0
PROMISE_SECONDS = 5.0
PASS_SECONDS = 1.0
RENEW_BELOW_SECONDS = LEASE_SECONDS * 0.8


class RelayStatements:
    """One session's hands on the owner's database; `process.tx` is what is open."""

    def __init__(self, database: Database, sharing: Any) -> None:
        self.db, self._sharing = database, sharing
        # Circumstances, when it began, and where the next claim goes on.
        self._pass: tuple[Any, float, int] | None = None

    def acquire(self, process: Any, owner: str, lanes: Collection[int]) -> Step:
        """OutboxStore.acquire: the new fences of those that were free."""
        db = self.db

        def is_free(lane: Row) -> bool:
            is_open_to_us = lane["wanted_by"] in ("", owner) or lane["wanted_until"] <= db.now
            return bool(is_open_to_us and not lane["paused"] and lane["until"] <= db.now)

        tx = process.begin()
        taken = yield from self._locked(tx, lanes, is_free)
        yield None
        fences = {}
        for number, lane in taken.items():
            fences[number] = lane["fence"] + 1
            lease = {"owner": owner, "fence": fences[number], "until": db.now + LEASE_SECONDS}
            db.put(tx, "lane", number, {**lane, **lease, "wanted_by": "", "wanted_until": 0.0})
        yield None
        process.commit()
        return fences

    def ask(self, process: Any, owner: str, lanes: Collection[int]) -> Step:
        """OutboxStore.ask: those that are promised to nobody are promised to `owner`."""
        db = self.db
        tx = process.begin()
        asked = yield from self._locked(tx, lanes, lambda lane: lane["wanted_until"] <= db.now)
        yield None
        for number, lane in asked.items():
            db.put(tx, "lane", number, {**lane, "wanted_by": owner, "wanted_until": db.now + PROMISE_SECONDS})
        yield None
        process.commit()

    def claim(self, process: Any, asked: Any) -> Step:
        """OutboxStore.claim: renew what is held, and read its next rows and all lanes."""
        db, fences = self.db, asked.fences
        tx = process.begin()
        ours = yield from self._still_held(tx, fences, lambda lane: not lane["paused"])
        yield None
        for number, lane in ours.items():
            db.put(tx, "lane", number, {**lane, "until": db.now + LEASE_SECONDS})
        yield None
        found = self._read(process, tx, asked)
        process.commit()
        return found

    def _read(self, process: Any, tx: Any, asked: Any) -> Any:
        """OutboxStore._claimed: what comes next in lanes that are ours as they stand, and all lanes."""
        lanes = self.all_lanes(tx)
        ours = [lane.number for lane in lanes if asked.fences.get(lane.number) == lane.fence and not lane.paused]
        fences = {number: asked.fences[number] for number in ours}
        return self._next_rows(process, tx, fences, asked) if ours else [], lanes

    def _locked(self, tx: Any, lanes: Collection[int], fits: Callable[[Row], bool]) -> Step:
        """Lock the lanes that fit, in their order, and return those that still do once they are locked."""
        found, kept = [number for number in sorted(lanes) if fits(self._lane(tx, number))], {}
        for number in found:
            yield from self.db.lock(tx, "lane", number)
            if fits(lane := self._lane(tx, number)):
                kept[number] = lane
        return kept

    def _still_held(self, tx: Any, fences: Mapping[int, int], fits: Callable[[Row], bool] = bool) -> Step:
        locked = yield from self._locked(tx, fences, fits)
        return {number: lane for number, lane in locked.items() if lane["fence"] == fences[number]}

    def _lane(self, tx: Any, number: int) -> Row:
        lane = self.db.get(tx, "lane", number)
        assert lane is not None, f"there is no lane {number}"
        return lane

    def all_lanes(self, tx: Any) -> tuple[Any, ...]:
        """OutboxStore._all_lanes: how they stand."""
        now = self.db.now
        return tuple(
            self._sharing.Lane(
                number=number, owner=lane["owner"], fence=lane["fence"], left_seconds=lane["until"] - now,
                paused=lane["paused"], wanted_by=lane["wanted_by"] if lane["wanted_until"] > now else "",
            )
            for number, lane in sorted(self.db.rows(tx, "lane"))
        )  # fmt: skip

    def _next_rows(self, process: Any, tx: Any, fences: Mapping[int, int], asked: Any) -> list[Row]:
        now, in_flight = self.db.now, {one.row["seq"] for one in asked.in_flight}
        pending = [row for _, row in self.db.rows(tx, "outbox") if row["sent_at"] is None and row["lane"] in fences]
        held_back = [row for row in pending if row["attempts"] > 0 and (row["parked"] or row["next_at"] > now)]
        troubled: dict[str, int] = {}
        for row in held_back:
            troubled[row["aggregate"]] = min(row["version"], troubled.get(row["aggregate"], row["version"]))
        circumstances = (dict(fences), sorted(row["seq"] for row in held_back))
        begins = self._begin_pass(process, circumstances) if held_back else (None, 0.0, 0)
        waiting = [row for row in pending if not row["version"] >= troubled.get(row["aggregate"], FOREVER)]
        waiting = [row for row in waiting if row["seq"] not in in_flight]
        rows = sorted((row for row in waiting if row["seq"] >= begins[2]), key=lambda row: row["seq"])[: asked.limit]
        first = min((*(row["seq"] for row in rows), *in_flight), default=begins[2])
        self._pass = (begins[0], begins[1], first)
        return rows

    def _begin_pass(self, process: Any, circumstances: Any) -> tuple[Any, float, int]:
        now, last = process.clock(), self._pass
        if last is None or last[0] != circumstances or now - last[1] > PASS_SECONDS:
            return circumstances, now, 0
        return last

    def settle(self, process: Any, verdicts: Any) -> Step:
        """OutboxStore.settle: write the verdicts of lanes that are still held; return the others, and the next rows."""
        db, then, found = self.db, verdicts.then, None
        tx = process.begin()
        held = yield from self._still_held(tx, verdicts.fences)
        yield None
        for one in verdicts.sent:
            yield from self._update(tx, one, held, {"sent_at": db.now, "reason": "", "next_at": 0.0})
        if then is not None and not verdicts.failed:
            yield None
            found = self._read(process, tx, then)
        for failed in sorted(verdicts.failed, key=lambda one: one.id):
            yield None
            yield from self._note(tx, failed, held)
        if verdicts.returned:
            yield None
            for one in verdicts.returned:
                yield from self._update(tx, one, held, {"reason": verdicts.reason})
        yield None
        process.commit()
        if then is not None and (found is None or self._runs_out(then, found[1])):
            found = yield from self.claim(process, then)
        return frozenset(verdicts.fences) - frozenset(held), found

    def _runs_out(self, asked: Any, lanes: Any) -> bool:
        ours = [lane for lane in lanes if asked.fences.get(lane.number) == lane.fence and not lane.paused]
        return any(lane.left_seconds <= RENEW_BELOW_SECONDS for lane in ours)

    def _note(self, tx: Any, failed: Any, lanes: Collection[int]) -> Step:
        row = self.db.get(tx, "outbox", failed.id)
        if row is None or row["parked"]:
            return
        yield from self._update(
            tx,
            failed.id,
            lanes,
            {
                "attempts": row["attempts"] + 1,
                "reason": failed.reason,
                "next_at": self.db.now + failed.retry_seconds,
                "parked": failed.park,
            },
        )

    def _update(self, tx: Any, key: Any, lanes: Collection[int], changes: Row) -> Step:
        row = self.db.get(tx, "outbox", key)
        # A row can be gone only after a restore; its lane never changes.
        if row is None or row["lane"] not in lanes:
            return
        yield from self.db.lock(tx, "outbox", key)
        row = self.db.get(tx, "outbox", key)
        # `sent_at` is set once.
        if row is not None and row["sent_at"] is None:
            self.db.put(tx, "outbox", key, {**row, **changes})

    def release(self, process: Any, fences: Mapping[int, int]) -> Step:
        """OutboxStore.release: end the leases that are still ours."""
        db = self.db
        tx = process.begin()
        ours = yield from self._still_held(tx, fences)
        yield None
        for number, lane in ours.items():
            db.put(tx, "lane", number, {**lane, "owner": "", "until": db.now})
        yield None
        process.commit()

    def replay(self, process: Any, key: Any) -> Step:
        """outbox_repair.put_back, of one parked event."""
        tx = process.begin()
        yield from self.db.lock(tx, "outbox", key)
        row = self.db.get(tx, "outbox", key)
        if row is not None and row["sent_at"] is None and row["parked"]:
            self.db.put(tx, "outbox", key, {**row, "parked": False, "attempts": 0, "next_at": 0.0, "reason": ""})
        process.commit()
