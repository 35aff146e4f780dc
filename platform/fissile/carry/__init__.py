"""What travels beside a call: correlation, causation, deadline, principal, trace. No Django."""

from .context import Carried, Principal, current, remaining_seconds, using
from .headers import from_headers, new_correlation_id, to_headers

__all__ = [
    "Carried",
    "Principal",
    "current",
    "from_headers",
    "new_correlation_id",
    "remaining_seconds",
    "to_headers",
    "using",
]
