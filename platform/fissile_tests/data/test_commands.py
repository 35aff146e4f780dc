"""Commands: one effect per idempotency key, whoever races, and the answer stored with it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from django.apps import apps
from django.db import connections

from fissile.data import commands
from fissile.data.commands import Answer, Claim, IdempotencyKeyInUse, IdempotencyKeyReused
from fissile.data.unit_of_work import in_open_transaction
from fissile.errors import Refusal, UnreachableError
from fissile_tests.shoplet.events import BasketFilledV1

pytestmark = pytest.mark.django_db(databases=["shoplet"], transaction=True)
CLAIM = Claim(principal="rosa", method="POST", route="/baskets", key="k-1", fingerprint="f" * 64)


class BasketFull(Refusal):
    """The basket is full."""

    code = "shoplet.basket_full"


def model(name):
    return apps.get_model("shoplet", name)


def fill(work, things):
    basket = model("Basket")(things=things)
    work.record(basket, BasketFilledV1(basket_id=basket.id))
    return basket


def run(claim=CLAIM, *, gather=lambda: 1, decide=fill):
    return commands.run(
        "shoplet",
        claim=claim,
        gather=gather,
        decide=decide,
        render=lambda basket: Answer(status=201, body={"id": str(basket.id)}, headers={"Location": f"/{basket.id}"}),
    )


def baskets():
    return model("Basket").objects.using("shoplet").count()


def test_the_first_answer_is_replayed_with_status_headers_and_body():
    first, again = run(), run()

    assert baskets() == 1
    assert not first.replayed
    assert again == replace(first, replayed=True)


def test_another_body_under_the_same_key_is_refused():
    run()

    with pytest.raises(IdempotencyKeyReused):
        run(replace(CLAIM, fingerprint="0" * 64))


@pytest.mark.parametrize("change", [{"principal": "tom"}, {"route": "/other"}, {"method": "PUT"}, {"key": "k-2"}])
def test_a_key_is_scoped_to_who_what_and_where(change):
    run()
    run(replace(CLAIM, **change))

    assert baskets() == 2


def test_a_replay_asks_no_neighbour():
    run()

    def absent():
        raise UnreachableError("users is away")

    assert run(gather=absent).replayed


def test_what_gather_raises_is_not_stored():
    def absent():
        raise UnreachableError("users is away")

    with pytest.raises(UnreachableError):
        run(gather=absent)

    assert run().status == 201


def test_a_business_refusal_undoes_its_writes_and_is_an_outcome():
    def decide(work, things):
        fill(work, things)
        raise BasketFull(limit=3)

    first = run(decide=decide)
    again = run()

    assert (first.status, first.body["code"], first.body["limit"]) == (409, "shoplet.basket_full", 3)
    assert again == replace(first, replayed=True)
    assert baskets() == 0
    assert not model("ShopletOutbox").objects.using("shoplet").exists()


def test_a_crash_in_decide_stores_nothing():
    def crash(work, things):
        fill(work, things)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(decide=crash)

    assert not run().replayed
    assert baskets() == 1


def test_gather_runs_in_no_transaction_and_decide_in_one():
    seen = []

    run(
        gather=lambda: seen.append(in_open_transaction()),
        decide=lambda work, _: seen.append(in_open_transaction()) or fill(work, 1),
    )

    assert seen == [None, "shoplet"]


def test_fifty_racing_twins_have_one_effect_and_one_answer():
    def attempt(_):
        try:
            return run()
        except IdempotencyKeyInUse as busy:
            return busy
        finally:
            connections["shoplet"].close()

    with ThreadPoolExecutor(16) as crowd:
        answers = list(crowd.map(attempt, range(50)))

    assert baskets() == 1
    done = [answer for answer in answers if isinstance(answer, Answer)]
    assert len({answer.body["id"] for answer in done}) == 1
    assert sum(not answer.replayed for answer in done) == 1
    assert all(busy.facts == {"retry_after_seconds": 1} for busy in answers if not isinstance(busy, Answer))


def test_without_a_claim_every_run_has_its_effect():
    run(None)
    run(None)

    assert baskets() == 2
