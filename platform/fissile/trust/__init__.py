"""Who is asking, and may they: keys, tokens, authorisation. No Django: the gateway stands on it too."""

from .authorisation import NotAllowed, ensure_may_call, may_call
from .configuration import Trust, configure, configured
from .tokens import NotAuthenticated, issue_access, mint_service, verify_access, verify_service

__all__ = [
    "NotAllowed",
    "NotAuthenticated",
    "Trust",
    "configure",
    "configured",
    "ensure_may_call",
    "issue_access",
    "may_call",
    "mint_service",
    "verify_access",
    "verify_service",
]
