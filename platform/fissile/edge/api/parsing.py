"""Strict JSON from a stranger: everything a lenient reader would guess at is a 400 (T41).

May touch: the request's body. Knows no business.
"""

from __future__ import annotations

import json
import math
from typing import IO, Any, NoReturn

from django.http.request import HttpRequest
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from .refusals import ContentTooLarge, MalformedRequest, UnsupportedMediaType

# Ten times the largest order the shop takes; what is larger is a mistake or an attack.
LARGEST_BODY_BYTES = 64 * 1024
# Deeper than any document of ours, and far from Python's recursion limit.
DEEPEST_NESTING = 32
# 18 digits always fit 64 bits; CPython itself gives up at 4,300.
LONGEST_INTEGER = 18


def load_json(body: bytes) -> Any:
    """Return the one JSON value in `body` (RFC 8259, UTF-8); raise MalformedRequest.

    Refused beyond the grammar: a byte-order mark, duplicate names, NaN and
    Infinity, numbers that overflow, integers over 18 digits, NUL and lone
    surrogates in strings, nesting over 32.
    """
    if not body.strip():
        raise MalformedRequest("The body is empty; send a JSON object.")
    if body.startswith(b"\xef\xbb\xbf"):
        raise MalformedRequest("The body starts with a byte-order mark; send plain UTF-8.")
    try:
        text = body.decode("utf-8")
        value = json.loads(
            text, object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant
        )
    except UnicodeDecodeError as wrong:
        raise MalformedRequest(f"The body is not UTF-8 (byte {wrong.start}).") from wrong
    except json.JSONDecodeError as wrong:
        raise MalformedRequest(f"The body is not JSON: {wrong.msg} at character {wrong.pos}.") from wrong
    except RecursionError as wrong:
        raise MalformedRequest(_TOO_DEEP) from wrong
    _ensure_sound(value)
    return value


_TOO_DEEP = f"The body nests deeper than {DEEPEST_NESTING} levels."


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise MalformedRequest("An object in the body has the same name twice.")
    return found


def _integer(digits: str) -> int:
    if len(digits.lstrip("-")) > LONGEST_INTEGER:
        raise MalformedRequest(f"An integer in the body has more than {LONGEST_INTEGER} digits.")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise MalformedRequest("A number in the body is too large.")
    return value


def _constant(name: str) -> NoReturn:
    raise MalformedRequest(f"{name} is not JSON.")


def _ensure_sound(value: Any) -> None:
    # Level by level instead of recursive: the depth is the number of rounds.
    level, depth = [value], 0
    while level:
        depth += 1
        below: list[Any] = []
        for item in level:
            if isinstance(item, str):
                _ensure_text(item)
            elif isinstance(item, (dict, list)):
                if depth > DEEPEST_NESTING:
                    raise MalformedRequest(_TOO_DEEP)
                below += [*item.keys(), *item.values()] if isinstance(item, dict) else item
        level = below


def _ensure_text(text: str) -> None:
    if "\0" in text:
        raise MalformedRequest("A string in the body has a NUL character.")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise MalformedRequest("A string in the body has half of a surrogate pair.")


def ensure_json(content_type: str, content_encoding: str) -> None:
    """Raise UnsupportedMediaType unless the headers announce uncompressed JSON in UTF-8."""
    media, *parameters = (part.strip().lower() for part in content_type.split(";"))
    charsets = [part.partition("=")[2].strip('" ') for part in parameters if part.startswith("charset")]
    if media != "application/json" or any(charset not in ("utf-8", "utf8") for charset in charsets):
        raise UnsupportedMediaType
    if content_encoding.strip().lower() not in ("", "identity"):
        raise UnsupportedMediaType


def read_body(request: HttpRequest) -> bytes:
    """Return the raw body, at most LARGEST_BODY_BYTES of it; raise ContentTooLarge.

    Django drops a body without Content-Length; a server that marks the end of a
    chunked one itself (`wsgi.input_terminated`) lets it be read safely.
    """
    length = request.META.get("CONTENT_LENGTH") or ""
    if length.isascii() and length.isdigit() and (len(length) > 9 or int(length) > LARGEST_BODY_BYTES):
        raise ContentTooLarge(_TOO_LARGE)
    if not length and request.META.get("wsgi.input_terminated"):
        body: bytes = request.META["wsgi.input"].read(LARGEST_BODY_BYTES + 1)
    else:
        body = request.body
    if len(body) > LARGEST_BODY_BYTES:
        raise ContentTooLarge(_TOO_LARGE)
    return body


_TOO_LARGE = f"The body is larger than {LARGEST_BODY_BYTES} bytes."


class StrictJSONParser(BaseParser):
    """DRF's face of `load_json`, for views that read `request.data`."""

    media_type = "application/json"

    def parse(self, stream: IO[Any], media_type: str | None = None, parser_context: Any = None) -> Any:
        """Return the JSON value in the stream."""
        return load_json(stream.read(LARGEST_BODY_BYTES + 1))


class StrictRequest(Request):
    """A request whose `data` is strict JSON always; an absent body is refused, not taken for `{}`."""

    def _parse(self) -> tuple[Any, Any]:
        kind = self.META.get("CONTENT_TYPE") or ""
        # With neither a body nor its kind, what is missing is the body.
        if kind or read_body(self._request):
            ensure_json(kind, self.META.get("HTTP_CONTENT_ENCODING") or "")
        return load_json(read_body(self._request)), {}
