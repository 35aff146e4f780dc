"""The rows of the fault matrix that this house runs, each with its negative controls.

May touch: nothing; running.py runs them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import broken_stores, broker_away, crashing, poison, relays, replay, worker_kills


@dataclass(frozen=True, kw_only=True)
class Control:
    """A wrong design: patches of processes, and the part of its row in which it must show."""

    patches: Mapping[str, str]
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A fault: what it does to a house under load, and the controls by which its checks are tried.

    `extra`: variables of every process. `has_link`: the house reaches its broker by a link that can be made slow.
    """

    title: str
    inject: Callable[..., None]
    options: Mapping[str, Any] = field(default_factory=dict)
    patches: Mapping[str, str] = field(default_factory=dict)
    controls: Mapping[str, Control] = field(default_factory=dict)
    extra: Mapping[str, str] = field(default_factory=dict)
    has_link: bool = False
    tiers: Sequence[str] = ("embedded", "real")


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of a row: where, with which seed, against which design ("" is the shop's own)."""

    row: str
    topology: str
    tier: str
    seed: int
    control: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Unique: also the name of its result file."""
        parts = [self.row, self.topology, self.tier, f"seed{self.seed}", self.control]
        return "-".join(part for part in parts if part)

    @property
    def command(self) -> str:
        """What runs it again."""
        words = ["python -m tests.faults run", self.row, "--topology", self.topology, "--tier", self.tier]
        words += ["--seed", str(self.seed), *(["--control", self.control] if self.control else [])]
        return " ".join(words + [f"--set {name}={json.dumps(value)}" for name, value in self.options.items()])


def _point(*points: str) -> dict[str, Any]:
    return {"points": points, "kills": 1}


_NO_CONFIRMS = Control(patches={"*worker": "tests.proofs.sabotage:do_not_wait_for_confirms"})
_NEVER_RECONNECT = Control(patches={"*worker": "tests.faults.controls:never_reconnect"})
# Of F05-full: events that may wait. Of F17: silence of a thread after which its worker ends, 90 s as shipped.
OUTBOX_LIMIT, HUNG_SECONDS = 200, 12

ROWS = {
    "F01": Row(
        title="kill -9 at each named crash point",
        inject=crashing.kill_at_points,
        controls={
            "publish-before-commit": Control(
                patches={"*web": "tests.proofs.sabotage:publish_before_commit"},
                options=_point("domain.written", "unit.before_commit"),
            ),
            "publish-after-commit": Control(
                patches={"*web": "tests.faults.controls:publish_after_commit"}, options=_point("unit.after_commit")
            ),
            "key-after-commit": Control(
                patches={"*web": "tests.proofs.sabotage:store_the_key_after_the_transaction"},
                options=_point("unit.after_commit"),
            ),
            "mark-before-confirm": Control(
                patches={"*worker": "tests.faults.controls:mark_before_confirm"}, options=_point("relay.claimed")
            ),
            "ack-before-commit": Control(
                patches={"*worker": "tests.faults.controls:acknowledge_before_commit"},
                options=_point("consumer.received", "consumer.handled_uncommitted"),
            ),
            "effects-apart": Control(
                patches={"*worker": "tests.faults.controls:commit_effects_apart"},
                options=_point("consumer.handled_uncommitted", "consumer.inbox_inserted"),
            ),
        },
    ),
    "F02": Row(
        title="a worker sleeps (SIGSTOP) past its lease beside a second one, and wakes; a web process sleeps",
        inject=relays.sleepers,
        options={"lengths": [8.0]},
        patches={
            "*worker": "tests.faults.controls:stop_where_told",
            "*web": "tests.faults.controls:stop_where_told",
        },
        controls={
            "no-fence": Control(patches={"*worker": "tests.faults.controls:trust_the_lease"}),
            "no-inbox": Control(patches={"*worker": "tests.faults.controls:handle_every_delivery"}),
        },
    ),
    "F03": Row(
        title="random kill -9 of web processes and workers",
        inject=worker_kills.kill_anybody,
        options={"orders": 200, "kills": 6},
        controls={
            "ack-before-commit": Control(patches={"*worker": "tests.faults.controls:acknowledge_before_commit"}),
        },
    ),
    "F05": Row(
        title="RabbitMQ hangs, is killed (-9) and started again",
        inject=broken_stores.kill_broker,
        options={"kills": 3},
        controls={"no-confirms": _NO_CONFIRMS},
        tiers=("real",),
    ),
    "F05-outage": Row(
        title="RabbitMQ is away for minutes under a steady load",
        inject=broker_away.outlast,
        options={"seconds": 20.0, "rate": 10.0},
        controls={"no-confirms": _NO_CONFIRMS},
        tiers=("real",),
    ),
    "F05-full": Row(
        title="RabbitMQ is away until the outbox is full (503), and comes back",
        inject=broker_away.fill,
        options={"limit": OUTBOX_LIMIT, "seconds": 10.0, "rate": 12.0},
        extra={"ORDERS_OUTBOX_LIMIT": str(OUTBOX_LIMIT)},
        controls={
            "no-limit": Control(
                patches={
                    "*web": "tests.faults.controls:ignore_the_limit",
                    "*worker": "tests.faults.controls:ignore_the_limit",
                }
            ),
        },
        tiers=("real",),
    ),
    "F06": Row(
        title="RabbitMQ stops (SIGSTOP) and goes on",
        inject=broker_away.hang,
        options={"seconds": 60.0, "times": 1, "rate": 8.0},
        controls={"never-reconnect": _NEVER_RECONNECT},
        tiers=("real",),
    ),
    "F07": Row(
        title="RabbitMQ's memory alarm, and that of its disk",
        inject=broker_away.alarm,
        options={"seconds": 60.0, "times": 2, "rate": 8.0},
        controls={"never-reconnect": _NEVER_RECONNECT},
        tiers=("real",),
    ),
    "F08": Row(
        title="a slow link to RabbitMQ, which is killed meanwhile",
        inject=broker_away.slow_link,
        options={"delays": [0.3, 1.5], "seconds": 15.0, "rate": 6.0},
        has_link=True,
        controls={"no-confirms": _NO_CONFIRMS},
        tiers=("real",),
    ),
    "F10": Row(
        title="PostgreSQL falls over (immediate, fast, kill -9 of a backend and of the postmaster) and comes back",
        inject=broken_stores.kill_database,
        options={"kills": 8},
        controls={
            "key-after-commit": Control(patches={"*web": "tests.proofs.sabotage:store_the_key_after_the_transaction"}),
        },
        tiers=("real",),
    ),
    "F17": Row(
        title="poison: a handler that raises, one that kills its process, one that never ends",
        inject=poison.poison,
        patches={"*worker*": "tests.faults.controls:poisoned_dashboard"},
        extra={"FAULTS_HUNG_SECONDS": str(HUNG_SECONDS)},
        controls={
            "never-park": Control(
                patches={"*worker": "tests.faults.controls:never_park"},
                options={"raising": 1, "killing": 0, "hanging": 0, "seconds": 30.0},
            ),
        },
    ),
    "F18": Row(
        title="the whole log again, each message 1 to 5 times and out of order",
        inject=replay.replay,
        options={"orders": 60},
        controls={"no-inbox": Control(patches={"*worker": "tests.faults.controls:handle_every_delivery"})},
    ),
    "F28": Row(
        title="the same worker is started three times",
        inject=relays.together,
        options={"workers": 3, "orders": 150},
        controls={"every-lane": Control(patches={"*worker": "tests.faults.controls:take_every_lane"})},
    ),
}
