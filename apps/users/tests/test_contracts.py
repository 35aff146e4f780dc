"""The wire forms that neighbours build on: a change here is a new version there."""

from __future__ import annotations

import json
from uuid import UUID

import pytest

from apps.users.context import CONTEXT
from apps.users.contracts import errors
from apps.users.contracts.events import CreditLimitChangedV1, UserRegisteredV1, UserRenamedV1
from apps.users.contracts.types import Account
from fissile.errors import Refusal
from fissile.messages import from_wire, to_wire

USER_ID = UUID("0198aa00-0000-7000-8000-000000000001")
REGISTERED = UserRegisteredV1(user_id=USER_ID, user_name="Ada", credit_limit_minor=1_000_000, currency="EUR")
RENAMED = UserRenamedV1(user_id=USER_ID, user_name="Ada King")
CHANGED = CreditLimitChangedV1(user_id=USER_ID, credit_limit_minor=5, currency="EUR")
ACCOUNT = Account(id=USER_ID, name="Ada", email="ada@example.org", credit_limit_minor=5, currency="EUR")


@pytest.mark.parametrize(
    ("value", "wire"),
    [
        (
            REGISTERED,
            {"user_id": str(USER_ID), "user_name": "Ada", "credit_limit_minor": 1_000_000, "currency": "EUR"},
        ),
        (RENAMED, {"user_id": str(USER_ID), "user_name": "Ada King"}),
        (CHANGED, {"user_id": str(USER_ID), "credit_limit_minor": 5, "currency": "EUR"}),
        (
            ACCOUNT,
            {
                "id": str(USER_ID),
                "name": "Ada",
                "email": "ada@example.org",
                "credit_limit_minor": 5,
                "currency": "EUR",
            },
        ),
    ],
)
def test_values_on_the_wire_and_back(value, wire):
    sent = json.loads(json.dumps(to_wire(value)))

    assert sent == wire
    assert from_wire(type(value), sent) == value


def test_the_declaration_lists_every_event():
    events = (REGISTERED, RENAMED, CHANGED)

    assert CONTEXT.publishes == tuple(event.name for event in events)
    assert {event.aggregate for event in events} == {f"user/{USER_ID}"}
    assert {event.context for event in events} == {"users"}


def test_codes_and_statuses_of_refusals_are_stable():
    found = {
        refusal.code: refusal.status
        for refusal in vars(errors).values()
        if isinstance(refusal, type) and issubclass(refusal, Refusal) and refusal is not Refusal
    }

    assert found == {
        "users.unknown_user": 404,
        "users.email_taken": 409,
        "users.password_too_weak": 422,
        "users.wrong_credentials": 401,
        "users.refresh_refused": 401,
        "users.credit_limit_out_of_range": 422,
    }
