"""Fissile's side of a measurement, a process of its own: the real relay and consumer loops, told what to do by lines.

`python -m tests.bench.worker`: a JSON line each on stdin and stdout; its logs go to .run/bench/<name>.log.
"""

from __future__ import annotations

import cProfile
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.house import ROOT

from . import ground, profiles

_RELAY_PHASES = {
    "claim: lease renewed, next rows read": ("relay/store.py", "claim"),
    "publish: rows to frames, out": ("bus/amqp.py", "send"),
    "of that, rows to messages, with a span each": ("relay/shell.py", "_message"),
    "await: confirms in": ("bus/amqp.py", "verdicts"),
    "verdicts": ("relay/shell.py", "judge"),
    "settle: sent_at written, committed, next rows read": ("relay/store.py", "settle"),
    "idle": ("relay/shell.py", "_idle"),
}
_CONSUMER_PHASES = {
    "receive: frames in": ("bus/consuming.py", "receive"),
    "decode": ("inbox/received.py", "received"),
    "positions locked": ("inbox/store.py", "lock"),
    "handlers, with a span each": ("inbox/shell.py", "_handle"),
    "positions made": ("inbox/store.py", "ensure"),
    "inbox rows and positions written": ("inbox/store.py", "apply"),
    "commit": ("inbox/shell.py", "commit"),
    "log lines, a message each": ("inbox/shell.py", "_tell_applied"),
    "acknowledge": ("bus/consuming.py", "ack"),
    "sweep": ("inbox/loop.py", "_sweep"),
}
_LOOK_SECONDS = 0.1
# From the end of the index: without an order it reads every row that was sent so far, more each time.
_ANY_UNSENT = "SELECT 1 FROM orders_outbox WHERE sent_at IS NULL ORDER BY lane DESC, seq DESC LIMIT 1"
_ALL = "SELECT count(*) FROM orders_outbox"


def relay(*, rows: int, profile: bool = False) -> dict[str, Any]:
    """Relay until the outbox has so many rows, none of them unsent; tell when it began, and its memory on the way."""
    from fissile.events.relay import RelayLoop
    from fissile.events.stopping import Stopping

    stopping, seen = Stopping(), cProfile.Profile() if profile else None
    loop = RelayLoop(ground.SOURCE, ground.broker_of(ground.SOURCE), name="bench")
    thread = threading.Thread(target=profiles.profiled(lambda: loop.run(stopping), seen))
    began, memory = time.time(), [(time.time(), resident_kib())]
    thread.start()
    while ground.ask(ground.SOURCE, _ANY_UNSENT) or ground.ask(ground.SOURCE, _ALL)[0][0] < rows:
        time.sleep(_LOOK_SECONDS)
        memory.append((time.time(), resident_kib()))
    stopping.ask()
    thread.join()
    stopping.close()
    return {"began": began, "memory": memory, "profile": profiles.told(seen, _RELAY_PHASES) if seen else None}


def consume(attached: ground.Attached, *, messages: int, bare: bool, profile: bool = False) -> dict[str, Any]:
    """Consume until so many messages were applied or known; tell the seconds, and what became of the messages."""
    from fissile.events.inbox import ConsumeLoop, Isolation

    seen = cProfile.Profile() if profile else None
    loop = ConsumeLoop(ground.READER, ground.QUEUE, ground.QUEUE, ground.broker_of(ground.READER), Isolation())
    counts, attached.is_bare = loop.counts, bare
    began = time.perf_counter()
    profiles.profiled(lambda: loop.run(lambda: counts["handled"] + counts["duplicate"] >= messages), seen)()
    took, attached.is_bare = time.perf_counter() - began, False
    return {
        "seconds": took,
        "counts": {outcome: count for outcome, count in counts.items() if count},
        "profile": profiles.told(seen, _CONSUMER_PHASES) if seen else None,
    }


def serve(
    stops: Callable[[], Any],
    effects: list[tuple[str, float]],
    *,
    loops: Sequence[str],
    profile: bool = False,
) -> dict[str, Any]:
    """Run relay, consumer or both until the next line; tell when each effect was committed; profile one of them."""
    from fissile.events.inbox import ConsumeLoop, Isolation
    from fissile.events.relay import RelayLoop
    from fissile.events.stopping import Stopping

    effects.clear()
    stopping, seen = Stopping(), cProfile.Profile() if profile else None
    relaying = RelayLoop(ground.SOURCE, ground.broker_of(ground.SOURCE), name="bench")
    consuming = ConsumeLoop(ground.READER, ground.QUEUE, ground.QUEUE, ground.broker_of(ground.READER), Isolation())
    targets = {"relay": lambda: relaying.run(stopping), "consume": lambda: consuming.run(stopping.is_set)}
    threads = [threading.Thread(target=profiles.profiled(targets[loop], seen)) for loop in loops]
    for thread in threads:
        thread.start()
    stops()
    stopping.ask()
    for thread in threads:
        thread.join()
    stopping.close()
    phases = _RELAY_PHASES if "relay" in loops else _CONSUMER_PHASES
    return {"effects": list(effects), "profile": profiles.told(seen, phases) if seen else None}


def hear(stops: Callable[[], Any]) -> dict[str, Any]:
    """Consume from the queue with the plain client until the next line; tell when each message came."""
    from fissile.events import bus

    heard: list[tuple[str, float]] = []
    done = threading.Event()

    def take() -> None:
        consumer = bus.open_consumer(ground.keeper(), ground.QUEUE, 100)
        while not done.is_set():
            batch = consumer.receive(0.1, 1)
            heard.extend((str(one.message_id), time.time()) for one in batch)
            consumer.ack(batch)
        consumer.close()

    thread = threading.Thread(target=take)
    thread.start()
    stops()
    done.set()
    thread.join()
    return {"effects": heard}


def resident_kib() -> int:
    """Return this process's resident memory."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))


@dataclass
class Worker:
    """The process as its parent sees it."""

    process: subprocess.Popen[str]

    def begin(self, what: str, **options: Any) -> None:
        """Tell it to begin something."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"what": what, **options}) + "\n")
        self.process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """Wait for its answer; raise RuntimeError if it ended instead."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the worker ended; its last words are in a log below .run/bench")
        return dict(json.loads(line))

    def do(self, what: str, **options: Any) -> dict[str, Any]:
        """Have something done, and return the answer."""
        self.begin(what, **options)
        return self.answer()


@contextmanager
def working(name: str = "bench-worker") -> Iterator[Worker]:
    """Start a worker process that is ready; end it afterwards."""
    command = [sys.executable, "-m", "tests.bench.worker"]
    environment = {**os.environ, "PROCESS_NAME": name}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        worker = Worker(process)
        try:
            worker.answer()
            yield worker
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def main() -> None:
    """Do what each line says; end with stdin."""
    answers = os.fdopen(os.dup(1), "w")
    log = os.open(
        ROOT / ".run" / "bench" / f"{os.environ['PROCESS_NAME']}.log", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600
    )
    os.dup2(log, 1)
    os.dup2(log, 2)
    attached = ground.attach()
    # As in every process that hosts these loops.
    from fissile.events.hosting import take_short_turns

    take_short_turns()

    def say(answer: dict[str, Any]) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    say({"ready": True})
    while line := sys.stdin.readline():
        asked = json.loads(line)
        what = asked.pop("what")
        if what in ("serve", "hear"):
            waits = sys.stdin.readline
            say(serve(waits, attached.effects, **asked) if what == "serve" else hear(waits))
        else:
            say(relay(**asked) if what == "relay" else consume(attached, **asked))
            attached.effects.clear()


if __name__ == "__main__":
    main()
