"""Who is asking: the bearer token of a customer, verified here even behind the gateway (decision 10)."""

from __future__ import annotations

from typing import Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from fissile.carry import Principal
from fissile.trust import tokens

REALM = 'Bearer realm="fissile"'


def anonymous() -> Principal:
    """Return who `request.user` is before anybody has shown a token."""
    return Principal()


class BearerAuthentication(BaseAuthentication):
    """RFC 6750 in the Authorization header, nowhere else. `request.user` becomes a Principal."""

    def authenticate(self, request: Request) -> tuple[Principal, None] | None:
        """Return the principal of the token, None without one; raise NotAuthenticated for a bad one."""
        header = request.META.get("HTTP_AUTHORIZATION") or ""
        if not header:
            return None
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            raise tokens.NotAuthenticated
        return tokens.verify_access(token.strip(" ")), None

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401."""
        return REALM


class Authenticated(BasePermission):
    """A customer with a valid token."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """True for users; services and operators have doors of their own."""
        return isinstance(request.user, Principal) and request.user.kind == "user"
