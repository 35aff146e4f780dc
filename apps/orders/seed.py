"""The price list a new shop starts with; run again, it changes nothing that is there."""

from __future__ import annotations

from fissile.data.unit_of_work import unit_of_work

from .models import Product

CURRENCY = "EUR"
# sku, name, price in cents
PRICE_LIST = (
    ("basalt-paver", "Basalt paver, 10 × 10 cm", 320),
    ("chisel", "Stonemason's chisel, 25 mm", 2_450),
    ("feather-wedge", "Feather and wedge set, 14 mm", 3_900),
    ("granite-block", "Granite block, 40 × 20 × 20 cm", 12_500),
    ("limestone-sill", "Limestone window sill, 120 cm", 8_800),
    ("marble-slab", "Marble slab, 200 × 100 × 2 cm", 64_000),
    ("slate-tile", "Slate tile, 30 × 20 cm", 1_250),
    ("stone-hammer", "Stone hammer, 1.5 kg", 4_200),
)


def seed() -> None:
    """Add the products that are missing; prices an operator has changed stay."""
    with unit_of_work("orders"):
        for sku, name, price_minor in PRICE_LIST:
            facts = {"name": name, "price_minor": price_minor, "currency": CURRENCY}
            Product.objects.get_or_create(sku=sku, defaults=facts)
