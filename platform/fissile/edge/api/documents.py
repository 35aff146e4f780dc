"""One OpenAPI document per context, and a page that shows them. Plain Django views: nothing to negotiate."""

from __future__ import annotations

import threading
from functools import lru_cache
from importlib.resources import files
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template import Context, Engine
from django.urls import URLPattern, URLResolver
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator

from fissile.contexts import registry

Patterns = list[URLPattern | URLResolver]
_patterns: dict[str, Patterns] = {}
# drf-spectacular looks its extensions' classes up once a process, and a second thread may meet one half looked up.
_making = threading.Lock()

# The browser loads nothing from anywhere else. Swagger UI sets styles from its script.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_ASSETS = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui-standalone-preset.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Fissile: the APIs</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="assets/favicon-32x32.png"><link rel="stylesheet" href="assets/swagger-ui.css"></head>
<body><div id="swagger-ui" data-contexts="{{ contexts }}"></div>
<script src="assets/swagger-ui-bundle.js"></script><script src="assets/swagger-ui-standalone-preset.js"></script>
<script src="assets/start.js"></script></body></html>
"""
# Addresses are relative to /api/docs/, so the page works behind the gateway and on runserver.
_START = """"use strict";
const names = document.getElementById("swagger-ui").dataset.contexts.split(" ");
window.ui = SwaggerUIBundle({
  urls: names.map((name) => ({ name, url: "../schema/" + name })),
  dom_id: "#swagger-ui",
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
  layout: "StandaloneLayout",
  deepLinking: true,
  persistAuthorization: false,
});
"""


def remember(context: str, patterns: Patterns) -> None:
    """Keep the addresses that a context's document is made of."""
    _patterns[context] = patterns
    document_of.cache_clear()


@lru_cache(maxsize=32)
def document_of(context: str) -> dict[str, Any]:
    """Return the OpenAPI document of an installed context; made once, it cannot change while the process runs."""
    generator: Any = SchemaGenerator(patterns=_patterns[context])  # type: ignore[no-untyped-call]
    with _making:
        document: dict[str, Any] = generator.get_schema(request=None, public=True)
    document["info"] = {"title": f"Fissile: {context}", "version": document["info"]["version"]}
    document["servers"] = [{"url": "/"}]
    return document


@require_safe
def schema(request: HttpRequest, context: str) -> HttpResponse:
    """Answer a context's document as JSON."""
    if context not in _patterns:
        raise Http404
    return JsonResponse(document_of(context))


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Answer the page that lists the documents of every context, here or elsewhere."""
    names = [name for name in registry.names() if name in _patterns or not registry.is_near(name)]
    html = Engine().from_string(_PAGE).render(Context({"contexts": " ".join(names)}))
    return HttpResponse(html, headers={"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"})


@require_safe
def asset(request: HttpRequest, name: str) -> HttpResponse:
    """Answer one file of Swagger UI, from the package: no static files to collect, no outside host."""
    if name == "start.js":
        return HttpResponse(_START, content_type="text/javascript")
    if name not in _ASSETS:
        raise Http404
    return HttpResponse(_read(name), content_type=_ASSETS[name], headers={"Cache-Control": "public, max-age=86400"})


@lru_cache(maxsize=len(_ASSETS))
def _read(name: str) -> bytes:
    folder = files("drf_spectacular_sidecar") / "static/drf_spectacular_sidecar/swagger-ui-dist"
    return (folder / name).read_bytes()
