"""Schemathesis over every service and through the gateway: no server error, no undocumented answer.

What is relaxed, and why, stands in schemathesis.toml and hooks.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import pytest

from bff_app.management.shop import Person, Shop, eventually, expect
from tests.fuzz.fuzzing import Fuzzed, fuzz
from tests.house import RunningHouse, running_house

pytestmark = pytest.mark.house

FEWEST_CASES = 2_000
# Examples per operation: many where a case is cheap, few where passwords are hashed (Argon2, 50-100 ms).
TARGETS = {
    ("service", "users"): 18,
    ("service", "orders"): 90,
    ("service", "bff"): 250,
    ("service", "payments"): 120,
    ("gateway", "users"): 18,
    ("gateway", "orders"): 70,
    ("gateway", "bff"): 200,
    ("gateway", "payments"): 100,
}
Run = Callable[[str, str], Fuzzed]


@pytest.fixture(scope="module")
def shop() -> Iterator[RunningHouse]:
    with running_house("split", "embedded") as house:
        yield house


@pytest.fixture(scope="module")
def run(shop: RunningHouse, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Fuzz a context's document at its service or at the gateway, once each."""
    people = {name.lower(): shop.shop.sign_up(name) for name in ("Rosa", "Ben")}
    tokens = {name: person.access_token for name, person in people.items()}
    orders = [paid_order(shop.shop, person) for person in people.values()]
    skus = [product["sku"] for product in shop.shop.send("GET", "/api/v1/products").body["items"]]
    reports = tmp_path_factory.mktemp("fuzz")

    @cache
    def once(side: str, context: str) -> Fuzzed:
        base = shop.url if side == "gateway" else shop.house.url(context)
        return fuzz(
            f"{base}/api/schema/{context}",
            tokens=tokens,
            skus=skus,
            orders=orders,
            examples=TARGETS[side, context],
            folder=reports / f"{side}-{context}",
        )

    return once


def paid_order(shop: Shop, buyer: Person) -> str:
    """Place an order as somebody, wait until it is paid for, and return its id."""
    order = str(expect(shop.place(buyer), 201).body["id"])
    eventually(lambda: shop.paid(buyer, order, "captured"), within_seconds=60, what="a payment")
    return order


@pytest.mark.parametrize(("side", "context"), TARGETS, ids=map("-".join, TARGETS))
def test_every_answer_is_documented_and_none_is_a_server_error(run: Run, side: str, context: str) -> None:
    fuzzed = run(side, context)

    assert fuzzed.failures == [], fuzzed.output
    assert fuzzed.tested, fuzzed.output


@pytest.mark.parametrize("side", ["service", "gateway"])
def test_fuzzing_comes_past_the_refusals_of_every_operation(run: Run, shop: RunningHouse, side: str) -> None:
    for context in ("users", "orders", "bff", "payments"):
        document = shop.shop.send("GET", f"/api/schema/{context}").body
        operations = {one["operationId"] for methods in document["paths"].values() for one in methods.values()}

        assert operations - run(side, context).succeeded == set()


def test_two_thousand_cases_were_judged(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    counted = {"-".join(target): run(*target).cases for target in TARGETS}

    with capsys.disabled():
        print(f"\nschemathesis: {sum(counted.values())} cases {counted}")
    assert sum(counted.values()) >= FEWEST_CASES
