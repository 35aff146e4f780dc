"""What this process is told about trust, once at its start. Django-free."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fissile.errors import BrokenContractError

from .keys import ACCESS, SERVICE_SUFFIX, public_folder
from .sources import KeyAddress, KeyFiles, KeySource


@dataclass(frozen=True, kw_only=True)
class Trust:
    """Where keys lie, and the sources that tokens are verified from.

    `service` is the context this process speaks for when a caller does not name
    itself; None in a process that holds several, and in the gateway.
    """

    keys_dir: Path
    service: str | None
    access_keys: KeySource
    service_keys: KeySource


_configured: Trust | None = None


def configure(*, keys_dir: Path | str, jwks_url: str | None = None, service: str | None = None) -> Trust:
    """Tell this process where its keys are; the last call counts.

    `jwks_url` takes users' public keys from an http(s) address instead of the
    folder `keys_dir/public`.
    """
    global _configured
    if jwks_url is not None and not jwks_url.startswith(("http://", "https://")):
        raise BrokenContractError(f"jwks_url must be an http(s) address, not {jwks_url!r}")
    public = public_folder(Path(keys_dir))
    _configured = Trust(
        keys_dir=Path(keys_dir),
        service=service,
        access_keys=KeyAddress(jwks_url, owner="users")
        if jwks_url
        else KeyFiles(public, pattern=f"{ACCESS}.jwks.json", suffix="-access"),
        service_keys=KeyFiles(public, pattern=f"*{SERVICE_SUFFIX}.jwks.json", suffix=SERVICE_SUFFIX),
    )
    return _configured


def configured() -> Trust:
    """Return what `configure` was told; raise BrokenContractError before that."""
    if _configured is None:
        raise BrokenContractError(
            "Trust is not configured: call fissile.trust.configure(keys_dir=…) where this process starts."
        )
    return _configured
