"""Bounded contexts: what each declares, which are installed here, where the others are. No Django."""

from .declaration import Context
from .registry import Registry, UnknownContextError, registry

__all__ = ["Context", "Registry", "UnknownContextError", "registry"]
