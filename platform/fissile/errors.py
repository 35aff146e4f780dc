"""The four families of failure, told apart by what the caller may do next.

May touch: nothing. Doors translate these to HTTP once; nobody else does.
"""

from __future__ import annotations

from typing import Any, ClassVar


class FissileError(Exception):
    """Something went wrong in the house."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500

    def __init__(self, message: str | None = None, **facts: Any) -> None:
        self.facts = facts
        sentence = (type(self).__doc__ or self.code).strip().splitlines()[0]
        super().__init__(message or sentence)


class Refusal(FissileError):
    """The business said no."""

    # `code` is the wire form: both transports raise the class that owns it again.
    code = "refused"
    status = 409
    _by_code: ClassVar[dict[str, type[Refusal]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "code" in vars(cls):
            Refusal._by_code[cls.code] = cls

    @classmethod
    def from_wire(cls, code: str, message: str, facts: dict[str, Any]) -> Refusal:
        """Raise-able twin of a refusal that crossed a wire; unknown codes keep theirs."""
        family = cls._by_code.get(code)
        if family is not None:
            return family(message, **facts)
        stranger = Refusal(message, **facts)
        stranger.code = code  # type: ignore[misc]
        return stranger


class UnreachableError(FissileError):
    """It did not happen: a part that is needed is not reachable; try again shortly."""

    code = "unreachable"
    status = 503


class UncertainError(FissileError):
    """It may have happened; retry only with the same Idempotency-Key."""

    code = "uncertain"
    status = 504


class BrokenContractError(FissileError):
    """One side lies about the shape; fix the code."""

    code = "broken_contract"
    status = 500
