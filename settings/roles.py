"""A process's role → the contexts installed in it and the port it listens on by default."""

from .contexts import CONTEXTS, MONOLITH_PORT

ALL = "all"
# The data plane: no context, no database, no broker.
GATEWAY = "gateway"


def contexts_of(role: str) -> tuple[str, ...]:
    """Return the contexts of a role: `all`, one name, or names joined by commas. Raise ValueError."""
    if role == ALL:
        return tuple(CONTEXTS)
    if role == GATEWAY:
        return ()
    names = tuple(role.split(","))
    strangers = [name for name in names if name not in CONTEXTS]
    if strangers:
        raise ValueError(f"names {', '.join(strangers)}; use all, gateway or some of {', '.join(CONTEXTS)}")
    return names


def port_of(role: str) -> int:
    """Return the port that a web process of this role listens on."""
    names = contexts_of(role)
    return CONTEXTS[names[0]]["port"] if len(names) == 1 else MONOLITH_PORT


def celery_names(role: str) -> tuple[str, str]:
    """Return what Celery of this role has on the broker: its task queue (and exchange), its event exchange."""
    own = role.replace(",", "-")
    return f"{own}.tasks", f"{own}.events"
