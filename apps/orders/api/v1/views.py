"""The public HTTP door of orders, version 1: translates, decides nothing."""

from __future__ import annotations

from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

from apps.orders import domain, queries, usecases, wiring
from apps.orders.contracts import errors
from fissile.data.commands import Answer
from fissile.edge.api.operations import operation
from fissile.edge.api.views import ApiView, answered, shown

from . import serializers


class Products(ApiView):
    """The price list, open to anybody."""

    public = True

    @operation("orders_list_products", summary="What there is to order", responses={200: serializers.PriceList})
    def get(self, request: Request) -> Response:
        """Every product, by SKU, at today's price."""
        return Response(shown(serializers.PriceList, {"items": queries.price_list()}))


class Orders(ApiView):
    """A buyer's orders."""

    @operation(
        "orders_place",
        summary="Place an order",
        request=serializers.PlaceOrder,
        responses={201: serializers.Order},
        refusals=(errors.UnknownProduct, errors.InvalidLines, errors.CreditLimitExceeded, errors.UnknownBuyer),
        idempotent=True,
        response_headers={201: {"Location": "Where the order can be read."}},
        links={id: {"parameters": {"order_id": "$response.body#/id"}} for id in ("orders_get", "orders_cancel")},
    )
    def post(self, request: Request) -> Response:
        """Prices are those of the price list at this moment. A retry with the same key gets the same answer.

        Payments then decides: the order becomes `confirmed`, or `rejected` if the payment method is refused.
        """
        claim, wanted = self.claim(), self.payload()
        return answered(
            usecases.place_order(
                [domain.Wish(**line) for line in wanted["lines"]],
                buyer_id=self.user_id,
                payment_method=wanted["payment_method"],
                claim=claim,
                buyers=wiring.buyers(),
                render=_placed,
            )
        )

    @operation(
        "orders_list",
        summary="Your orders, newest first",
        query=serializers.PageQuery,
        responses={200: serializers.OrderPage},
        refusals=(errors.InvalidCursor,),
        links={"orders_list": {"parameters": {"cursor": "$response.body#/next_cursor"}}},
    )
    def get(self, request: Request) -> Response:
        """Follow `next_cursor` until it is null; orders placed meanwhile do not shift the pages."""
        page = queries.orders_of(self.user_id, limit=self.query["limit"], cursor=self.query.get("cursor"))
        return Response(shown(serializers.OrderPage, page))


class OneOrder(ApiView):
    """One order of the buyer's own."""

    @operation(
        "orders_get", summary="One of your orders", responses={200: serializers.Order}, refusals=(errors.UnknownOrder,)
    )
    def get(self, request: Request, order_id: UUID) -> Response:
        """Somebody else's order is as unknown as one that does not exist."""
        return Response(shown(serializers.Order, queries.get_order(order_id, buyer_id=self.user_id)))


class Cancellation(ApiView):
    """The cancellation of one order."""

    @operation(
        "orders_cancel",
        summary="Cancel one of your orders",
        responses={200: serializers.Order},
        refusals=(errors.UnknownOrder, errors.NotCancellable),
    )
    def post(self, request: Request, order_id: UUID) -> Response:
        """Cancelled again, it answers the same; no key is needed. A rejected order is over and cannot be cancelled."""
        order = usecases.cancel_order(order_id, buyer_id=self.user_id, reason="by the buyer")
        return Response(shown(serializers.Order, order))


def _placed(order: domain.Order) -> Answer:
    location = f"/api/v1/orders/{order.id}"
    return Answer(status=201, body=shown(serializers.Order, order), headers={"Location": location})
