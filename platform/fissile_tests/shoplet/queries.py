"""Reads of shoplet."""

from .models import Basket


def count_baskets():
    """Return how many baskets there are."""
    return Basket.objects.count()
