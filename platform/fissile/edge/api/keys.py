"""The Idempotency-Key header (draft-ietf-httpapi-idempotency-key-header) and the claim made of it."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from rest_framework.request import Request

from fissile.data.commands import Claim

from .refusals import IdempotencyKeyInvalid, IdempotencyKeyRequired

# A structured-field string without escapes, or the same characters bare (less
# quote, comma, semicolon and backslash, so that a list is never taken for a key).
KEY_PATTERN = r'^(?:"[!#-\[\]-~]{1,255}"|[!#-+\--:<-\[\]-~]{1,255})$'
_KEY = re.compile(KEY_PATTERN)


def idempotency_key(request: Request) -> str:
    """Return the key without its quotes: `"k"` and `k` are the same key.

    Raise IdempotencyKeyRequired without the header, IdempotencyKeyInvalid for
    what is no key.
    """
    given = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if given is None:
        raise IdempotencyKeyRequired
    if not _KEY.fullmatch(given):
        raise IdempotencyKeyInvalid
    return str(given).strip('"')


def claim_of(request: Request, *, principal: str, body: Any = None) -> Claim:
    """Return the claim of a request: who, which route, which key, and a print of `body` as it was sent.

    The print covers the path's values too: one key on two orders' cancellation is
    a key used twice.
    """
    match = request.resolver_match
    route = f"/{match.route}" if match else request.path
    values = {name: str(value) for name, value in (match.kwargs if match else {}).items()}
    return Claim(
        principal=principal,
        method=str(request.method),
        route=route,
        key=idempotency_key(request),
        fingerprint=fingerprint([values, body]),
    )


def fingerprint(value: Any) -> str:
    """Return the SHA-256 (hex) of a JSON value in canonical form: names sorted, no blanks."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
