"""The Django app of shoplet."""

from django.apps import AppConfig


class ShopletConfig(AppConfig):
    """A context with one aggregate, one projection, and every row of the patterns."""

    name = "fissile_tests.shoplet"
    label = "shoplet"
