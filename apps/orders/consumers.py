"""The event door of orders: users' facts into our copy of buyers, payments' decisions to our orders."""

from __future__ import annotations

from apps.payments.contracts.commands import PaymentReportV1, ReportPaymentV1
from apps.payments.contracts.events import PaymentAuthorisedV1, PaymentRefusedV1
from apps.users.contracts.events import CreditLimitChangedV1, UserRegisteredV1, UserRenamedV1
from fissile.events.consumers import consumes
from fissile.events.receivers import takes_reply
from fissile.messages import Envelope

from . import projections, usecases


@consumes(UserRegisteredV1, into="orders")
def copy_buyer(event: UserRegisteredV1, message: Envelope) -> None:
    """Know a new customer as a buyer."""
    projections.add_buyer(
        event.user_id,
        name=event.user_name,
        credit_limit_minor=event.credit_limit_minor,
        currency=event.currency,
        version=message.aggregateversion,
    )


@consumes(UserRenamedV1, into="orders")
def copy_buyer_name(event: UserRenamedV1, message: Envelope) -> None:
    """Keep our copy of the buyer's name."""
    projections.rename_buyer(event.user_id, event.user_name, version=message.aggregateversion)


@consumes(CreditLimitChangedV1, into="orders")
def copy_credit_limit(event: CreditLimitChangedV1, message: Envelope) -> None:
    """Keep our copy of what the buyer may order at once."""
    projections.change_credit_limit(
        event.user_id, event.credit_limit_minor, event.currency, version=message.aggregateversion
    )


@consumes(PaymentAuthorisedV1, into="orders")
def confirm_order(event: PaymentAuthorisedV1, message: Envelope) -> None:
    """Confirm the order that is paid for."""
    usecases.confirm_order(event.order_id, payment_id=event.payment_id)


@consumes(PaymentRefusedV1, into="orders")
def reject_order(event: PaymentRefusedV1, message: Envelope) -> None:
    """Reject the order that cannot be paid for."""
    usecases.reject_order(event.order_id, payment_id=event.payment_id, reason=event.reason)


@takes_reply(ReportPaymentV1, into="orders")
def settle_order(report: PaymentReportV1, message: Envelope) -> None:
    """Confirm or reject the order whose payment was asked about, unless it was settled meanwhile."""
    if report.payment_id is None:
        return
    if report.status in ("authorised", "captured"):
        usecases.confirm_order(report.order_id, payment_id=report.payment_id)
    elif report.status == "refused":
        usecases.reject_order(report.order_id, payment_id=report.payment_id, reason=report.reason)
