"""Runs the shop of the tree it stands in, with a new context in it: `python -m tests.scaffold.whole_house CUT…`.

A program, because a shop's table of contexts is read once per process. One line of JSON per cut on stdout.
May touch: whole houses, one after the other.
"""

from __future__ import annotations

import http.cookiejar
import json
import sys
import urllib.request
from typing import Any
from uuid import UUID

from bff_app.management.shop import eventually
from tests.house import RunningHouse, running_house

CONTEXT = "billing"
# One start of Django per cut: what the port finds, where users is, and a login link's token.
_ASK = """
import json
from uuid import UUID
from apps.billing import wiring
from fissile.console import devlogin
from fissile.contexts import registry
found = wiring.buyer_directory().find_buyer(UUID("{id}"))
print(json.dumps([found.name, registry.is_near("users"), devlogin.issue()]))
"""


def main(cuts: list[str]) -> None:
    """Start the shop in each cut, and tell what the new context did in it."""
    for cut in cuts:
        with running_house(cut, "embedded") as house:
            print(json.dumps({"cut": cut, **_seen(house)}), flush=True)


def _seen(house: RunningHouse) -> dict[str, Any]:
    web = house.house.url(CONTEXT)
    with urllib.request.urlopen(f"{web}/readyz", timeout=10) as answer:  # noqa: S310 - our own loopback address
        ready = json.load(answer)
    rosa = house.shop.sign_up("Rosa")
    asked = house.manage(CONTEXT, "shell", "--no-imports", "-c", _ASK.format(id=rosa.id)).stdout
    name, is_near, token = json.loads(asked.strip().splitlines()[-1])
    return {
        "ready": ready["status"],
        "dependencies": sorted(ready["dependencies"]),
        "admin": _admin(web, token),
        "asked": name,
        "users": "near" if is_near else "far",
        "copied": _copied(house, rosa.id),
        "roles": sorted({process.role for process in house.house.processes()}),
    }


def _admin(web: str, token: str) -> int:
    """Return the status of the new context's page, for an operator who came by a login link."""
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    browser.open(f"{web}/admin/dev-login/?t={token}", timeout=10).close()
    with browser.open(f"{web}/admin/{CONTEXT}/customercard/", timeout=10) as page:
        return int(page.status)


def _copied(house: RunningHouse, user_id: str) -> str:
    """Return the customer's name once the new context's worker has heard it."""

    def look() -> str | None:
        rows = house.rows(CONTEXT, "SELECT user_id, user_name FROM billing_customer_card")
        return next((name for one, name in rows if UUID(str(one)) == UUID(user_id)), None)

    return eventually(look, within_seconds=60, what="the read model of the new context")


if __name__ == "__main__":
    main(sys.argv[1:])
