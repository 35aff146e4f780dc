"""What a scaffold refuses, each with an id, a place and a fix. May touch: nothing."""

from __future__ import annotations

from collections.abc import Sequence


class ScaffoldError(Exception):
    """The scaffold cannot do what was asked: what and why as the message, then where, then the fix."""

    identity = "SCF000"

    def __init__(self, message: str, *, where: str = "", fix: str = "") -> None:
        super().__init__(message)
        self.where, self.fix = where, fix


class BadName(ScaffoldError):
    """A name that cannot be one, or that something else has."""

    identity = "SCF001"


class NoSuchPart(ScaffoldError):
    """A context, an event, a port or a table that the words name is not in the source."""

    identity = "SCF002"


class AnchorMissing(ScaffoldError):
    """A file does not have the shape that the insertion needs; the lines to add by hand are the fix."""

    identity = "SCF003"

    def __init__(self, message: str, *, where: str, lines: Sequence[str]) -> None:
        super().__init__(message, where=where, fix="add by hand:\n" + "\n".join(f"          {line}" for line in lines))


class NotRemovable(ScaffoldError):
    """Removing would lose work, or leave a neighbour hanging."""

    identity = "SCF004"
