"""What all simulated processes share: a life that can be stopped at every `yield`, one open transaction, a clock.

The shells do I/O and are not simulated; their twins keep the same contract:

=============================  =====================================================
twin                           mirrors
=============================  =====================================================
RelayProcess.life              relay/shell.py  RelayLoop.run
RelayProcess._session          _Session.run: an effect list in order, answers queued
RelayProcess._perform          _Session._perform, _last, _claimed, _acquire, _give_back; Pause → Tick
RelayProcess._publish          _Session._publish and bus/amqp.py AmqpPublisher.send
RelayProcess._await            _Session._await and AmqpPublisher.verdicts
RelayProcess._idle             _Session._idle
RelayProcess._close            _Session.close: the lanes are given back
InboxProcess.life              inbox/loop.py   ConsumeLoop._turn, _sweep, _receive
InboxProcess._drive            inbox/shell.py  InboxShell.drive: a failure ends the list
InboxProcess._perform          InboxShell._perform, _trouble
InboxProcess._obey             InboxShell._obey, _settle
IsolatedProcess.life           isolated.py     run; inbox/isolation.py Isolation.run
InboxProcess._handle           inbox/handling.py handle, and a handler with a fate
RelayStatements, InboxStatements  relay/store.py, inbox/store.py, outbox_repair.py, dead_letters.py, retention.py
=============================  =====================================================
"""

from __future__ import annotations

from typing import Any

from .database import Gone, Step, Transaction

FOREVER = float("inf")
# events/threads.py: HUNG_SECONDS, after which a worker that shows no sign of life ends itself.
HUNG_SECONDS = 90.0
Pair = tuple[str, str]
IDLE: Pair = ("idle", "")


class HandlerRaised(Exception):
    """A handler, or a message's content, is bad; `is_transient` if nobody is at fault."""

    def __init__(self, reason: str, *, is_transient: bool = False) -> None:
        super().__init__(reason)
        self.is_transient = is_transient


class Process:
    """One process: killed by closing its life, paused by not running it, started again from nothing."""

    kind = ""

    def __init__(self, world: Any, name: str, rate: float) -> None:
        self.world, self.name = world, name
        # Its clock runs at another speed than the database's.
        self.rate = rate
        self.is_up = False
        self.is_stopping = False
        self.paused_until = 0.0
        self.restart_at = 0.0
        self.blocked: Transaction | float | None = None
        self.tx: Transaction | None = None
        self.at = IDLE
        # Steps until a fault that has picked it strikes.
        self.doom = 0
        self.doomed_to: dict[str, Any] = {}
        self.alive: Step | None = None
        # The next commit happens, and its answer is lost.
        self.loses_commit = False

    def start(self) -> None:
        """Begin a new life."""
        self.is_up, self.is_stopping, self.blocked, self.tx, self.at = True, False, None, None, IDLE
        self.reset()
        self.alive = self.life()

    def reset(self) -> None:
        """Forget everything: a new process has an empty memory."""
        raise NotImplementedError

    def life(self) -> Step:
        """Run for ever; every `yield` is a place to be interrupted, stopped or killed."""
        raise NotImplementedError

    def die(self) -> None:
        """Kill -9: the database ends what is open, the broker notices the connection."""
        if self.alive is not None:
            self.alive.close()
        self.is_up, self.alive = False, None
        self.abandon()
        self.disconnect()

    def disconnect(self) -> None:
        """Close the broker's connection."""
        raise NotImplementedError

    def wake(self) -> None:
        """End a sleep; a process that waits for a lock goes on waiting."""
        if isinstance(self.blocked, float):
            self.blocked = None

    def after(self, seconds: float) -> float:
        """Return the time when its own clock will have counted so many seconds."""
        return float(self.world.database.now + seconds * self.rate)

    def clock(self) -> float:
        """Return its own idea of the time, which no predicate may use."""
        return float(self.world.database.now * self.rate)

    def random(self) -> float:
        """Return a random number of this schedule."""
        return float(self.world.random())

    def passes(self, doing: str, effect: Any) -> None:
        """Tell the world which effect comes next in which state."""
        self.at = (doing, type(effect).__name__)
        self.world.passed(self)

    def begin(self) -> Transaction:
        """Open a transaction on the process's connection."""
        self.tx = self.world.database.begin(self)
        return self.tx

    def commit(self) -> None:
        """Commit it; raise Gone if it was ended, or if the answer is lost."""
        tx = self.tx
        if tx is None:
            return
        self.world.database.commit(tx)
        self.tx = None
        if self.loses_commit:
            self.loses_commit = False
            raise Gone

    def rollback(self) -> None:
        """Undo it."""
        tx, self.tx = self.tx, None
        if tx is not None:
            if tx.was_killed:
                raise Gone
            self.world.database.rollback(tx)

    def abandon(self) -> None:
        """Undo what can be undone and drop the database connection."""
        tx, self.tx = self.tx, None
        if tx is not None and tx.is_open:
            self.world.database.rollback(tx)
