"""The admin site of operators: stock admin, our theme, the messages' state on its first page.

May touch: the operators' database; the contexts' messaging rows, read only.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from . import letters, status

# Everything from this host's own files; no inline script; not to be framed.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def _strict(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> HttpResponse:
        response = view(*args, **kwargs)
        response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        return response

    return guarded


class OperationsSite(AdminSite):
    """The one site every context registers its rows with."""

    site_header = "Operations"
    site_title = "Fissile operations"
    index_title = "What this process owns"
    site_url = None
    index_template = "fissile/console/index.html"
    login_template = "fissile/console/login.html"

    def __init__(self, name: str = "operations") -> None:
        super().__init__(name)

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Add which process this is to every page."""
        ours = settings.FISSILE
        return {
            **super().each_context(request),
            "house_process": ours["process_name"],
            "house_role": ours["role"],
            "house_tier": ours["tier"],
        }

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Show the strip of outboxes and inboxes above the list of rows."""
        return super().index(request, {**(extra_context or {}), "strip": status.strip(self, request)})

    def get_urls(self) -> list[Any]:
        """Put the page of dead letters before the rows' own."""
        return [*letters.urls(self), *super().get_urls()]

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Any:
        """Guard every page with the content security policy too."""
        return _strict(super().admin_view(view, cacheable))

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the login page under the same policy."""
        return _strict(super().login)(request, extra_context)
