"""Tables of shoplet: the concrete rows of each pattern, a basket, and what was heard from depot."""

from django.db import models

from fissile.data.models import AggregateRow, IdempotencyRow
from fissile.events.models import ConsumerRow, InboxRow, LaneRow, OutboxRow, PositionRow


class Basket(AggregateRow):
    """The aggregate."""

    things = models.PositiveIntegerField(default=0)

    class Meta:
        db_table = "shoplet_basket"


class Heard(models.Model):
    """The projection: one row for each time an event took effect, with no key to hide a repetition."""

    aggregate = models.TextField()
    version = models.PositiveIntegerField()
    message_id = models.UUIDField()
    note = models.TextField()

    class Meta:
        db_table = "shoplet_heard"

    def __str__(self):
        return f"{self.aggregate}@{self.version}"


class ShopletOutbox(OutboxRow):
    """Every event of shoplet."""

    class Meta(OutboxRow.Meta):
        abstract = False
        db_table = "shoplet_outbox"


class ShopletLane(LaneRow):
    """The leases of shoplet's relays: one a lane."""

    class Meta(LaneRow.Meta):
        abstract = False
        db_table = "shoplet_lane"


class ShopletInbox(InboxRow):
    """Messages from depot."""

    class Meta(InboxRow.Meta):
        abstract = False
        db_table = "shoplet_inbox"


class ShopletPosition(PositionRow):
    """How far each parcel's stream is applied."""

    class Meta(PositionRow.Meta):
        abstract = False
        db_table = "shoplet_position"


class ShopletConsumer(ConsumerRow):
    """Whether shoplet's ear on depot is paused."""

    class Meta(ConsumerRow.Meta):
        abstract = False
        db_table = "shoplet_consumer"


class ShopletIdempotencyKey(IdempotencyRow):
    """Stored answers."""

    class Meta(IdempotencyRow.Meta):
        abstract = False
        db_table = "shoplet_idempotency_key"
