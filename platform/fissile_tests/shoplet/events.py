"""What shoplet publishes (`shoplet.…`), and what its made-up neighbour depot does (`depot.…`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from fissile.messages import Event


@dataclass(frozen=True, kw_only=True)
class BasketEvent(Event):
    """A fact about one basket."""

    aggregate_type: ClassVar[str] = "basket"
    basket_id: UUID

    @property
    def key(self) -> str:
        """The basket's id."""
        return str(self.basket_id)


@dataclass(frozen=True, kw_only=True)
class BasketFilledV1(BasketEvent):
    """Things were put into a basket."""

    name: ClassVar[str] = "shoplet.basket_filled.v1"
    things: int = 1


@dataclass(frozen=True, kw_only=True)
class BasketEmptiedV1(BasketEvent):
    """A basket was emptied."""

    name: ClassVar[str] = "shoplet.basket_emptied.v1"


@dataclass(frozen=True, kw_only=True)
class ParcelEvent(Event):
    """A fact about one parcel of the depot; `note` tells a test's handler what to do."""

    aggregate_type: ClassVar[str] = "parcel"
    parcel_id: UUID
    note: str

    @property
    def key(self) -> str:
        """The parcel's id."""
        return str(self.parcel_id)


@dataclass(frozen=True, kw_only=True)
class ParcelPackedV1(ParcelEvent):
    """A parcel was packed."""

    name: ClassVar[str] = "depot.parcel_packed.v1"


@dataclass(frozen=True, kw_only=True)
class ParcelSentV1(ParcelEvent):
    """A parcel left the depot."""

    name: ClassVar[str] = "depot.parcel_sent.v1"


@dataclass(frozen=True, kw_only=True)
class ParcelScannedV1(ParcelEvent):
    """A parcel was scanned; nobody handles it."""

    name: ClassVar[str] = "depot.parcel_scanned.v1"
