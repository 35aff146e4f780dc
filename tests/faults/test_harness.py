"""The harness itself, without a house: the slow link, the figures, what a client notes, what the page draws."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from bff_app.management.shop import Reply
from deploy.local.house import HOST
from tests.faults import figures, measured
from tests.faults.clients import Pace
from tests.faults.controls import HANGS_TOTAL, KILLS_TOTAL, RAISES_TOTAL
from tests.faults.journal import Journal
from tests.faults.link import Link, link_to
from tests.faults.rows import ROWS

LONG_SECONDS = 3600.0


@contextmanager
def served() -> Iterator[tuple[Link, socket.socket, socket.socket]]:
    """A link to a server of this test, and both ends of one connection through it."""
    with (
        socket.create_server((HOST, 0)) as server,
        link_to(server.getsockname()[1], "1") as link,
        socket.create_connection((HOST, link.port), timeout=20) as near,
        server.accept()[0] as far,
    ):
        far.settimeout(20)
        yield link, near, far


def read(end: socket.socket, number: int) -> bytes:
    """Return so many bytes, or fewer if the other side ended."""
    got = b""
    while len(got) < number and (more := end.recv(number - len(got))):
        got += more
    return got


def test_a_link_leads_every_byte_through_in_order():
    with served() as (link, near, far):
        sent = bytes(range(256)) * 400
        sender = threading.Thread(target=near.sendall, args=(sent,))
        link.slow(0.01, 0.01, 10_000_000)
        sender.start()

        assert read(far, len(sent)) == sent
        sender.join()

        far.sendall(b"and back")
        assert read(near, 8) == b"and back"


def test_what_a_link_holds_back_is_lost_when_the_server_dies():
    with served() as (link, near, far):
        near.sendall(b"first")
        assert read(far, 5) == b"first"
        link.slow(LONG_SECONDS, 0, float("inf"))
        near.sendall(b"never")

        far.close()

        assert read(near, 1) == b""


def test_a_spread_has_the_middle_one_the_99th_of_a_hundred_and_the_longest():
    assert figures.spread([one / 1000 for one in range(1, 201)]) == {
        "count": 200, "p50_ms": 100.0, "p99_ms": 198.0, "longest_ms": 200.0,
    }  # fmt: skip
    assert figures.spread([]) == {"count": 0}


def test_a_ratio_is_left_out_where_there_was_nobody():
    usual, worse = {"count": 9, "p99_ms": 20.0}, {"count": 9, "p99_ms": 50.0}

    assert figures.ratio(
        {"same_consumer": worse, "other_consumers": {"count": 0}},
        {"same_consumer": usual, "other_consumers": usual},
    ) == {"same_consumer": 2.5}


def test_both_databases_times_are_the_same_moment():
    from datetime import datetime

    assert figures.moment("2026-05-04 03:02:01.500000") == figures.moment(
        datetime.fromisoformat("2026-05-04T03:02:01.5Z")
    )


def test_a_pace_gives_each_order_a_time_of_its_own_and_makes_up_for_nothing():
    pace = Pace(1 / LONG_SECONDS)

    first, second = pace(), pace()

    assert first <= LONG_SECONDS < second <= 2 * LONG_SECONDS
    assert Pace(float("inf"))() == 0


def test_a_refusal_of_a_full_outbox_is_noted_and_one_without_retry_after_is_wrong():
    journal = Journal()
    journal.full("k1", Reply(status=503, headers={"retry-after": "5"}, body={"code": "outbox_full"}))
    assert (journal.refused, journal.wrongs) == ({"k1"}, [])

    journal.full("k2", Reply(status=503, headers={}, body={"code": "outbox_full"}))
    journal.close(is_needed=False)

    assert [invariant for invariant, _ in journal.wrongs] == ["I10"]
    assert journal.counts["outbox_full"] == 2


def test_no_order_of_the_clients_comes_to_a_poisonous_sum():
    from itertools import product

    from apps.orders.seed import PRICE_LIST
    from tests.faults.clients import PRODUCTS

    prices = {sku: price for sku, _, price in PRICE_LIST}
    one_or_two = [0, 1, 2]
    sums = {
        sum(prices[sku] * number for sku, number in zip(PRODUCTS, numbers, strict=True))
        for numbers in product(one_or_two, repeat=len(PRODUCTS))
        if 1 <= sum(number > 0 for number in numbers) <= 2
    }

    assert not sums & {RAISES_TOTAL, KILLS_TOTAL, HANGS_TOTAL}


def test_a_result_is_about_what_takes_part_in_its_row():
    from tests.faults import source

    names = {row: {file.name for file in source._files(row)} for row in ROWS}

    assert {row for row in ROWS if "link.py" in names[row]} == {"F08"}
    assert all({"checks.py", "clients.py", "unit_of_work.py"} <= names[row] for row in ROWS)
    assert not any("page.py" in names[row] for row in ROWS)
    assert {row for rows in source._OF_ROWS.values() for row in rows} <= set(ROWS)


def test_the_page_shows_figures_of_the_own_design_only():
    full = {"limit": 3, "waiting_events": 4, "refused_keys": 2, "refusals": 7, "accepted_later_under_their_keys": 2}
    result = {
        "row": "F05-full",
        "topology": "split",
        "tier": "real",
        "seed": 1,
        "control": "",
        "figures": {"full": full},
    }

    assert "| F05-full, split, real, seed 1 | 3 | 4 | 2 | 7 | 2 |" in measured.tables([result])
    assert measured.tables([{**result, "control": "no-limit"}]) == ""
