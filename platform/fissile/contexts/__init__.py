"""Bounded contexts: what each declares, which are installed here, where the others are. No Django."""

from .declaration import Context, directed_exchange, receiver_name
from .registry import Registry, UnknownContextError, registry

__all__ = ["Context", "Registry", "UnknownContextError", "directed_exchange", "receiver_name", "registry"]
