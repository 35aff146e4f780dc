"""Two customers to try a local house with; none outside of DEBUG: their passwords are public."""

from __future__ import annotations

from django.conf import settings

from . import usecases
from .contracts.errors import EmailTaken

# email, name, password
DEMO_CUSTOMERS = (
    ("demo@fissile.example", "Dana Demo", "walking-house-22"),
    ("mason@fissile.example", "Morgan Mason", "walking-house-22"),
)


def seed() -> None:
    """Sign the demo customers up, as anybody would; those who are there stay as they are."""
    if not settings.DEBUG:
        return
    for email, name, password in DEMO_CUSTOMERS:
        try:
            usecases.sign_up(email=email, name=name, password=password)
        except EmailTaken:
            continue
