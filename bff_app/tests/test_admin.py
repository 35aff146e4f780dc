"""The operators' view of the BFF: everything is listed, nothing is changed."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from bff_app.tests.factories import hear, placed

pytestmark = pytest.mark.django_db(databases=["bff", "operations"])


@pytest.mark.parametrize("page", ["dashboardorder", "dashboardhistory", "dashboardtotals", "bffinbox", "bffposition"])
def test_every_page_opens_and_offers_no_change(page):
    hear(placed(uuid4()), 1)
    operator = Client()
    operator.force_login(get_user_model().objects.create_superuser("olga", password="a-wall-of-granite"))

    assert operator.get(f"/admin/bff/{page}/").status_code == 200
    assert operator.get(f"/admin/bff/{page}/add/").status_code == 403
