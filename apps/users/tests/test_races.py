"""Two at once, on real connections: one wins, the other gets a refusal, never a 500."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import IntegrityError, connections

from apps.users import domain, usecases
from apps.users.contracts.errors import EmailTaken, RefreshRefused
from apps.users.models import Credential, RefreshFamily, User, UsersOutbox
from apps.users.tests.factories import PASSWORD, a_customer

pytestmark = pytest.mark.django_db(databases=["users"], transaction=True)


def at_once(times, wish):
    """Run `wish` in threads that start together; return outcomes, exceptions among them."""
    start = Barrier(times)

    def one():
        start.wait(timeout=10)
        try:
            return wish()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(times) as pool:
        ended = [pool.submit(one) for _ in range(times)]
    return [future.exception() or future.result() for future in ended]


def test_of_racing_sign_ups_with_one_address_one_wins_and_the_others_hear_that_it_is_taken():
    outcomes = at_once(6, lambda: a_customer(email="ada@example.org"))

    kinds = [type(outcome) for outcome in outcomes]
    assert (kinds.count(domain.Customer), kinds.count(EmailTaken)) == (1, 5)
    assert User.objects.count() == Credential.objects.count() == UsersOutbox.objects.count() == 1


def test_the_unique_index_stands_behind_the_check(monkeypatch):
    a_customer(email="ada@example.org")
    looked = []

    def sees_nobody_at_first(work, *facts):
        with monkeypatch.context() as blind:
            blind.setattr(User.objects, "filter", lambda **_: looked.append(1) or User.objects.none())
            return registered(work, *facts)

    registered = usecases._registered
    monkeypatch.setattr(usecases, "_registered", sees_nobody_at_first)

    with pytest.raises(EmailTaken) as no:
        a_customer(email="ADA@example.org")

    assert looked
    assert isinstance(no.value.__cause__, IntegrityError)
    assert User.objects.count() == UsersOutbox.objects.count() == 1


def test_of_two_uses_of_one_refresh_token_one_wins_and_the_session_ends():
    a_customer(email="ada@example.org")
    session = usecases.log_in(email="ada@example.org", password=PASSWORD)

    outcomes = at_once(2, lambda: usecases.refresh_session(session.refresh_token))

    assert {type(outcome) for outcome in outcomes} == {domain.Session, RefreshRefused}
    assert RefreshFamily.objects.get().revoked_at is not None
