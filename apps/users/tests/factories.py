"""Customers and browsers for tests of users."""

from __future__ import annotations

import json
from itertools import count

from django.test import Client

from apps.users import domain, usecases
from fissile.trust import issue_access

PASSWORD = "difference-engine"
_numbers = count(1)


def a_customer(*, email: str = "", name: str = "Ada Lovelace", password: str = PASSWORD) -> domain.Customer:
    """Return somebody who has signed up."""
    return usecases.sign_up(email=email or f"ada{next(_numbers)}@example.org", name=name, password=password)


class Browser:
    """Sends JSON, as somebody or as nobody."""

    def __init__(self, customer: domain.Customer | None = None) -> None:
        self._client = Client(raise_request_exception=False)
        self._headers = {"authorization": f"Bearer {issue_access(customer.id)}"} if customer else {}

    def get(self, path: str):
        return self._client.get(path, headers=self._headers)

    def send(self, method: str, path: str, body: object):
        data = body if isinstance(body, bytes) else json.dumps(body)
        return self._client.generic(method, path, data, "application/json", headers=self._headers)

    def post(self, path: str, body: object):
        return self.send("POST", path, body)

    def patch(self, path: str, body: object):
        return self.send("PATCH", path, body)
