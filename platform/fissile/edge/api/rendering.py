"""JSON answers and the one question of negotiation: may it be JSON? Knows no business."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request

from .refusals import NotAcceptable

_RANGES = {"application/json": 3, "application/*": 2, "*/*": 1}


class Renderer(JSONRenderer):
    """Compact JSON; the client's Accept parameters change nothing."""

    ensure_ascii = False

    def get_indent(self, accepted_media_type: str, renderer_context: Any) -> None:
        """Never indent."""


class Negotiation(BaseContentNegotiation):
    """Answer JSON, or refuse if Accept rules it out (RFC 9110, 12.5.1)."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        """Return the one parser there is."""
        return next(iter(parsers), None)

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Return the JSON renderer; raise NotAcceptable."""
        if not accepts_json(request.META.get("HTTP_ACCEPT") or ""):
            raise NotAcceptable
        renderer = next(iter(renderers))
        return renderer, str(renderer.media_type)


def accepts_json(accept: str) -> bool:
    """True if an Accept header lets the answer be application/json; the most specific range decides."""
    if not accept.strip():
        return True
    best, wanted = 0, False
    for part in accept.split(","):
        media, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if _RANGES.get(media, 0) > best:
            best, wanted = _RANGES[media], not any(_is_zero(parameter) for parameter in parameters)
    return wanted


def _is_zero(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    return name.strip() == "q" and value.strip().rstrip("0") in ("", ".", "0.")
