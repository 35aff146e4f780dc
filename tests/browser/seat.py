"""A person at the console in a real browser: opens pages, takes rows, says why; and the commands beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any
from urllib.parse import urlsplit

from django.core.management import call_command
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Route, expect

LOG = "/admin/admin/logentry/"


class Seat:
    """Sits before `page`; addresses are the live server's."""

    def __init__(self, context: BrowserContext, base: str) -> None:
        self._context, self.base = context, base
        # What no test may leave behind: requests to other origins, and complaints on the browser's console.
        self.outside: list[str] = []
        self.complaints: list[str] = []
        context.route("**/*", self._let_pass)
        context.on("weberror", lambda wrong: self.complaints.append(str(wrong.error)))
        context.on("console", self._note)
        self.page: Page = context.new_page()
        self.page.on("websocket", lambda socket: self.outside.append(socket.url))

    def remember(self, name: str, value: str) -> None:
        """Keep a cookie of the live server."""
        self._context.add_cookies([{"name": name, "value": value, "url": self.base}])

    def open(self, address: str) -> Page:
        """Go to a page, by its path or whole address; it must be there."""
        answer = self.page.goto(address if "://" in address else self.base + address)
        assert answer is not None
        assert answer.status == 200, f"{address}: {answer.status}"
        return self.page

    def follow(self, name: str) -> Page:
        """Click the one link of this name."""
        self.page.get_by_role("link", name=name, exact=True).click()
        return self.page

    def choose(self, action: str, *rows: str) -> None:
        """Take the rows that contain these texts, and ask for an action; the page that asks for a reason follows."""
        for row in rows:
            self.page.locator("#result_list tbody tr", has_text=row).locator("input.action-select").check()
        self.page.locator("select[name=action]").select_option(label=action)
        self.page.locator(".actions button[name=index]").click()

    def say_why(self, reason: str) -> None:
        """Fill in the reason and push the page's button."""
        self.page.get_by_label("Reason").fill(reason)
        self.page.locator(".submit-row input[type=submit]").click()

    def is_told(self, text: str) -> None:
        """Wait until the page shows this message."""
        expect(self.page.locator(".messagelist li", has_text=text)).to_be_visible()

    def sees_in_the_log(self, *texts: str) -> None:
        """Open the log; its newest entry must be rosa's and contain these texts."""
        self.open(LOG)
        newest = self.page.locator("#result_list tbody tr").first
        for text in ("rosa", *texts):
            expect(newest).to_contain_text(text)

    def _let_pass(self, route: Route) -> None:
        address = route.request.url
        if urlsplit(address)[:2] == urlsplit(self.base)[:2] or address.startswith("data:"):
            route.continue_()
        else:
            self.outside.append(address)
            route.abort()

    def _note(self, said: ConsoleMessage) -> None:
        if said.type == "error":
            self.complaints.append(f"{self.page.url}: {said.text} ({said.location['url']})")


@contextmanager
def seated(browser: Browser, base: str, **options: Any) -> Iterator[Seat]:
    """Yield somebody at a fresh browser; fail at the end if a page asked elsewhere or complained."""
    context = browser.new_context(**{"reduced_motion": "reduce", **options})
    try:
        seat = Seat(context, base)
        yield seat
        assert not seat.outside, f"asked elsewhere: {seat.outside}"
        assert not seat.complaints, f"on the browser's console: {seat.complaints}"
    finally:
        context.close()


def twin(*words: str) -> Any:
    """Return what the command says with --json, in this same process."""
    said = StringIO()
    call_command(*words, "--json", stdout=said)
    answer = json.loads(said.getvalue())
    assert answer["ok"], answer
    return answer["data"]
