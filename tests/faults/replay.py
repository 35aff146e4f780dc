"""F18: everything that was published comes again, several times and out of order.

May touch: the exchanges of the house it is given.
"""

from __future__ import annotations

import random

from bff_app.management.shop import eventually
from tests.broker import publish_again

from .clients import shopping, warm_up
from .ground import Ground

PAUSE_SECONDS = 0.1
MOST_TIMES = 5
# How far a message may be thrown out of its place.
WITHIN = 500


def replay(ground: Ground, *, orders: int) -> None:
    """Let orders come, publish the whole log again, 1 to 5 times each and shuffled, while more orders come."""
    house, journal, rng = ground.house, ground.journal, random.Random(ground.seed)
    with shopping(house, journal, f"{ground.seed}/before", pause=lambda: PAUSE_SECONDS):
        warm_up(journal)
        eventually(lambda: len(journal.accepted) >= orders, within_seconds=120, what=f"{orders} orders")
    house.wait_quiet(seconds=60)
    ground.taps.listen()
    with shopping(house, journal, f"{ground.seed}/meanwhile", pause=lambda: PAUSE_SECONDS):
        for source, heard in list(ground.taps.heard.items()):
            again = [message for message in heard for _ in range(rng.randint(1, MOST_TIMES))]
            places = sorted(range(len(again)), key=lambda number: number + rng.uniform(0, WITHIN))
            publish_again(house, source, [again[number] for number in places])
            journal.fault(f"replayed {len(again)} messages of {source}")
            for _ in again[1:]:
                journal.kills.append("replayed")
        wanted = len(journal.accepted) + 8
        # Queues are first in, first out: once later orders are shown, all that was repeated has been judged.
        eventually(lambda: len(journal.accepted) >= wanted, within_seconds=60, what="orders after the replay")
