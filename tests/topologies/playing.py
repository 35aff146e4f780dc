"""Plays a plan at a running shop and keeps what was answered, published and left in the tables.

May touch: the front door, the stores (read only), the workers of a plan that wants them asleep.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import urllib3

from bff_app.management.shop import Reply
from fissile import trust
from fissile.trust import keys
from tests.house import RunningHouse
from tests.topologies.people import EXPIRED, FOREIGN
from tests.topologies.plan import SAID_NOTHING, Beat, Plan, Round, Script, Step, filled
from tests.topologies.stores import NotAtRest, Row, Stores, stores_of

# A shop on two cores is busy with these; more would only measure the queue.
CLIENTS = 4
# What an access token lives, and a minute more.
_EXPIRED_SECONDS = 16 * 60
# On a busy machine a deadline may pass; whoever is told "not now" asks again. What is broken stays broken.
TIMES_AGAIN = 3
NOT_NOW = ("late", "unreachable")


@dataclass(kw_only=True)
class Record:
    """One run of a plan: raw, as it came. `unrest` says why it ended early, if it did."""

    cut: str
    tier: str
    answers: dict[int, Reply] = field(default_factory=dict)
    tables: dict[str, list[Row]] = field(default_factory=dict)
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    ended: datetime | None = None
    unrest: str = ""
    asked_again: list[int] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The cut on its tier: `orders-out, real`."""
        return f"{self.cut}, {self.tier}"

    @property
    def seconds(self) -> float:
        """How long the requests and the waiting between them took."""
        return (self.ended - self.began).total_seconds() if self.ended else 0.0


def play(plan: Plan, house: RunningHouse) -> Record:
    """Send every request of the plan and return what came of it."""
    record = Record(cut=house.topology, tier=house.tier)
    with stores_of(house) as stores:
        player = _Player(house, stores, record)
        try:
            # The first rows have their events, too.
            stores.wait_for_rest()
            for number, each in enumerate(plan.rounds, 1):
                with player.workers_asleep() if plan.asleep else nullcontext():
                    player.play(each)
                player.rest(number)
        except NotAtRest as wrong:
            record.unrest = str(wrong)
        record.ended = datetime.now(UTC)
        record.tables = stores.tables()
    return record


class _Player:
    def __init__(self, house: RunningHouse, stores: Stores, record: Record) -> None:
        self._house, self._stores, self._record = house, stores, record
        self._said: dict[int, Any] = {}
        self._tokens = _bad_tokens(house.house.state_dir / "keys")

    def play(self, scripts: Round) -> None:
        """Let the clients share the scripts of one round."""
        with ThreadPoolExecutor(CLIENTS) as clients:
            list(clients.map(self._follow, scripts))

    def rest(self, number: int) -> None:
        """Wait until nothing is under way. Raise NotAtRest."""
        try:
            self._stores.wait_for_rest()
        except NotAtRest as wrong:
            raise NotAtRest(f"round {number} never came to rest, {wrong}") from wrong

    @contextmanager
    def workers_asleep(self) -> Iterator[None]:
        """Stop every worker, and start it again afterwards."""
        workers = self._house.named("*worker*")
        for name in workers:
            self._house.processes.stop(name)
        yield
        for name in workers:
            self._house.processes.start(name)

    def _follow(self, script: Script) -> None:
        for beat in script:
            self._send_at_once(beat)

    def _send_at_once(self, beat: Beat) -> None:
        if len(beat) == 1:
            replies = [self._send(beat[0])]
        else:
            with ThreadPoolExecutor(len(beat)) as racers:
                replies = list(racers.map(self._send, beat))
        # Who won a race is nobody's business: what it said, all of them said.
        winner = next((reply for reply in replies if 200 <= reply.status < 300), replies[0])
        for step, reply in zip(beat, replies, strict=True):
            self._record.answers[step.number] = reply
            self._said[step.number] = winner.body

    def _send(self, step: Step) -> Reply:
        for _ in range(TIMES_AGAIN):
            if not says_not_now(reply := self._ask(step)):
                return reply
            self._record.asked_again.append(step.number)
        return self._ask(step)

    def _ask(self, step: Step) -> Reply:
        # A kept connection may be closed by its other end just as it is used again; what was done is then unknown.
        headers = {"connection": "close", "x-correlation-id": f"parity-{step.number}"}
        headers |= filled(step.headers, self._said)
        if step.token is not None:
            token = self._tokens.get(step.token) or filled(step.token, self._said)
            headers["authorization"] = f"Bearer {token}"
        try:
            return self._house.shop.send(
                step.method,
                filled(step.path, self._said),
                body=filled(step.body, self._said),
                raw=step.raw,
                headers=headers,
            )
        except urllib3.exceptions.HTTPError as broken:
            return Reply(status=0, headers={}, body={"no answer": type(broken).__name__})


def says_not_now(reply: Reply) -> bool:
    """Return whether an answer is that nothing was done for lack of time, all of it or a part of the dashboard."""
    parts = reply.body.get("missing", []) if isinstance(reply.body, dict) else []
    return reply.status == 503 or any(part["reason"] in NOT_NOW for part in parts)


def _bad_tokens(shop_keys: Path) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as elsewhere:
        keys.ensure(Path(elsewhere), [keys.ACCESS])
        trust.configure(keys_dir=Path(elsewhere))
        foreign = trust.issue_access(SAID_NOTHING, now=time.time())
        trust.configure(keys_dir=shop_keys)
        expired = trust.issue_access(SAID_NOTHING, now=time.time() - _EXPIRED_SECONDS)
    return {EXPIRED: expired, FOREIGN: foreign}
