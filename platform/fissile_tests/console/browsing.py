"""A person at the console without a browser: opens pages, follows links, fills in the forms that were rendered.

A form is submitted with all that it contains, hidden fields and defaults too, as a browser would. Scripts do not run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

_EMPTY = {"input", "img", "link", "meta", "br", "hr", "source", "path", "use"}


@dataclass
class Form:
    """One form of a page: its method, its address, what it would send, and its buttons."""

    method: str
    action: str
    fields: dict[str, list[str]] = field(default_factory=dict)
    buttons: list[str] = field(default_factory=list)


@dataclass
class Element:
    """A start tag, the text up to its end, and the tags around it."""

    tag: str
    attributes: dict[str, str]
    text: str = ""
    around: tuple[str, ...] = ()


class Page(HTMLParser):
    """What a rendered page contains, as far as a person can use it."""

    def __init__(self, address: str, html: str) -> None:
        super().__init__()
        self.address, self.html = address, html
        self.elements: list[Element] = []
        self.forms: list[Form] = []
        self._open: list[Element] = []
        self._form: Form | None = None
        self._select = ""
        self.feed(html)

    @property
    def text(self) -> str:
        """What is to be read, spaces folded."""
        body = re.sub(r"<(script|style)\b.*?</\1>", " ", self.html, flags=re.DOTALL)
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body)).strip()

    def all(self, *tags: str) -> list[Element]:
        """Return the elements of these tags."""
        return [one for one in self.elements if one.tag in tags]

    def link(self, name: str) -> str:
        """Return where the first link of this text, or of this spoken name, leads."""
        for one in self.all("a"):
            if name in (" ".join(one.text.split()), one.attributes.get("aria-label")):
                return urljoin(self.address, one.attributes["href"])
        raise AssertionError(f"{self.address} has no link {name!r}")

    def form_with(self, *names: str) -> Form:
        """Return the first form that has all of these fields."""
        for form in self.forms:
            if set(names) <= set(form.fields):
                return form
        raise AssertionError(f"{self.address} has no form with {names}")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the tag; fields go to the form around them."""
        given = {name: value or "" for name, value in attrs}
        element = Element(tag, given, around=tuple(one.tag for one in self._open))
        self.elements.append(element)
        if tag not in _EMPTY:
            self._open.append(element)
        if tag == "form":
            self._form = Form(given.get("method", "get").lower(), urljoin(self.address, given.get("action", "")))
            self.forms.append(self._form)
        elif self._form is not None:
            self._note_field(tag, given)

    def handle_endtag(self, tag: str) -> None:
        """Close the element; text goes to all that are open."""
        while self._open and any(one.tag == tag for one in self._open):
            if self._open.pop().tag == tag:
                break
        if tag == "form":
            self._form = None

    def handle_data(self, data: str) -> None:
        """Add text to what is open."""
        for element in self._open:
            element.text += data

    def _note_field(self, tag: str, given: dict[str, str]) -> None:
        assert self._form is not None
        name, kind = given.get("name", ""), given.get("type", "text")
        if tag == "select":
            self._select = name
            self._form.fields.setdefault(name, [])
        elif tag == "option" and ("selected" in given or not self._form.fields[self._select]):
            self._form.fields[self._select] = [given.get("value", "")]
        elif tag == "button" or kind == "submit":
            self._form.buttons.append(given.get("value", ""))
        elif tag in ("input", "textarea") and name:
            values = self._form.fields.setdefault(name, [])
            if kind not in ("checkbox", "radio") or "checked" in given:
                values.append(given.get("value", ""))


class Person:
    """Sits at the console, logged in or not."""

    def __init__(self, client) -> None:
        self._client = client
        self.page = Page("/", "")

    def open(self, address: str) -> Page:
        """Go to a page; it must be there."""
        return self._arrive(self._client.get(address, follow=True), address)

    def follow(self, name: str) -> Page:
        """Click a link."""
        return self.open(self.page.link(name))

    def submit(self, **filled) -> Page:
        """Fill in the first form that has all of these fields, and send all that it contains."""
        form = self.page.form_with(*filled)
        given = {name: value if isinstance(value, list) else [value] for name, value in filled.items()}
        data = {**form.fields, **given}
        send = self._client.post if form.method == "post" else self._client.get
        return self._arrive(send(form.action, data, follow=True), form.action)

    def _arrive(self, response, address: str) -> Page:
        assert response.status_code == 200, f"{address}: {response.status_code}"
        final = response.redirect_chain[-1][0] if response.redirect_chain else address
        self.page = Page(urljoin(address, final), response.content.decode())
        return self.page


def barriers(page: Page) -> list[str]:
    """Return what would keep somebody from using a page, or would ask another host for something."""
    found = []
    if not page.all("html")[0].attributes.get("lang"):
        found.append("the page does not say its language")
    if len(page.all("h1")) != 1:
        found.append(f"{len(page.all('h1'))} headings of the first rank")
    labelled = {one.attributes.get("for") for one in page.all("label")}
    for one in page.all("input", "select", "textarea"):
        given = one.attributes
        is_seen = given.get("type") not in ("hidden", "submit", "button")
        named = given.get("id") in labelled or "label" in one.around or {"aria-label", "aria-labelledby"} & set(given)
        if is_seen and not named:
            found.append(f"{one.tag} {given.get('name')} has no label")
    found += [f"image {one.attributes['src']} has no text" for one in page.all("img") if "alt" not in one.attributes]
    found += [f"link to {one.attributes.get('href')} has no name" for one in page.all("a") if not _name(one)]
    for one in page.elements:
        for name in ("src", "href", "action", "srcset", "data", "poster"):
            if urlsplit(one.attributes.get(name, "")).netloc:
                found.append(f"{one.tag} asks {one.attributes[name]}")
        classes = one.attributes.get("class", "").split()
        if any(name.startswith("state-") for name in classes) and not re.search(r"[a-z]{4}", one.text):
            found.append(f"a state is told by its colour alone: {one.text!r}")
        if "style" in one.attributes or (one.tag == "script" and not one.attributes.get("src") and one.text.strip()):
            found.append(f"{one.tag} has a style or a script that the policy forbids")
    return found


def _name(link: Element) -> str:
    given = link.attributes
    return link.text.strip() or given.get("aria-label", "") or given.get("title", "") or given.get("id", "")
