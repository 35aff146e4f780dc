"""What shoplet does for depot (`shoplet.…`), and what depot, which is made up, would do for shoplet (`depot.…`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from fissile.messages import Command, Reply, Request


@dataclass(frozen=True, kw_only=True)
class FillBasketV1(Command):
    """Put things into a new basket."""

    name: ClassVar[str] = "shoplet.fill_basket.v1"
    things: int


@dataclass(frozen=True, kw_only=True)
class BasketsCountedV1(Reply):
    """How many baskets there are."""

    name: ClassVar[str] = "shoplet.baskets_counted.v1"
    baskets: int


@dataclass(frozen=True, kw_only=True)
class CountBasketsV1(Request):
    """Count the baskets; `in_vain`: without an answer, as no handler should."""

    name: ClassVar[str] = "shoplet.count_baskets.v1"
    answer: ClassVar[type[Reply]] = BasketsCountedV1
    in_vain: bool = False


@dataclass(frozen=True, kw_only=True)
class SendParcelV1(Command):
    """Send a parcel."""

    name: ClassVar[str] = "depot.send_parcel.v1"
    parcel_id: UUID


@dataclass(frozen=True, kw_only=True)
class ParcelWeighedV1(Reply):
    """What a parcel weighs."""

    name: ClassVar[str] = "depot.parcel_weighed.v1"
    grams: int


@dataclass(frozen=True, kw_only=True)
class WeighParcelV1(Request):
    """Weigh a parcel."""

    name: ClassVar[str] = "depot.weigh_parcel.v1"
    answer: ClassVar[type[Reply]] = ParcelWeighedV1
    parcel_id: UUID
