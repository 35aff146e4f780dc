"""The event door of shoplet: depot's parcels."""

from fissile.events.consumers import consumes

from . import projections
from .events import ParcelPackedV1, ParcelSentV1


@consumes(ParcelPackedV1, into="shoplet")
def note_packed(event, message):
    """Write down that a parcel was packed."""
    projections.hear(message, event.note)


@consumes(ParcelSentV1, into="shoplet")
def note_sent(event, message):
    """Write down that a parcel was sent."""
    projections.hear(message, event.note)
