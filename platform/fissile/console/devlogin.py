"""A login link for development: one use, fifteen minutes, this machine only, and only with DEBUG.

May touch: the operators' accounts and sessions; STATE_DIR/devlogin-<role>.json, which holds the token's hash.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import os
import secrets
import time
from pathlib import Path

import structlog
from django.conf import settings
from django.contrib.auth import get_user_model, login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_GET

OPERATOR = "dev"
LIFETIME_SECONDS = 15 * 60
# A request that came through anything else did not come from this machine's person.
_FORWARDED = ("HTTP_FORWARDED", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_HOST", "HTTP_X_REAL_IP", "HTTP_VIA")
_log = structlog.get_logger(__name__)


def token_file() -> Path:
    """Return where this role's one valid token is remembered."""
    ours = settings.FISSILE
    return Path(ours["state_dir"]) / f"devlogin-{ours['role'].replace(',', '-')}.json"


def issue() -> str:
    """Make sure the operator `dev` exists, then return a new token; an earlier one stops working."""
    operators = get_user_model()._default_manager
    operators.get_or_create(
        username=OPERATOR,
        # An unusable password: this account is entered by a link, or not at all.
        defaults={"is_staff": True, "is_superuser": True, "password": f"!{secrets.token_urlsafe(30)}"},
    )
    token = secrets.token_urlsafe(32)
    file = token_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    remembered = json.dumps({"sha256": _hash(token), "expires_at": time.time() + LIFETIME_SECONDS})
    fresh = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as out:
        out.write(remembered)
    fresh.replace(file)
    return token


@require_GET
def dev_login(request: HttpRequest) -> HttpResponse:
    """Log the bearer of a valid token in as `dev`; to everybody else this page does not exist."""
    if not (settings.DEBUG and _is_from_here(request) and _redeem(request.GET.get("t", ""))):
        raise Http404
    operator = get_user_model()._default_manager.filter(username=OPERATOR, is_active=True).first()
    if operator is None:
        raise Http404
    login(request, operator, backend="django.contrib.auth.backends.ModelBackend")
    _log.info("operator logged in by development link", operator=OPERATOR)
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return HttpResponseRedirect(reverse("admin:index"), headers=headers)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _is_from_here(request: HttpRequest) -> bool:
    try:
        address = ipaddress.ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    return address.is_loopback and not any(name in request.META for name in _FORWARDED)


def _redeem(token: str) -> bool:
    """True once: for the remembered token, before it expires. Whoever removes the file has won."""
    file = token_file()
    try:
        remembered = json.loads(file.read_text(encoding="ascii"))
        is_right = hmac.compare_digest(remembered["sha256"], _hash(token))
        if not is_right or time.time() > remembered["expires_at"]:
            return False
        file.unlink()
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return True
