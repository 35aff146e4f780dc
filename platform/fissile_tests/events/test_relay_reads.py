"""What a claim reads, by PostgreSQL's own account: no more than a few batches, however much is stored or waits."""

from __future__ import annotations

import json
from contextlib import contextmanager

import pytest
from django.db import connections

from fissile.data.guard import writing
from fissile.events.models import LANES
from fissile.events.relay.core import WINDOW, Claim
from fissile.events.relay.store import OutboxStore

from .baskets import outbox

pytestmark = [pytest.mark.django_db(databases=["shoplet"], transaction=True), pytest.mark.real]


def store_many(count, *, aggregate, lane, sent=False):
    """Insert `count` events of the aggregates and lanes that two SQL expressions over `n` name."""
    with writing("shoplet"), connections["shoplet"].cursor() as cursor:
        cursor.execute(
            f"""INSERT INTO shoplet_outbox
            (id, aggregate, version, lane, type, payload, headers, attempts, reason, sent_at)
            SELECT gen_random_uuid(), {aggregate}, n, {lane}, 't', '{{}}', '{{}}', 0, '',
                   {"clock_timestamp()" if sent else "NULL"}
              FROM generate_series(1, {count}) n"""
        )
        cursor.execute("VACUUM ANALYZE shoplet_outbox")


@contextmanager
def explained():
    """Collect the plan of every query on outbox rows, as it really ran."""
    plans = []

    def explain(execute, sql, params, many, context):
        rest = list(params or ())
        # One message may hold two statements; EXPLAIN takes one.
        for text in sql.split("; "):
            given, rest = rest[: text.count("%s")], rest[text.count("%s") :]
            if "shoplet_outbox" in text and "SELECT" in text:
                execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {text}", given, many, context)
                (answer,) = context["cursor"].fetchone()
                plans.append((json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"])
        return execute(sql, params, many, context)

    with connections["shoplet"].execute_wrapper(explain):
        yield plans


def scans(plans):
    """Return (index, rows read) of every scan of a table in the plans."""
    found, todo = [], list(plans)
    while todo:
        node = todo.pop()
        todo += node.get("Plans", [])
        if node.get("Relation Name") == "shoplet_outbox" or "shopletoutbox" in node.get("Index Name", ""):
            read = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
            found.append((node.get("Index Name"), read * node["Actual Loops"]))
    return found


def a_relay():
    store = OutboxStore("shoplet")
    store.claim(Claim({}, 1))
    return store, store.acquire("a", range(LANES))


def test_a_claim_reads_a_window_of_each_lane_from_the_index_of_what_is_pending():
    store_many(40_000, aggregate="'sent/' || n", lane="n % 16", sent=True)
    store_many(60_000, aggregate="'basket/' || n", lane="n % 16")
    store, fences = a_relay()

    with explained() as plans:
        rows, _ = store.claim(Claim(fences, WINDOW))

    read = scans(plans)
    assert [row.aggregate for row in rows] == [f"basket/{number}" for number in range(1, WINDOW + 1)]
    assert {index for index, _ in read} == {"shopletoutbox_pending", "shopletoutbox_trouble"}
    # Twice its share of each lane and a few.
    assert sum(count for _, count in read) <= 3 * WINDOW


def test_a_lane_that_holds_nearly_everything_is_claimed_in_order():
    store_many(20_000, aggregate="'hot/1'", lane="7")
    store_many(20_000, aggregate="'basket/' || n", lane="n % 16")
    store, fences = a_relay()

    with explained() as plans:
        rows, _ = store.claim(Claim(fences, WINDOW))

    assert [(row.aggregate, row.version) for row in rows] == [("hot/1", number) for number in range(1, WINDOW + 1)]
    assert sum(count for _, count in scans(plans)) <= (LANES + 4) * WINDOW


def test_what_waits_behind_a_parked_event_is_read_once_and_not_by_each_claim(monkeypatch):
    # However slow this machine is today: the three claims are of one pass.
    monkeypatch.setattr("fissile.events.relay.store.PASS_SECONDS", 3600.0)
    store_many(20_000, aggregate="'stuck/1'", lane="3")
    with writing("shoplet"):
        outbox().filter(version=1).update(attempts=8, parked_at="2026-01-01T00:00Z")
    store_many(20_000, aggregate="'basket/' || n", lane="n % 16")
    store, fences = a_relay()

    read = []
    for _ in range(3):
        with explained() as plans:
            rows, _ = store.claim(Claim(fences, WINDOW))
        read.append(sum(count for index, count in scans(plans) if index != "shopletoutbox_trouble"))
        with writing("shoplet"):
            outbox().filter(id__in=[row.id for row in rows]).update(sent_at="2026-01-01T00:00Z")

    first, *others = read
    assert first > 20_000
    assert max(others) < 2 * (LANES + 2) * WINDOW
    assert rows[0].aggregate == f"basket/{2 * WINDOW + 1}"
