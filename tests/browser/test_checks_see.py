"""The checks of this folder on pages with a fault each: what they miss here, they would miss at the console."""

from __future__ import annotations

import pytest

from .barriers import DARK, LIGHT, OWN_COLOURS, axe, bare_buttons, overhang, tab_to
from .seat import seated

PAGE = "<html lang='en'><title>A page</title><main><h1>A page</h1>{}</main></html>"


@pytest.fixture
def show(chromium):
    page = chromium.new_page()
    yield lambda html: page.set_content(PAGE.format(html)) or page
    page.close()


def test_a_page_without_a_fault_has_none(show):
    page = show("<p>Read <a href='/x'>this</a>.</p><button>Do</button>")

    assert [axe(page, sight) for sight in (LIGHT, DARK, OWN_COLOURS)] == [[], [], []]
    assert (bare_buttons(page), overhang(page)) == ([], 0)
    tab_to(page, "Do")


@pytest.mark.parametrize(
    ("html", "rule"),
    [
        ("<p style='color: #aaa'>pale</p>", "color-contrast"),
        ("<input name='x'>", "label"),
        ("<a href='/x'></a>", "link-name"),
        ("<p>Read <a href='/x' style='text-decoration: none'>this</a> and that.</p>", "link-in-text-block"),
        ("<button style='height: 9px; font-size: 9px'>a</button>" * 2, "target-size"),
    ],
)
def test_axe_sees(show, html, rule):
    assert {one.partition(":")[0] for one in axe(show(html), LIGHT)} == {rule}


def test_what_is_pale_in_the_dark_only_is_seen_there(show):
    page = show("<style>@media (prefers-color-scheme: dark) { p { color: #aaa } }</style><p>pale</p>")

    assert axe(page, LIGHT) == []
    assert axe(page, DARK) != []


def test_a_button_that_is_only_a_colour_is_seen(show):
    page = show("<a class='button' href='/x'>Do</a>")

    assert bare_buttons(page) != []


def test_a_page_that_is_too_wide_is_seen(show):
    assert overhang(show("<div style='width: 400px'>wide</div>")) > 0


def test_a_page_that_is_narrow_some_frames_later_is_not_too_wide_whatever_its_policy(chromium):
    headers = {"content-type": "text/html", "content-security-policy": "script-src 'self'"}
    body = PAGE.format("<div style='width: 400px'>wide</div>")
    with chromium.new_page() as page:
        page.route("http://shop.test/", lambda route: route.fulfill(headers=headers, body=body))
        page.goto("http://shop.test/")
        page.evaluate("() => { setTimeout(() => { document.querySelector('div').style.width = '10px' }, 700) }")

        assert overhang(page) == 0


def test_a_focus_that_cannot_be_seen_is_refused(show):
    page = show("<a href='/x' style='outline: none'>Do</a>")

    with pytest.raises(AssertionError, match="does not show"):
        tab_to(page, "Do")


def test_what_the_keyboard_does_not_reach_is_told(show):
    page = show("<button>Do</button><div onclick='alert()'>Click</div>")

    with pytest.raises(AssertionError, match="does not reach 'Click'"):
        tab_to(page, "Click")


@pytest.mark.parametrize(
    ("html", "told"),
    [
        ("<img alt='' src='http://fonts.invalid/a.png'>", "asked elsewhere: .*fonts.invalid"),
        ("<script>console.error('broken')</script>", "console: .*broken"),
        ("<script>undefined.x</script>", "console: .*undefined"),
    ],
)
def test_a_page_that_asks_elsewhere_or_complains_fails_its_test(chromium, html, told):
    def look():
        with seated(chromium, "http://localhost:1") as seat:
            seat.page.set_content(PAGE.format(html))
            seat.page.wait_for_load_state("networkidle")

    with pytest.raises(AssertionError, match=told):
        look()
