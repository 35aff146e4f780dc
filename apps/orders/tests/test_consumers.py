"""Users' events in our copy of buyers: forward only, twice is once."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from apps.orders import queries
from apps.orders.domain import Buyer
from apps.orders.projections import BuyerNeverRegistered
from apps.orders.tests.factories import euros
from apps.users.contracts.events import CreditLimitChangedV1, UserRegisteredV1, UserRenamedV1
from fissile.data.guard import writing
from fissile.events.consumers import consumer
from fissile.messages import Envelope, to_wire, uuid7

pytestmark = pytest.mark.django_db(databases=["orders"])

USER_ID = uuid4()


def hear(event, version):
    message = Envelope(
        id=uuid7(),
        source="/users",
        type=event.name,
        subject=event.aggregate,
        aggregateversion=version,
        time=datetime.now(UTC),
        correlationid="c-1",
        data=to_wire(event),
    )
    with writing("orders"):  # as the inbox does
        consumer("orders.users").handle(message)


def registered():
    return UserRegisteredV1(user_id=USER_ID, user_name="Rosa", credit_limit_minor=1_000, currency="EUR")


def test_a_customer_becomes_a_buyer():
    hear(registered(), 1)

    assert queries.find_buyer(USER_ID) == Buyer(id=USER_ID, name="Rosa", credit_limit=euros(1_000))


def test_name_and_credit_limit_follow():
    hear(registered(), 1)
    hear(UserRenamedV1(user_id=USER_ID, user_name="Rosalind"), 2)
    hear(CreditLimitChangedV1(user_id=USER_ID, credit_limit_minor=5, currency="EUR"), 3)

    assert queries.find_buyer(USER_ID) == Buyer(id=USER_ID, name="Rosalind", credit_limit=euros(5))


def test_hearing_everything_twice_changes_nothing():
    events = [registered(), UserRenamedV1(user_id=USER_ID, user_name="Rosalind")]
    for event, version in [*zip(events, (1, 2), strict=True)] * 2:
        hear(event, version)

    assert queries.find_buyer(USER_ID).name == "Rosalind"


def test_an_older_event_never_overwrites_a_newer_one():
    hear(registered(), 1)
    hear(UserRenamedV1(user_id=USER_ID, user_name="third"), 3)
    hear(UserRenamedV1(user_id=USER_ID, user_name="second"), 2)

    assert queries.find_buyer(USER_ID).name == "third"


def test_a_change_of_somebody_who_never_registered_is_a_broken_stream():
    with pytest.raises(BuyerNeverRegistered):
        hear(UserRenamedV1(user_id=uuid4(), user_name="nobody"), 2)
