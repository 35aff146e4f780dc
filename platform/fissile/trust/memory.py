"""Tokens verified a moment ago, so that a burst pays for one signature check. Touches nothing."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Hashable

from fissile.carry import Principal

# About 1 MB; more users at once than that only verify again.
MOST_TOKENS = 4_096


class VerifiedTokens:
    """A bounded memory of token → principal, never past the token's `exp`.

    Keeps the SHA-256 of a token, not the token. `purpose` holds everything else
    the verdict hung on (kind, audience, generation of the keys), so a withdrawn
    key forgets its tokens.
    """

    def __init__(self, most: int = MOST_TOKENS) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[bytes, Hashable], tuple[Principal, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def get(self, token: str, purpose: Hashable, now: float) -> Principal | None:
        """Return the principal if the token is known for this purpose and not expired at `now`."""
        name = (_digest(token), purpose)
        with self._lock:
            entry = self._known.get(name)
            if entry is None:
                return None
            if now >= entry[1]:
                del self._known[name]
                return None
            self._known.move_to_end(name)
            return entry[0]

    def put(self, token: str, purpose: Hashable, principal: Principal, *, expires: int) -> None:
        """Remember a token until `expires` (Unix seconds); the least used one goes first."""
        with self._lock:
            self._known[_digest(token), purpose] = (principal, expires)
            while len(self._known) > self._most:
                self._known.popitem(last=False)


def _digest(token: str) -> bytes:
    # Lone surrogates cannot be in a verified token, but may be in one that is looked up.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
