"""What orders refuses, by name; each `code` is stable and part of the contract. No Django."""

from __future__ import annotations

from fissile.errors import Refusal


class UnknownProduct(Refusal):
    """The price list has no such product; read GET /api/v1/products for what there is."""

    code = "orders.unknown_product"
    status = 422


class InvalidLines(Refusal):
    """An order has 1 to 50 lines, one per SKU, with a quantity of 1 to 1000 each."""

    code = "orders.invalid_lines"
    status = 422


class CreditLimitExceeded(Refusal):
    """The order is worth more than the buyer's credit limit; order less at once."""

    code = "orders.credit_limit_exceeded"
    status = 422


class UnknownBuyer(Refusal):
    """Nobody with this id is a customer of the shop; sign up first."""

    code = "orders.unknown_buyer"
    status = 403


class UnknownOrder(Refusal):
    """You have no order with this id."""

    code = "orders.unknown_order"
    status = 404


class NotCancellable(Refusal):
    """The order cannot be cancelled any more: it was rejected, or has gone too far."""

    code = "orders.not_cancellable"
    status = 409


class InvalidCursor(Refusal):
    """This cursor is none of ours; start again without one."""

    code = "orders.invalid_cursor"
    status = 422
