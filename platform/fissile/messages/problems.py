"""Problem details (RFC 9457): the one shape of every error answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from fissile.errors import FissileError

PROBLEM_TYPE = "application/problem+json"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """An error answer: `status`, stable `code`, one `detail` sentence, and named facts.

    `type` is a relative reference to the error catalogue; `headers` go beside the
    body (`Retry-After`, `Allow`, …), not into it.
    """

    status: int
    code: str
    detail: str
    facts: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """Return the JSON body; the reserved members win over a fact of the same name."""
        return {
            **self.facts,
            "type": f"/errors/{self.code}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        }


def problem_from(error: FissileError) -> Problem:
    """Return the answer a door gives for `error`; internals of a broken contract stay inside."""
    headers = {"Retry-After": "1"} if error.status in (503, 504) else {}
    if "retry_after_seconds" in error.facts:
        headers["Retry-After"] = str(error.facts["retry_after_seconds"])
    if error.status >= 500 and error.status not in (503, 504):
        return Problem(status=500, code="internal", detail="Something broke inside; it has been logged.")
    facts = {name: str(value) if not isinstance(value, (int, str, bool, list, dict)) else value
             for name, value in error.facts.items()}
    return Problem(status=error.status, code=error.code, detail=str(error), facts=facts, headers=headers)
