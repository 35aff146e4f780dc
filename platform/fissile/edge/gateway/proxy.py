"""The streaming proxy: one pooled aiohttp session, upstreams by name, bytes both ways with back-pressure.

No cookie jar, redirects, proxy environment or decompression: what a client gets
is what the upstream said, and one client's state never meets another's (T36).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

import aiohttp
from yarl import URL

from . import problems
from .headers import Head, for_client
from .limits import Limits

_AUTOMATIC = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


class Upstreams:
    """The services behind the gate by name; owns the connections to them."""

    def __init__(self, addresses: Mapping[str, str], limits: Limits) -> None:
        for name, address in addresses.items():
            parts = URL(address)
            if parts.scheme not in ("http", "https") or parts.host is None or str(parts.origin()) != address:
                raise ValueError(f"The address of {name} is {address!r}; write http://host:port and no path")
        self._addresses = dict(addresses)
        self._limits = limits
        self._session: aiohttp.ClientSession | None = None

    def origin(self, name: str) -> str:
        """Return the address of `name`, or turn away with 503."""
        address = self._addresses.get(name)
        if address is None:
            problems.upstream_has_no_address(name)
        return address

    def missing(self, names: frozenset[str]) -> list[str]:
        """Return which of `names` have no address."""
        return sorted(names - self._addresses.keys())

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def ask(
        self, name: str, head: Head, headers: list[tuple[str, str]], body: bytes | AsyncIterator[bytes] | None
    ) -> aiohttp.ClientResponse:
        """Send the request; return the response once its head is there.

        A failed connection is tried a second time: nothing was sent yet. After
        that the request may have happened, and retrying is the caller's decision.
        """
        # The path matched a template and the origin is configuration: nothing a client
        # writes can move the boundary between them.
        target = URL(self.origin(name) + head.path + (f"?{head.query}" if head.query else ""), encoded=True)
        for is_last in (False, True):
            try:
                return await self._opened().request(
                    head.method,
                    target,
                    headers=headers,
                    data=body,
                    allow_redirects=False,
                    skip_auto_headers=_AUTOMATIC,
                )
            except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
                if is_last:
                    problems.upstream_unreachable(name)
                await asyncio.sleep(self._limits.connect_retry_pause_seconds)
            except (aiohttp.ClientError, ConnectionError):
                problems.upstream_broke_off(name)
        raise AssertionError("unreachable: the second attempt returns or raises")

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0,
                    limit_per_host=self._limits.connections_per_upstream,
                    keepalive_timeout=self._limits.keepalive_seconds,
                ),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._limits.connect_seconds),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        return self._session

    def headers_for_client(self, name: str, response: aiohttp.ClientResponse) -> list[tuple[bytes, bytes]]:
        """Return the response's headers as a client may see them."""
        raw = response.raw_headers
        if response.status in (204, 304):
            # A 304 may name the length of what it does not send (RFC 9110, 8.6); servers count it as sent.
            raw = tuple(pair for pair in raw if pair[0].lower() != b"content-length")
        return for_client(raw, origin=self.origin(name))


def expected_bytes(method: str, response: aiohttp.ClientResponse) -> int | None:
    """Return how long the answer's body will be: 0 where HTTP allows none, None if only its end tells."""
    if method == "HEAD" or response.status in (204, 304):
        return 0
    declared = response.headers.get("Content-Length", "")
    return int(declared) if declared.isdigit() else None
