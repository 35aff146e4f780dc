"""The local copy of what depot said; written only from events."""

from .models import Heard


def hear(message, note):
    """Write down that a message took effect; `note` is its own."""
    Heard.objects.create(aggregate=message.subject, version=message.aggregateversion, message_id=message.id, note=note)
