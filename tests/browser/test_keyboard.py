"""The console without a mouse: what matters is reached by Tab, shows that it is, and does its work at Enter."""

from __future__ import annotations

import pytest
from django.conf import settings
from playwright.sync_api import expect

from fissile_tests.shoplet.models import ShopletOutbox

from .barriers import tab_to
from .rows import CAUSE, EAR, an_event, dead_letters
from .seat import twin

pytestmark = pytest.mark.django_db(databases=["operations", *settings.FISSILE["contexts"]])


def test_from_the_first_page_to_a_replayed_group(operator):
    dead_letters(2)
    page = operator.open("/admin/")
    tab_to(page, f"2 dead letters of {EAR}")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Dead letters")
    tab_to(page, f"Replay the letters of {EAR}: {CAUSE}")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Replay dead letters")
    tab_to(page, "reason")
    page.keyboard.type("the scale is mended")
    tab_to(page, "Replay dead letters")
    page.keyboard.press("Enter")

    operator.is_told("Replay dead letters: 2 replayed.")
    assert twin("deadletters", "list")["total"] == 0


def test_a_row_is_taken_and_its_event_parked(operator):
    event = an_event()
    page = operator.open("/admin/shoplet/shopletoutbox/")
    tab_to(page, f"Select this object for an action - {event}")
    page.keyboard.press("Space")
    # Round the page's end and on from its top.
    tab_to(page, "action")
    page.keyboard.type("Park")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Park events")
    tab_to(page, "reason")
    page.keyboard.type("finance is asked")
    page.keyboard.press("Enter")

    operator.is_told("Park events: 1 done.")
    assert ShopletOutbox.objects.get().parked_at is not None


def test_the_first_stop_leads_past_the_header(operator):
    page = operator.open("/admin/dead-letters/")

    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    expect(page).to_have_url(f"{operator.base}/admin/dead-letters/#content-start")
