"""The event door of shoplet: depot's parcels. A parcel's note may ask for trouble."""

import os
import signal

from fissile.events.consumers import consumes

from . import projections
from .events import ParcelPackedV1, ParcelSentV1


@consumes(ParcelPackedV1, into="shoplet")
def note_packed(event, message):
    """Write down that a parcel was packed."""
    _write_down(event, message)


@consumes(ParcelSentV1, into="shoplet")
def note_sent(event, message):
    """Write down that a parcel was sent."""
    _write_down(event, message)


def _write_down(event, message):
    projections.hear(message, event.note)
    # After the effect, so that each trouble has one to undo.
    if event.note == "raise":
        raise ValueError("this parcel is broken")
    if event.note == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
