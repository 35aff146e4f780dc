"""ES256 keys as JWK files (RFC 7517): made, kept private, published. Touches the keys folder only.

`<name>.private.json` is one private JWK, mode 0600; `public/<name>.jwks.json` is
the set of public keys that verify `<name>`'s tokens. A key's id is its RFC 7638
thumbprint, so no two keys share one and none can pose as another.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from fissile.errors import BrokenContractError

ACCESS = "users-access"
SERVICE_SUFFIX = "-service"
ALGORITHM = "ES256"
# Members of a public key as RFC 7518, 6.2.1 and RFC 7517, 4 have them; anything else
# in a published key (a private `d` first of all) makes it unusable.
_PUBLIC_MEMBERS = frozenset({"kty", "crv", "x", "y", "kid", "use", "alg", "key_ops"})


class UnusableKeyError(BrokenContractError):
    """A key file is missing or unusable."""

    code = "unusable_key"


@dataclass(frozen=True, kw_only=True)
class KeyPair:
    """Where one pair of key files lies and which keys are in it."""

    name: str
    private: Path
    public: Path
    kid: str
    published: tuple[str, ...]


def service_key(context: str) -> str:
    """Return the name of a context's service keys."""
    return f"{context}{SERVICE_SUFFIX}"


def private_path(folder: Path, name: str) -> Path:
    """Return the file of a private key."""
    return folder / f"{name}.private.json"


def public_folder(folder: Path) -> Path:
    """Return the folder of published key sets."""
    return folder / "public"


def public_path(folder: Path, name: str) -> Path:
    """Return the file of a published key set."""
    return public_folder(folder) / f"{name}.jwks.json"


def ensure(folder: Path, names: Iterable[str]) -> list[KeyPair]:
    """Make every missing key of `names`, publish it, and return all pairs.

    Idempotent, and safe beside another process doing the same. A private key that
    others may read is made private again.
    """
    public_folder(folder).mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    with _only_one(folder):
        return [_ensured(folder, name) for name in names]


def found(folder: Path) -> list[KeyPair]:
    """Return the key pairs whose private half lies in `folder`, sorted by name."""
    names = sorted(path.name.removesuffix(".private.json") for path in folder.glob("*.private.json"))
    return [_pair(folder, name, load_private(private_path(folder, name))) for name in names]


def load_private(path: Path) -> ECKey:
    """Return the private key in a file; raise UnusableKeyError saying how to make one."""
    try:
        facts = path.stat()
        return _private_key(path, (facts.st_mtime_ns, facts.st_ino))
    except FileNotFoundError:
        raise UnusableKeyError(f"There is no private key {path}. Make it with: manage.py keys ensure") from None
    except (OSError, ValueError, JoseError) as wrong:
        raise UnusableKeyError(
            f"{path} holds no private key ({type(wrong).__name__}). Move it away and run: manage.py keys ensure"
        ) from wrong


def parse_set(document: bytes | str) -> dict[str, ECKey]:
    """Return the public ES256 keys of a JWKS document by kid; raise UnusableKeyError.

    Strict: one private, foreign or wrongly named key spoils the whole set, so that
    a mistake is seen at once and not when somebody needs the key.
    """
    try:
        listed = json.loads(document)["keys"]
        return {entry["kid"]: _public_key(entry) for entry in listed}
    except (ValueError, TypeError, KeyError, RecursionError, JoseError) as wrong:
        raise UnusableKeyError(f"Not a set of public ES256 keys: {type(wrong).__name__}: {wrong}") from wrong


# Parsing a key costs more than signing with it; the stamp lets a replaced file be read again.
@lru_cache(maxsize=16)
def _private_key(path: Path, stamp: tuple[int, int]) -> ECKey:
    key = ECKey.import_key(json.loads(path.read_bytes()))
    if not key.is_private or key.curve_name != "P-256":
        raise ValueError("not a private P-256 key")
    return key


def _public_key(entry: Mapping[str, Any]) -> ECKey:
    extra = set(entry) - _PUBLIC_MEMBERS
    if extra:
        raise ValueError(f"unexpected member {sorted(extra)[0]!r}")
    if entry["kty"] != "EC" or entry["crv"] != "P-256" or entry.get("alg", ALGORITHM) != ALGORITHM:
        raise ValueError("only EC keys on P-256 for ES256 are used here")
    if entry.get("use", "sig") != "sig":
        raise ValueError("the key is not for signatures")
    key = ECKey.import_key({name: entry[name] for name in ("kty", "crv", "x", "y")})
    if key.thumbprint() != entry["kid"]:
        raise ValueError("kid is not the key's RFC 7638 thumbprint")
    return key


def _ensured(folder: Path, name: str) -> KeyPair:
    private = private_path(folder, name)
    if not private.exists():
        made = ECKey.generate_key("P-256", private=True)
        _write(private, {**made.as_dict(private=True), **_labels(made)}, mode=0o600)
    elif private.stat().st_mode & 0o077:
        private.chmod(0o600)
    key = load_private(private)
    public = public_path(folder, name)
    published = parse_set(public.read_bytes()) if public.exists() else {}
    if key.thumbprint() not in published:
        # Older keys stay until somebody withdraws them: their tokens are still out.
        entries = [{**known.as_dict(private=False), **_labels(known)} for known in (*published.values(), key)]
        _write(public, {"keys": entries}, mode=0o644)
    return _pair(folder, name, key)


def _labels(key: ECKey) -> dict[str, str]:
    return {"kid": key.thumbprint(), "use": "sig", "alg": ALGORITHM}


def _pair(folder: Path, name: str, key: ECKey) -> KeyPair:
    public = public_path(folder, name)
    published = tuple(parse_set(public.read_bytes())) if public.exists() else ()
    return KeyPair(
        name=name, private=private_path(folder, name), public=public, kid=key.thumbprint(), published=published
    )


def _write(path: Path, document: Mapping[str, Any], *, mode: int) -> None:
    """Write a file whole or not at all; it never exists with a wider mode than `mode`."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # 0600 from birth
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
