"""Where public keys come from: files that are watched, or an address that is asked now and then.

May touch: the folder of published keys, or one JWKS address. A source that turns
bad keeps its last good keys and says so in the log.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import urllib3
from joserfc.jwk import ECKey

from .keys import UnusableKeyError, parse_set

logger = logging.getLogger("fissile.trust")

# A withdrawn key is out of use within this time, and a key file costs one stat per second at most.
LOOK_SECONDS = 1.0
# An address is asked again after this time …
FRESH_SECONDS = 300.0
# … and for an unknown key id no more often than this, however many of those come in.
ASK_AGAIN_SECONDS = 10.0
_FETCH_TIMEOUT = urllib3.Timeout(connect=1.0, read=1.0)
_LARGEST_SET_BYTES = 65_536


@dataclass(frozen=True)
class KnownKey:
    """A public key and the name (of a service, or `users`) whose tokens it verifies."""

    owner: str
    key: ECKey


class KeySource(Protocol):
    """Public keys by key id. `generation` changes whenever a key comes or goes."""

    generation: int

    def find(self, kid: str) -> KnownKey | None:
        """Return the key, looking again at the source if it is unknown; None if it stays so."""

    def look(self) -> None:
        """Take note of changes, if it is time to."""


class KeyFiles:
    """The JWKS files in a folder that match a pattern; the file's name tells the owner."""

    def __init__(
        self, folder: Path, *, pattern: str, suffix: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.generation = 0
        self._folder, self._pattern, self._suffix = folder, pattern, f"{suffix}.jwks.json"
        self._clock = clock
        self._lock = threading.Lock()
        self._looked_at = float("-inf")
        self._seen: dict[Path, tuple[int, int, int]] = {}
        self._by_file: dict[Path, dict[str, KnownKey]] = {}
        self._by_kid: dict[str, KnownKey] = {}

    def find(self, kid: str) -> KnownKey | None:
        """Return the key; an unknown id makes it look at the files' times at once."""
        self.look()
        known = self._by_kid.get(kid)
        if known is None:
            self._reload_changed()
            known = self._by_kid.get(kid)
        return known

    def look(self) -> None:
        """Reload what changed, at most once in LOOK_SECONDS."""
        if self._clock() - self._looked_at >= LOOK_SECONDS:
            self._reload_changed()

    def _reload_changed(self) -> None:
        with self._lock:
            self._looked_at = self._clock()
            seen = _stamps(self._folder, self._pattern)
            if seen == self._seen:
                return
            for path in set(self._by_file) - set(seen):
                del self._by_file[path]
            for path in sorted(seen):
                if seen[path] != self._seen.get(path):
                    self._load(path)
            self._seen = seen
            self._by_kid = {kid: key for keys in self._by_file.values() for kid, key in keys.items()}
            self.generation += 1

    def _load(self, path: Path) -> None:
        owner = path.name.removesuffix(self._suffix)
        try:
            keys = parse_set(path.read_bytes())
        except (OSError, UnusableKeyError) as wrong:
            logger.warning("keys of %s are unusable, the last good ones stay: %s: %s", owner, path, wrong)
            return
        self._by_file[path] = {kid: KnownKey(owner, key) for kid, key in keys.items()}


class KeyAddress:
    """A JWKS document at an http(s) address; fetched when first needed, then kept fresh.

    A fetch blocks its caller for up to about 2 s; others meanwhile go on with what is known.
    An event loop should call `look()` in a thread before it serves.
    """

    def __init__(self, url: str, *, owner: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.generation = 0
        self._url, self._owner, self._clock = url, owner, clock
        self._lock = threading.Lock()
        self._asked_at = float("-inf")
        self._fetched_at = float("-inf")
        self._by_kid: dict[str, KnownKey] = {}
        # No redirects, no proxies from the environment, no cookies (T36).
        self._pool = urllib3.PoolManager(num_pools=1, maxsize=1, retries=False, timeout=_FETCH_TIMEOUT)

    def find(self, kid: str) -> KnownKey | None:
        """Return the key; an unknown id makes it ask, at most once in ASK_AGAIN_SECONDS."""
        self.look()
        if kid not in self._by_kid:
            self._fetch()
        return self._by_kid.get(kid)

    def look(self) -> None:
        """Fetch again what is older than FRESH_SECONDS."""
        if self._clock() - self._fetched_at >= FRESH_SECONDS:
            self._fetch()

    def _fetch(self) -> None:
        if self._clock() - self._asked_at < ASK_AGAIN_SECONDS:
            return
        # The first caller waits for the first keys with everybody else behind it; later
        # only one asks and the others use what they have.
        if not self._lock.acquire(blocking=not self._by_kid, timeout=2.5 if not self._by_kid else -1):
            return
        try:
            if self._clock() - self._asked_at >= ASK_AGAIN_SECONDS:
                self._asked_at = self._clock()
                self._take(self._read())
                self._fetched_at = self._clock()
        except (urllib3.exceptions.HTTPError, UnusableKeyError) as wrong:
            logger.warning("no keys from %s, the last good ones stay: %s", self._url, wrong)
        finally:
            self._lock.release()

    def _read(self) -> bytes:
        answer = self._pool.request("GET", self._url, redirect=False, preload_content=False)
        try:
            body = answer.read(_LARGEST_SET_BYTES + 1)
            if answer.status != 200 or len(body) > _LARGEST_SET_BYTES:
                raise UnusableKeyError(f"status {answer.status}, {len(body)} bytes")
            return bytes(body)
        finally:
            answer.drain_conn()
            answer.release_conn()

    def _take(self, document: bytes) -> None:
        keys = {kid: KnownKey(self._owner, key) for kid, key in parse_set(document).items()}
        if set(keys) != set(self._by_kid):
            self._by_kid = keys
            self.generation += 1


def _stamps(folder: Path, pattern: str) -> dict[Path, tuple[int, int, int]]:
    found = {}
    for path in folder.glob(pattern):
        try:
            facts = path.stat()
        except FileNotFoundError:
            continue
        # The inode too: a file replaced within one tick of the clock is another inode.
        found[path] = (facts.st_mtime_ns, facts.st_size, facts.st_ino)
    return found
