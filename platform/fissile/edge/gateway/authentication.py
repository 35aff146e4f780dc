"""The token check at the door. The verifier is handed in; services behind verify again (decision 10)."""

from __future__ import annotations

import re
from collections.abc import Callable

from fissile.carry import Principal
from fissile.errors import FissileError
from fissile.messages import problem_from

from . import problems
from .headers import Head

Verify = Callable[[str], Principal]

# RFC 6750, 2.1. Longer than any token the house mints by a factor of ten.
_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] ([A-Za-z0-9._~+/-]{1,8192}=*)")


def authenticated(head: Head, verify: Verify) -> Principal:
    """Return who is asking, or turn away with 401 and a challenge (RFC 6750, 3)."""
    given = head.first("authorization")
    if given is None:
        problems.not_authenticated("Bearer")
    bearer = _BEARER.fullmatch(given)
    if bearer is None:
        problems.not_authenticated('Bearer error="invalid_token"')
    try:
        return verify(bearer[1])
    except FissileError as no:
        if no.status != 401:
            raise problems.TurnedAway(problem_from(no)) from no
        problems.not_authenticated('Bearer error="invalid_token"')
