"""Does this process have the keys that its role needs? A check for /readyz."""

from __future__ import annotations

from fissile.contexts import registry

from .configuration import configured
from .keys import ACCESS, load_private, parse_set, private_path, public_path, service_key


def ensure_keys() -> None:
    """Return if every key of this role is there and usable; raise with the command that makes it."""
    folder = configured().keys_dir
    installed = [context.name for context in registry.installed()]
    names = [service_key(name) for name in installed] + ([ACCESS] if "users" in installed else [])
    for name in names:
        load_private(private_path(folder, name))
    # Public endpoints verify customers' tokens wherever they are.
    published = public_path(folder, ACCESS)
    if not published.exists() or not parse_set(published.read_bytes()):
        raise LookupError(f"no public keys of users ({published.name}); run: manage.py keys ensure where users is")
