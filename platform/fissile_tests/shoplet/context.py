"""The declaration of shoplet, the library's own small context: used by its tests only."""

from fissile.contexts import Context

CONTEXT = Context(
    name="shoplet",
    package="fissile_tests.shoplet",
    publishes=("shoplet.basket_filled.v1", "shoplet.basket_emptied.v1"),
    consumes=("depot.parcel_packed.v1", "depot.parcel_sent.v1"),
    takes={"shoplet.fill_basket.v1": ("depot",), "shoplet.count_baskets.v1": ("depot",)},
    sends=("depot.send_parcel.v1",),
    requests=("depot.weigh_parcel.v1",),
)
