"""What shoplet can do: fill a basket. Called through the event door as well as by itself."""

from fissile.data.unit_of_work import unit_of_work
from fissile.errors import Refusal

from .events import BasketFilledV1
from .models import Basket

MOST_THINGS = 10


class BasketTooHeavy(Refusal):
    """Nobody can lift this basket."""

    code = "shoplet.basket_too_heavy"


def fill_basket(*, things):
    """Fill a new basket; it is weighed last, so that a refusal has something to undo."""
    with unit_of_work("shoplet") as work:
        basket = Basket(things=things)
        work.record(basket, BasketFilledV1(basket_id=basket.id, things=things))
        if things > MOST_THINGS:
            raise BasketTooHeavy
        return basket
