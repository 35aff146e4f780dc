"""Every page of the console can be used: seen light, dark and in one's own colours, on a narrow screen, by keyboard."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.urls import reverse
from playwright.sync_api import expect

from apps.orders.tests.factories import a_placed_order
from apps.users import usecases as users
from fissile.console import site
from fissile.testing.delivery import drain
from fissile_tests.shoplet.models import ShopletInbox

from .barriers import DARK, LIGHT, OWN_COLOURS, axe, bare_buttons, overhang
from .rows import CAUSE, an_event, dead_letters
from .seat import LOG, Seat

pytestmark = pytest.mark.django_db(databases=["operations", *settings.FISSILE["contexts"]])
# The list of all rows is the same at the side of each page; it is looked at on two of them.
SIDE = "#nav-sidebar"
# Rows of each kind of page: a message with its payload, a plain row, one with lines below it.
KINDS = ("/admin/shoplet/shopletinbox/", "/admin/shoplet/shopletlane/", "/admin/orders/order/")
WHY = "the depot has mended its scale"


def barriers(seat: Seat, *, but: str = SIDE) -> list[str]:
    """Return what is wrong with the page that is open."""
    page = seat.page
    found = [f"{overhang(page)} px wider than a narrow screen"] * (overhang(page) > 0)
    for name, sight in (("light", LIGHT), ("dark", DARK), ("own colours", OWN_COLOURS)):
        found += [f"{name}: {one}" for one in axe(page, sight, but=but)]
    found += [f"own colours: no border: {one}" for one in bare_buttons(page)]
    page.emulate_media(**LIGHT)
    return [f"{page.url}: {one}" for one in found]


def barriers_of(seat: Seat, *addresses: str) -> list[str]:
    """Return what is wrong with each of these pages."""
    found = []
    for address in addresses:
        seat.open(address)
        found += barriers(seat)
    return found


def ensure_none(found: list[str]) -> None:
    """Fail with the whole list."""
    assert not found, "\n" + "\n".join(found)


def lists() -> list[str]:
    """Return the list of each kind of row: what five contexts share, of one of them."""
    found = {type(page): page for page in site._registry.values()}
    return [reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_changelist") for page in found.values()]


def a_row_of(address: str, seat: Seat) -> str:
    """Return the page of the first row of a list."""
    seat.open(address)
    return seat.page.locator("#result_list tbody tr th a").first.get_attribute("href") or ""


@pytest.fixture
def shop(operator):
    """The console of a shop in which something has happened everywhere."""
    customer = users.sign_up(email="rosa@example.com", name="Rosa", password="granite-and-slate")
    users.log_in(email=customer.email, password="granite-and-slate")
    a_placed_order(chisel=1)
    drain()
    users.rename(customer.id, "Rosa Stein")
    an_event()
    dead_letters(2)
    LogEntry.objects.create(user=User.objects.get(), object_repr="lane 7", action_flag=2, change_message="Paused.")
    Group.objects.create(name="night shift")
    return operator


def test_the_pages_of_messages(shop):
    letters = "/admin/dead-letters/"
    found = barriers_of(shop, "/admin/", f"{letters}?since=nonsense", f"{letters}?cause=nothing-fits",
                        f"{letters}replay/", f"{letters}discard/?cause=nothing-fits")  # fmt: skip
    for address in (letters, "/admin/shoplet/shopletoutbox/"):
        shop.open(address)
        found += barriers(shop, but="")
    shop.open(letters)
    shop.follow(CAUSE)

    ensure_none(found + barriers(shop))


def test_the_lists_of_rows(shop):
    ensure_none(barriers_of(shop, *lists()))


def test_the_page_of_a_row(shop):
    rows = [a_row_of(address, shop) for address in (*KINDS, LOG, "/admin/auth/user/", "/admin/auth/group/")]

    ensure_none(barriers_of(shop, *rows))


def test_the_pages_between_an_action_and_its_effect(shop):
    held = ShopletInbox.objects.filter(state="parked").order_by("id").last()
    # One of them has another message of its aggregate behind it.
    shop.open("/admin/shoplet/shopletinbox/?state__exact=parked")
    shop.choose("Replay selected dead letters", held.aggregate)
    found = barriers(shop)
    shop.say_why("   ")
    expect(shop.page.get_by_role("alert")).to_be_visible()
    found += barriers(shop)
    shop.say_why(WHY)
    shop.is_told("Replay dead letters: 1 done.")
    found += barriers(shop)

    ensure_none(found + barriers_of(shop, f"/admin/shoplet/shopletinbox/{held.pk}/history/"))


def test_the_pages_of_operators(shop):
    place = f"/admin/auth/user/{User.objects.get(username='rosa').pk}"

    ensure_none(barriers_of(shop, "/admin/auth/", "/admin/auth/user/add/", "/admin/auth/group/add/",
                            f"{place}/password/", f"{place}/delete/", "/admin/password_change/"))  # fmt: skip


def test_the_doors(stranger):
    found = barriers_of(stranger, "/admin/login/")
    stranger.page.get_by_label("Username").fill("nobody")
    stranger.page.get_by_label("Password").fill("wrong-and-late")
    stranger.page.get_by_role("button", name="Log in").click()
    expect(stranger.page.locator(".errornote")).to_be_visible()

    ensure_none(found + barriers(stranger))
