"""The addresses of the HTTP doors, for a project's root urls: a context's API with its document, and the docs page."""

from __future__ import annotations

from types import ModuleType

from django.urls import include, path

from . import documents
from .documents import Patterns


def context_urls(context: str, api: ModuleType) -> Patterns:
    """Return a context's addresses: `api.urlpatterns` under /api/v1/, `api.root_urlpatterns` (if any) at the root.

    Its document is then at /api/schema/<context>.
    """
    mounted: Patterns = [path("api/v1/", include(api.urlpatterns)), *getattr(api, "root_urlpatterns", [])]
    documents.remember(context, mounted)
    return [*mounted, path(f"api/schema/{context}", documents.schema, {"context": context})]


def docs_urls() -> Patterns:
    """Return the address of the page that shows every context's document."""
    return [
        path("api/docs/", documents.page),
        path("api/docs/assets/<str:name>", documents.asset),
    ]
