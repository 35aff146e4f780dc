"""What keeps somebody from using a page: found by axe, by the keyboard, and on a narrow screen."""

from __future__ import annotations

import time

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

WCAG_22_AA = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
# How somebody may see the console.
LIGHT = {"color_scheme": "light", "forced_colors": "none"}
DARK = {"color_scheme": "dark", "forced_colors": "none"}
OWN_COLOURS = {"color_scheme": "light", "forced_colors": "active"}
# There axe reads the authors' colours from -webkit-text-fill-color, which nobody sees: the person's own replace them.
_SEEN_WRONG = ["color-contrast"]
_SETTLE = "async () => { await Promise.all(document.getAnimations().map(one => one.finished)); }"
_FOCUS = """() => {
    const at = document.activeElement, style = getComputedStyle(at);
    const isField = at.tagName === 'SELECT' || (at.tagName === 'INPUT' && at.type !== 'submit');
    return {
        name: (at.getAttribute('aria-label') || (isField ? at.name : at.innerText || at.value) || '').trim(),
        tag: at.tagName,
        ring: style.outlineStyle === 'none' ? 0 : parseFloat(style.outlineWidth),
    };
}"""
_BARE = """() => [...document.querySelectorAll('input[type=submit], a.button')]
    .filter(one => one.checkVisibility() && !parseFloat(getComputedStyle(one).borderTopWidth))
    .map(one => one.outerHTML)"""
_SETTLED_SECONDS = 10.0
# Far more than the console's longest page has stops.
_MOST_STOPS = 250


def axe(page: Page, sight: dict[str, str], *, but: str = "") -> list[str]:
    """Return axe's violations of WCAG 2.2 AA in a page as somebody sees it, each with its element and reasons.

    `but`: a selector of what is left out.
    """
    page.emulate_media(**sight)
    # A colour on its way from one scheme to the other is nobody's.
    page.evaluate(_SETTLE)
    if not page.evaluate("typeof window.axe === 'object'"):
        page.evaluate(AXE_SCRIPT)
    wrong = _SEEN_WRONG if sight["forced_colors"] == "active" else []
    options = {
        "runOnly": WCAG_22_AA,
        "resultTypes": ["violations"],
        "preload": False,
        "rules": {name: {"enabled": False} for name in wrong},
    }
    where = {"exclude": [[but]]} if but else {"include": [["html"]]}
    found = page.evaluate("([where, options]) => axe.run(where, options)", [where, options])
    return [
        f"{one['id']}: {node['target'][0]}: {node['html'][:200]}: "
        + "; ".join(why["message"] for why in node["any"] + node["all"] + node["none"])
        for one in found["violations"]
        for node in one["nodes"]
    ]


def bare_buttons(page: Page) -> list[str]:
    """Return the buttons that nothing but their colour makes a button; to be asked where colours are the person's."""
    found: list[str] = page.evaluate(_BARE)
    return found


def overhang(page: Page) -> int:
    """Return by how many CSS pixels a page is wider than a screen of 320, on which it would have to be shoved."""
    before = page.viewport_size
    page.set_viewport_size({"width": 320, "height": 640})
    # The rules for narrow screens apply some frames after the screen is narrow; a page that is too wide stays so.
    # Asked from here: a page's own policy (CSP) forbids the eval by which Playwright would wait inside of it.
    ends = time.monotonic() + _SETTLED_SECONDS
    while (width := _width(page)) > 320 and time.monotonic() < ends:
        page.wait_for_timeout(20)
    if before:
        page.set_viewport_size(before)
    return max(0, width - 320)


def _width(page: Page) -> int:
    width: int = page.evaluate("document.documentElement.scrollWidth")
    return width


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the keyboard is on what is so called; on the way, every stop must show that it is there."""
    for _ in range(_MOST_STOPS):
        page.keyboard.press("Tab")
        at = page.evaluate(_FOCUS)
        assert at["tag"] == "BODY" or at["ring"], f"{at['tag']} {at['name']!r} does not show that it has the focus"
        if at["name"] == name:
            return
    raise AssertionError(f"{page.url}: the keyboard does not reach {name!r}")
