"""The one place where tokens are made and verified (T37): users' access tokens and services' tokens.

JWS compact form, ES256 only (RFC 7515, 7518), profile of RFC 9068 for `at+jwt`.
Touches: keys through `configuration.py`. Whatever is wrong with a token, the caller hears the same.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from joserfc import jws
from joserfc.errors import JoseError

from fissile.carry import Principal
from fissile.errors import BrokenContractError, Refusal
from fissile.messages.ids import uuid7

from .configuration import configured
from .keys import ACCESS, ALGORITHM, load_private, private_path, service_key
from .memory import VerifiedTokens
from .sources import KeySource

logger = logging.getLogger("fissile.trust")

ACCESS_ISSUER = "fissile-users"
ACCESS_AUDIENCE = "fissile-shop"
ACCESS_TYPE = "at+jwt"
ACCESS_SECONDS = 900
SERVICE_TYPE = "svc+jwt"
# One hop: long enough for a call under the longest deadline, too short to be worth stealing.
SERVICE_SECONDS = 30
# Clocks of one house differ by milliseconds; a second or two is a leap or a pause.
LEEWAY_SECONDS = 5
LARGEST_TOKEN_BYTES = 8_192
_LONGEST_NAME = 255
_LATEST_TIME = 253_402_300_799  # the year 9999
_PARTS = re.compile(r"([A-Za-z0-9_-]{1,512})\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{86})")
_KID = re.compile(r"[A-Za-z0-9_-]{43}")
_HEADER_MEMBERS = {"alg", "typ", "kid"}


class NotAuthenticated(Refusal):
    """The access token is missing, expired or not ours."""

    code = "not_authenticated"
    status = 401


class _Unacceptable(Exception):
    """Why a token is refused; for the debug log only."""


@dataclass(frozen=True, kw_only=True)
class _Profile:
    """What one kind of token must be. `issuer_of` maps a key's owner to the issuer it may sign as."""

    typ: str
    audience: str
    longest_seconds: int
    issuer_of: Callable[[str], str]


_verified = VerifiedTokens()


def issue_access(user_id: object, *, now: float | None = None, lifetime_seconds: int = ACCESS_SECONDS) -> str:
    """Return an access token for a user, valid for `lifetime_seconds` (at most 900) from `now` (Unix seconds).

    Needs users' private key: only users' processes hold it.
    """
    if not 0 < lifetime_seconds <= ACCESS_SECONDS:
        raise BrokenContractError(f"An access token lives 1 to {ACCESS_SECONDS} seconds, not {lifetime_seconds}.")
    claims = {"iss": ACCESS_ISSUER, "aud": ACCESS_AUDIENCE, "sub": str(user_id)}
    return _signed(ACCESS, ACCESS_TYPE, claims, now=now, seconds=lifetime_seconds)


def verify_access(token: str, *, now: float | None = None) -> Principal:
    """Return the user a token speaks for; raise NotAuthenticated."""
    profile = _Profile(
        typ=ACCESS_TYPE,
        audience=ACCESS_AUDIENCE,
        longest_seconds=ACCESS_SECONDS,
        issuer_of=lambda owner: f"fissile-{owner}",
    )
    return _principal(token, profile, configured().access_keys, _user, now)


def mint_service(
    audience: str, on_behalf_of: Principal | None = None, *, caller: str | None = None, now: float | None = None
) -> str:
    """Return a token with which `caller` (default: this process's service) calls the context `audience`.

    Valid for 30 s. Its subject is the user it speaks for, or the caller itself;
    its actor (`act`, RFC 8693) is the caller.
    """
    speaker = caller or configured().service
    if not speaker:
        raise BrokenContractError(f"Who calls {audience}? Name the caller: this process has no single service.")
    subject = (on_behalf_of.subject if on_behalf_of else None) or speaker
    claims = {"iss": speaker, "aud": audience, "sub": subject, "act": {"sub": speaker}}
    return _signed(service_key(speaker), SERVICE_TYPE, claims, now=now, seconds=SERVICE_SECONDS)


def verify_service(token: str, audience: str, *, now: float | None = None) -> Principal:
    """Return the calling service (`actor`) and the user it speaks for (`subject`); raise NotAuthenticated."""
    profile = _Profile(
        typ=SERVICE_TYPE, audience=audience, longest_seconds=SERVICE_SECONDS, issuer_of=lambda owner: owner
    )
    return _principal(token, profile, configured().service_keys, _service, now)


def _signed(key_name: str, typ: str, claims: dict[str, Any], *, now: float | None, seconds: int) -> str:
    key = load_private(private_path(configured().keys_dir, key_name))
    issued = int(time.time() if now is None else now)
    header = {"alg": ALGORITHM, "typ": typ, "kid": key.thumbprint()}
    body = {**claims, "iat": issued, "exp": issued + seconds, "jti": str(uuid7())}
    return jws.serialize_compact(header, json.dumps(body).encode(), key, algorithms=[ALGORITHM])


def _principal(
    token: str,
    profile: _Profile,
    keys: KeySource,
    read: Callable[[dict[str, Any]], Principal],
    now: float | None,
) -> Principal:
    instant = time.time() if now is None else now
    keys.look()
    # Taken before the check: a key withdrawn meanwhile leaves the verdict under a past generation.
    purpose = (keys, keys.generation, profile.typ, profile.audience)
    try:
        if not isinstance(token, str) or len(token) > LARGEST_TOKEN_BYTES:
            raise _Unacceptable("not text, or too long")
        if (known := _verified.get(token, purpose, instant)) is not None:
            return known
        claims = _claims(token, profile, keys, instant)
        principal = read(claims)
    except _Unacceptable as reason:
        logger.debug("token refused: %s", reason)
        raise NotAuthenticated from None
    _verified.put(token, purpose, principal, expires=claims["exp"])
    return principal


def _claims(token: str, profile: _Profile, keys: KeySource, now: float) -> dict[str, Any]:
    parts = _PARTS.fullmatch(token)
    if parts is None:
        raise _Unacceptable("not three parts of base64url with an ES256 signature")
    header = _object(parts[1])
    if set(header) != _HEADER_MEMBERS or header["alg"] != ALGORITHM or header["typ"] != profile.typ:
        raise _Unacceptable("another header than alg, typ and kid as they must be")
    if not isinstance(header["kid"], str) or not _KID.fullmatch(header["kid"]):
        raise _Unacceptable("kid is no thumbprint")
    claims = _object(parts[2])
    _decoded(parts[3])
    known = keys.find(header["kid"])
    if known is None:
        raise _Unacceptable("kid is unknown")
    try:
        jws.deserialize_compact(token, known.key, algorithms=[ALGORITHM])
    except (JoseError, ValueError) as wrong:
        raise _Unacceptable(f"signature: {type(wrong).__name__}") from wrong
    if claims.get("iss") != profile.issuer_of(known.owner) or claims.get("aud") != profile.audience:
        raise _Unacceptable("another issuer or audience")
    _check_times(claims, profile.longest_seconds, now)
    for name in ("sub", "jti"):
        _check_name(claims.get(name), name)
    return claims


def _check_times(claims: dict[str, Any], longest: int, now: float) -> None:
    # `type` and not isinstance: a bool is an int, and a float or text is no NumericDate of ours.
    for name in ("exp", "iat", *(["nbf"] if "nbf" in claims else [])):
        if type(claims.get(name)) is not int or not 0 < claims[name] <= _LATEST_TIME:
            raise _Unacceptable(f"{name} is missing or no whole number of seconds")
    if not 0 < claims["exp"] - claims["iat"] <= longest:
        raise _Unacceptable("it lives too long, or backwards")
    if now >= claims["exp"] + LEEWAY_SECONDS:
        raise _Unacceptable("expired")
    if max(claims["iat"], claims.get("nbf", 0)) > now + LEEWAY_SECONDS:
        raise _Unacceptable("from the future")


def _check_name(value: Any, name: str) -> None:
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_NAME or not value.isprintable():
        raise _Unacceptable(f"{name} is missing or no name")


def _user(claims: dict[str, Any]) -> Principal:
    return Principal(kind="user", subject=claims["sub"])


def _service(claims: dict[str, Any]) -> Principal:
    # A service signs for itself only: the key's owner is the issuer is the actor.
    caller = claims["iss"]
    if claims.get("act") != {"sub": caller}:
        raise _Unacceptable("the actor is not the issuer")
    return Principal(kind="service", actor=caller, subject=None if claims["sub"] == caller else claims["sub"])


def _decoded(part: str) -> bytes:
    try:
        raw = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error) as wrong:
        raise _Unacceptable("not base64url") from wrong
    # One token, one spelling: loose bits in the last character would give it more.
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != part:
        raise _Unacceptable("not canonical base64url")
    return raw


def _object(part: str) -> dict[str, Any]:
    try:
        value = json.loads(_decoded(part).decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refused)
    except (ValueError, RecursionError) as wrong:
        raise _Unacceptable("not strict JSON") from wrong
    if not isinstance(value, dict):
        raise _Unacceptable("not a JSON object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
