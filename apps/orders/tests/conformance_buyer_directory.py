"""What every BuyerDirectory must do: run against the fake, the near and the far one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from apps.orders.domain import Buyer, Money
from apps.orders.ports import BuyerDirectory
from fissile import carry
from fissile.errors import UnreachableError
from fissile.testing.calls import unruly_calls


class FakeBuyerDirectory:
    """A BuyerDirectory in memory; `is_down` makes it as unreachable as users can be."""

    def __init__(self, *buyers: Buyer, is_down: bool = False) -> None:
        self.buyers = {buyer.id: buyer for buyer in buyers}
        self.is_down = is_down
        self.asked: list[UUID] = []

    def find_buyer(self, buyer_id: UUID) -> Buyer | None:
        self.asked.append(buyer_id)
        if self.is_down or carry.remaining_seconds(1.0) <= 0:
            raise UnreachableError
        return self.buyers.get(buyer_id)


class AskedTwice:
    """Sends every call twice: the second answer must be the first."""

    def __init__(self, directory: BuyerDirectory) -> None:
        self.directory = directory

    def find_buyer(self, buyer_id: UUID) -> Buyer | None:
        first, second = self.directory.find_buyer(buyer_id), self.directory.find_buyer(buyer_id)
        assert first == second
        return second


class BuyerDirectoryConformance:
    """Subclasses give `directory`, and `registered`: a customer whom it knows."""

    def test_a_customer_is_found_as_a_buyer_in_our_words(self, directory: Any, registered: Any) -> None:
        buyer = AskedTwice(directory).find_buyer(registered.id)

        limit = Money(amount_minor=1_000_000, currency="EUR")
        assert buyer == Buyer(id=registered.id, name=registered.name, credit_limit=limit)

    def test_a_stranger_is_nobody(self, directory: Any, registered: Any) -> None:
        assert AskedTwice(directory).find_buyer(uuid4()) is None

    def test_without_time_left_it_is_unreachable(self, directory: Any, registered: Any) -> None:
        with carry.using(deadline=time.monotonic()), pytest.raises(UnreachableError):
            directory.find_buyer(registered.id)


class OverUnrulyCalls:
    """Mixed into a suite: every call is late and arrives twice, and nobody may notice."""

    @pytest.fixture(autouse=True)
    def unruly(self) -> Iterator[None]:
        with unruly_calls(seed=13, duplicate=1.0, delay_seconds=(0.0, 0.02)) as kit:
            yield
        assert {call.runs for call in kit.log} <= {2}
