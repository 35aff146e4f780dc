"""What must hold at every commit, publish, acknowledgement and handler run, and when all is quiet again.

Names as in the fault matrix: I4 versions without gaps, I5 nothing lost or invented, I6 one
effect, I7 order, I11 parked exactly the bad ones; the others have words.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from .database import Database, Key, Transaction

KILLERS = ("kill", "hang")
# By the database's clock, from the end of trouble among the relays: a dead one's lease and then its promise end,
# and each lane finds its place within some looks.
SETTLING_SECONDS = 15.0
# How often one lane is taken meanwhile: it is free, goes to whoever looks first, and from there to whoever has less.
HANDOVERS = 4
BAD = ("raise", "kill", "hang")


class Violation(AssertionError):
    """An invariant is broken; `name` says which."""

    def __init__(self, name: str, what: str) -> None:
        super().__init__(f"{name}: {what}")
        self.name = name


class Invariants:
    """Looks at the world; changes nothing in it."""

    def __init__(self, world: Any, consumers: tuple[str, ...]) -> None:
        self.world, self.consumers = world, consumers
        # Every id that was ever committed in a place; more than one only after a restore.
        self.places: dict[tuple[str, int], list[str]] = {}
        self.committed: set[str] = set()
        self.attempts = world.parts.inbox.ATTEMPTS
        self.strikes: Counter[tuple[str, Any]] = Counter()
        # Until the world is mended, something may always come between relays and their lanes. After that: when
        # the last trouble among them ended, and how often each lane was taken since.
        self.is_mended, self.calm_at = False, 0.0
        self.taken: Counter[int] = Counter()

    @property
    def _db(self) -> Database:
        return self.world.database  # type: ignore[no-any-return]

    # -- at every commit
    def on_commit(self, tx: Transaction) -> None:
        """Check every row this transaction is about to change."""
        streams: set[tuple[str, str]] = set()
        for (table, key), row in tx.writes.items():
            kind, _, consumer = table.partition(".")
            if kind == "inbox":
                self._inbox(tx, consumer, key, row)
            elif kind in ("position", "effect", "ledger"):
                streams.add((consumer, key))
            elif kind == "outbox":
                self._outbox(tx, key, row)
            elif kind == "lane":
                self._lane(tx.owner, key, row)
        for consumer, aggregate in streams:
            self._stream(tx, consumer, aggregate)

    def on_deadlock(self, places: list[Key]) -> None:
        """The machines' own locks have one order; handlers' rows may come in any."""
        if not any(table.startswith(("shared", "effect")) for table, _ in places):
            raise Violation("deadlock", f"among the machines' own locks at {places}")

    def _lane(self, who: Any, key: Any, row: Any) -> None:
        before, now = self._db.tables["lane"][key], self._db.now
        if row["fence"] < before["fence"]:
            raise Violation("fence", f"went back from {before['fence']} to {row['fence']}")
        if row["fence"] > before["fence"]:
            self._handed_over(key, row["owner"])
            if before["until"] > now:
                raise Violation("lease", f"{row['owner']} took lane {key}, which {before['owner']} still held")
            if before["wanted_by"] not in ("", row["owner"]) and before["wanted_until"] > now:
                raise Violation("promise", f"{row['owner']} took lane {key}, promised to {before['wanted_by']}")
        elif (row["owner"], row["until"]) == (before["owner"], before["until"]):
            if before["wanted_until"] > now:
                raise Violation("promise", f"{who.name} asked for lane {key}, promised to {before['wanted_by']}")
            return
        elif who.owner != before["owner"]:
            raise Violation("lease", f"{who.owner} changed the lease of {before['owner'] or 'nobody'}")
        if before["paused"] and row["until"] > now:
            raise Violation("pause", f"{who.name} holds on to lane {key}, which is paused")

    def _handed_over(self, key: int, owner: str) -> None:
        if not self.is_mended or self.calm_at > self._db.now:
            return
        self.taken[key] += 1
        if self.taken[key] > HANDOVERS:
            raise Violation("sharing", f"{owner} takes lane {key}, the {self.taken[key]}th time since trouble ended")

    def _outbox(self, tx: Transaction, key: Any, row: Any) -> None:
        before = self._db.tables.setdefault("outbox", {}).get(key)
        if before is None:
            self._appended(row)
            return
        if before["sent_at"] is not None and row != before:
            raise Violation("I5", f"{key} was changed after it was sent")
        if row["sent_at"] is not None:
            if key not in self.world.broker.accepted:
                raise Violation("I5", f"{key} is marked as sent, and no broker ever had it")
            if row["parked"]:
                raise Violation("I11", f"{key} is both sent and parked")
        if row["parked"] and not self.world.messages.publish_fate(key):
            raise Violation("I11", f"{key} is parked at the relay, and nothing is wrong with it")
        limit = self.world.parts.relay.ATTEMPTS
        if row["attempts"] > limit or (row["parked"] and row["attempts"] < limit):
            raise Violation("I11", f"{key} has {row['attempts']} attempts at the relay, parked: {row['parked']}")
        if row["attempts"] > before["attempts"]:
            if before["next_at"] > self._db.now:
                raise Violation("back-off", f"{key} was tried before its time")
            if not self.world.messages.publish_fate(key):
                raise Violation("I11", f"{key} was charged an attempt, and nothing is wrong with it")
        if tx.owner.kind == "relay":
            self._marked(tx.owner, key, row["lane"])

    def _marked(self, relay: Any, key: Any, number: int) -> None:
        lane, fence = self._db.tables["lane"][number], relay.read_under.get(key)
        if fence != lane["fence"] or lane["owner"] != relay.owner:
            at = f"lane {number} is {lane['owner'] or 'nobody'}'s under {lane['fence']}"
            raise Violation("fence", f"{relay.owner} marked {key} under {fence}, and {at}")

    def _appended(self, row: Any) -> None:
        place = (row["aggregate"], row["version"])
        known = [one for one in self._db.tables["outbox"].values() if one["aggregate"] == row["aggregate"]]
        if sorted(one["version"] for one in known) != list(range(1, row["version"])):
            raise Violation("I4", f"{place} leaves a gap")
        self.places.setdefault(place, []).append(row["id"])
        self.committed.add(row["id"])

    def _inbox(self, tx: Transaction, consumer: str, key: Any, row: Any) -> None:
        before = self._db.tables.setdefault(f"inbox.{consumer}", {}).get(key)
        if row is None:
            if before is not None and before["state"] != "applied":
                raise Violation("I5", f"retention removed {consumer} {key}, which is {before['state']}")
            return
        if before is not None and before["state"] == "applied" and row["state"] != "applied":
            raise Violation("I6", f"{consumer} {key} was applied and is {row['state']} again")
        message = row["message"]
        position = self._position(tx, consumer, message.aggregate)
        if row["state"] == "applied" and message.version > position:
            raise Violation("I7", f"{consumer} {key} counts as applied at position {position}")
        if row["state"] == "parked":
            self._parked(consumer, message, position)
        if before is not None and row["attempts"] > before["attempts"] and (before["marked_until"] or 0) > self._db.now:
            raise Violation("mark", f"{consumer} {key} was marked while another's mark held")
        if before is not None and tx.owner.kind == "inbox":
            self._not_run_again(consumer, key, row, before)

    def _not_run_again(self, consumer: str, key: Any, row: Any, before: Any) -> None:
        if before["marked_until"] is not None and row["marked_until"] not in (None, before["marked_until"]):
            raise Violation("isolation", f"a worker of {consumer} takes on {key}, whose last run never came back")

    def _parked(self, consumer: str, message: Any, position: int) -> None:
        if message.version != position + 1:
            raise Violation("head", f"{consumer} {message.id} is parked, and its aggregate stands at {position}")
        if message.type == "forked" and len(self.places[message.payload["aggregate"], message.payload["version"]]) < 2:
            raise Violation("fork", f"{consumer} calls a repetition of {message.payload} a fork")
        if message.type in ("forked", "undecodable"):
            return
        if self.world.messages.fates.get((consumer, message.id)) not in BAD:
            raise Violation("I11", f"{consumer} {message.id} is parked, and nothing is wrong with it")
        verdicts = self.strikes[consumer, message.id]
        if verdicts + self.world.hurts < self.attempts:
            raise Violation("I11", f"{consumer} {message.id} is parked after {verdicts} verdicts")

    def _position(self, tx: Transaction | None, consumer: str, aggregate: str) -> int:
        row = self._db.get(tx, f"position.{consumer}", aggregate)
        return int(row["applied"]) if row else 0

    def _stream(self, tx: Transaction, consumer: str, aggregate: str) -> None:
        db, position = self._db, self._position(tx, consumer, aggregate)
        if position < self._position(None, consumer, aggregate):
            raise Violation("I7", f"{consumer} {aggregate} went back to {position}")
        ledger = (db.get(tx, f"ledger.{consumer}", aggregate) or {"entries": ()})["entries"]
        if [version for version, _, _ in ledger] != list(range(1, position + 1)):
            raise Violation("I7", f"{consumer} {aggregate} stands at {position} after {ledger}")
        done = (db.get(tx, f"effect.{consumer}", aggregate) or {"ids": ()})["ids"]
        if list(done) != [one for _, one, outcome in ledger if outcome == "handled"]:
            raise Violation("I6", f"{consumer} {aggregate}: effects {done} of {ledger}")
        for version, one, outcome in ledger[-3:]:
            if "/" not in aggregate and one not in self.places.get((aggregate, version), ()):
                raise Violation("I5", f"{consumer} applied {one}, which nobody committed")
            if outcome == "unhandled" and self.world.handlers.must_handle(consumer, one):
                raise Violation("I6", f"{consumer} passed over {one}, which every version of it handles")

    # -- when something happens
    def on_trouble(self, ends: float) -> None:
        """A relay starts, is stopped or killed, or loses its session: from `ends` on they must settle anew."""
        # One may sleep for longer than the next one takes to start.
        self.calm_at = max(self.calm_at, ends)
        self.taken.clear()

    def on_send(self, relay: Any, row: Any) -> None:
        """A relay is about to send: it must hold the lane, as far as it can know."""
        if row["lane"] not in relay.machine.held:
            raise Violation("lease", f"{relay.owner} sends {row['id']} and does not hold lane {row['lane']}")
        if self._session(relay, row["id"]) in relay.confirmed:
            raise Violation("again", f"{relay.owner} sends {row['id']}, which was confirmed to it and is its to mark")
        held, seen = relay.machine.held, relay.unnoticed[row["id"]]
        if late := {number for number, fence in seen.items() if held.get(number) == fence}:
            raise Violation("sharing", f"{relay.owner} sends {row['id']} and has yet to let go of lanes {late}")

    def _session(self, relay: Any, key: Any) -> Any:
        return key, relay.read_under.get(key), self.world.generation

    def to_be_noticed(self, relay: Any, fences: Any, lanes: Any) -> dict[int, int]:
        """Return lanes that a claim was made for, and which it finds taken, paused or promised to another."""
        return {
            lane.number: fences[lane.number]
            for lane in lanes
            if lane.number in fences
            and (lane.fence != fences[lane.number] or lane.paused or lane.is_promised(relay.owner))
        }

    def on_batch(self, relay: Any, rows: list[Any]) -> None:
        """A relay begins a batch: of what it sent before and has no confirm for, nothing is passed."""
        ids = {row["id"] for row in rows}
        for row in rows:
            for key, (generation, aggregate, version) in relay.unconfirmed.items():
                before = self._db.get(None, "outbox", key)
                is_left = before is not None and before["sent_at"] is None and key not in ids
                is_before = (self.world.generation, row["aggregate"]) == (generation, aggregate)
                if is_left and is_before and version < row["version"]:
                    raise Violation("order", f"{relay.owner} sends {row['id']}, and {key} before it is not confirmed")
        for row in rows:
            relay.unconfirmed[row["id"]] = (self.world.generation, row["aggregate"], row["version"])

    def on_confirm(self, relay: Any, ids: list[Any]) -> None:
        """A relay has the broker's word."""
        for one in ids:
            relay.confirmed.add(self._session(relay, one))
            relay.unconfirmed.pop(one, None)

    def on_publish(self, row: Any) -> None:
        """A broker takes a message: it must be of a commit."""
        if row["id"] not in self.committed:
            raise Violation("I5", f"{row['id']} was published and never committed")

    def on_acknowledge(self, consumer: str, messages: list[Any]) -> None:
        """The broker forgets a message: the database must know it."""
        db = self._db
        for message in messages:
            if message.version <= self._position(None, consumer, message.aggregate):
                continue
            others = {row["message"].headers.get("message_id") for _, row in db.rows(None, f"inbox.{consumer}")}
            stored = db.get(None, f"inbox.{consumer}", message.id) or message.id in others
            quarantined = self.world.messages.quarantined_id(message)
            if not stored and db.get(None, f"inbox.{consumer}", quarantined) is None:
                raise Violation("I5", f"{consumer} acknowledged {message.id} and has not kept it")

    def on_handle(self, consumer: str, message: Any, is_marked: bool) -> None:
        """A handler begins: its message must be due, and nobody else's."""
        row = self._db.get(None, f"inbox.{consumer}", message.id)
        if row is None:
            return
        if row["state"] == "parked":
            raise Violation("I11", f"{consumer} handles {message.id}, which is parked")
        if not is_marked and row["attempts"]:
            raise Violation("I11", f"{consumer} handles {message.id} unmarked after {row['attempts']} attempts")
        if row["attempts"] and row["due"] is not None and row["due"] > self._db.now:
            raise Violation("back-off", f"{consumer} handles {message.id} before its time")

    def on_isolate(self, process: Any, aggregate: str) -> None:
        """A worker hands a message over: when it locked the position, the last run had never come back."""
        if aggregate not in process.suspects:
            raise Violation("isolation", f"{process.name} isolates {aggregate}, of which nothing is suspect")

    def on_begin(self, process: Any, message: Any) -> None:
        """A worker's handler begins: of none that is known to have been cut off in its first run."""
        row = self._db.get(None, f"inbox.{process.consumer}", message.id)
        # A mark of this worker's own is the first one: there was no verdict between.
        if message.id in process.left and (row is None or row["attempts"] <= (process.machine.doing == "ran")):
            raise Violation("isolation", f"{process.name} runs {message.id}, from which another never came back")

    def on_run_alone(self, process: Any, message: Any) -> None:
        """A handler begins in a process of its own, in which no other one ever did."""
        if process.ran is not None:
            raise Violation("isolation", f"{process.name} runs {message.id} after {process.ran.id}")
        process.ran = message

    def on_strike(self, consumer: str, message: Any) -> None:
        """A handler raised, hung or died: unmarked once per delivery in its stream, then as often as allowed."""
        self.strikes[consumer, message.id] += 1
        copies = self.world.messages.copies[message.aggregate]
        if self.strikes[consumer, message.id] > self.attempts + copies + self.world.hurts:
            raise Violation("I11", f"{consumer} {message.id} failed {self.strikes[consumer, message.id]} times")

    # -- when all is quiet
    def unfinished(self) -> list[str]:
        """Return what is neither done nor held back for a reason that an operator can see."""
        left = self.unshared()
        held: dict[str, int] = {}
        for row in sorted(self._db.tables.get("outbox", {}).values(), key=lambda row: row["version"]):
            if row["parked"]:
                held.setdefault(row["aggregate"], row["version"])
            elif row["sent_at"] is None and row["aggregate"] not in held:
                left.append(f"unsent {row['id']}")
        for consumer in self.consumers:
            left += self._behind(consumer, held)
        return left

    def unshared(self) -> list[str]:
        """Return what is wrong with how the relays share the lanes: all are held, by each as many, or one more."""
        # Not what stands under its name, but what it knows of: a lost session leaves leases behind.
        held = {relay.owner: relay.machine.held for relay in self.world.relays if not relay.stands_by}
        counts = dict.fromkeys(held, 0)
        for number, lane in self._db.tables["lane"].items():
            owner = lane["owner"]
            if lane["until"] <= self._db.now or owner not in held or held[owner].get(number) != lane["fence"]:
                return [f"lane {number} is not held"]
            counts[owner] += 1
        return [] if max(counts.values()) - min(counts.values()) <= 1 else [f"lanes are shared out as {counts}"]

    def unsettled(self) -> list[str]:
        """Return which relay still wants lanes, or to give some back: a share that is fair must also last."""
        world = self.world
        lanes = world.statements_of_relay().all_lanes(None)
        for relay in world.relays:
            share_out = world.parts.sharing.share_out
            plan = share_out(relay.owner, relay.machine.held, lanes, stands_by=relay.stands_by)
            if plan != world.parts.sharing.Plan():
                return [f"{relay.owner} is not content: {plan}"]
        return []

    def at_rest(self) -> None:
        """Nobody can do anything at this moment: the relays must have settled if they have had the time."""
        if self._db.now > self.calm_at + SETTLING_SECONDS and (wrong := self.unshared()):
            raise Violation("sharing", f"{SETTLING_SECONDS:.0f} s after the end of trouble, {wrong[0]}")

    def _behind(self, consumer: str, held: dict[str, int]) -> list[str]:
        left, db, world = [], self._db, self.world
        inbox = [row for _, row in db.rows(None, f"inbox.{consumer}")]
        rows = {(row["message"].aggregate, row["message"].version): row for row in inbox}
        for aggregate, head in world.heads().items():
            applied = self._position(None, consumer, aggregate)
            place = (aggregate, applied + 1)
            if applied >= min(head, held.get(aggregate, head + 1) - 1):
                continue
            row = rows.get(place)
            if row is not None and row["state"] == "parked":
                continue
            ids = self.places[place]
            if row is None and any(
                (consumer, one) in world.broker.lost or one in world.messages.set_aside for one in ids
            ):
                continue
            left.append(f"{consumer} has applied {aggregate}@{applied} of {head}")
        for place, row in rows.items():
            applied = self._position(None, consumer, place[0])
            if row["state"] == "waiting" and (row["due"] is not None or place[1] <= applied):
                left.append(f"{consumer} has {place} waiting at {applied}, due {row['due']}")
        return left

    def at_the_end(self) -> None:
        """Everything the owner has is applied, or stands visibly beside it as a fork."""
        for row in self._db.tables.get("outbox", {}).values():
            if row["sent_at"] is None:
                raise Violation("I5", f"{row['id']} was never sent")
            for consumer in self.consumers:
                self._arrived(consumer, row)

    def _arrived(self, consumer: str, row: Any) -> None:
        db = self._db
        if self._position(None, consumer, row["aggregate"]) < row["version"]:
            raise Violation("I5", f"{consumer} never applied {row['id']}")
        ledger = db.tables[f"ledger.{consumer}"][row["aggregate"]]["entries"]
        if ledger[row["version"] - 1][1] == row["id"] or self.world.has_pruned:
            return
        beside = {one["message"].headers.get("message_id") for _, one in db.rows(None, f"inbox.{consumer}")}
        if row["id"] not in beside:
            raise Violation("fork", f"{consumer} applied another message in the place of {row['id']} and tells nobody")
