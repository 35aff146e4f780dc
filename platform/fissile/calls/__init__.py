"""Calls between contexts: one `ask`, a near and a far way, the same answers and errors either way.

May touch: the registry, tokens, the callee's statement limit. Never a neighbour's tables.
"""

from .asking import CallInsideTransaction, Neighbour, neighbour
from .by_value import NotByValue
from .policy import CallPolicy

__all__ = ["CallInsideTransaction", "CallPolicy", "Neighbour", "NotByValue", "neighbour"]
