"""The demo customers: there in DEBUG, once; absent otherwise."""

from __future__ import annotations

import pytest

from apps.users import seed, usecases
from apps.users.models import User, UsersOutbox

pytestmark = pytest.mark.django_db(databases=["users"])


def test_seeding_twice_makes_the_demo_customers_once(settings):
    settings.DEBUG = True

    seed.seed()
    seed.seed()

    assert User.objects.count() == UsersOutbox.objects.count() == len(seed.DEMO_CUSTOMERS)
    email, _, password = seed.DEMO_CUSTOMERS[0]
    assert usecases.log_in(email=email, password=password)


def test_outside_of_debug_nobody_has_a_public_password(settings):
    settings.DEBUG = False

    seed.seed()

    assert not User.objects.exists()
