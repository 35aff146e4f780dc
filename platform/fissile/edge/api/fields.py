"""Serializer fields that mean exactly what their schema says: no coercion, no trimming, no guessing.

DRF's own take 5 for "5" and trim blanks; a document that says otherwise would lie.
"""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

# No control characters, no line or paragraph separators, none of the marks that
# reverse or hide text in somebody else's screen.
_HIDDEN = r"\u0000-\u001f\u007f-\u009f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff"
_BLANK = r"\u0020\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
# Visible at both ends: nothing is trimmed behind anybody's back.
ONE_LINE = rf"^[^{_HIDDEN}{_BLANK}](?:[^{_HIDDEN}]*[^{_HIDDEN}{_BLANK}])?$"
# Secrets keep their blanks.
VERBATIM = r"^[^\u0000-\u001f\u007f]+$"
UUID_PATTERN = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
# The largest integer that every JSON reader keeps exact (RFC 8259, 6).
LARGEST_EXACT = 2**53 - 1


class Text(serializers.Field):  # type: ignore[type-arg]
    """A JSON string of `shortest`..`longest` characters that matches `pattern` (an ECMA and Python regex).

    The document shows `example`.
    """

    default_error_messages = {
        "not_text": "Must be a string.",
        "too_short": "Must have at least {shortest} characters.",
        "too_long": "Must have at most {longest} characters.",
        "pattern": "Has characters or a form that is not allowed here.",
    }

    def __init__(
        self, *, longest: int, shortest: int = 1, pattern: str = ONE_LINE, example: str | None = None, **options: Any
    ) -> None:
        self.longest, self.shortest, self.pattern, self.example = longest, shortest, pattern, example
        # `$` in Python also matches before a final newline; fullmatch does not.
        self._compiled = re.compile(pattern)
        super().__init__(**options)

    def to_internal_value(self, data: Any) -> str:
        """Return the string as it came."""
        if not isinstance(data, str):
            self.fail("not_text")
        if len(data) > self.longest:
            self.fail("too_long", longest=self.longest)
        if len(data) < self.shortest:
            self.fail("too_short", shortest=self.shortest)
        if not self._compiled.fullmatch(data):
            self.fail("pattern")
        return str(data)

    def to_representation(self, value: Any) -> str:
        """Return it as text."""
        return str(value)

    def json_schema(self) -> dict[str, Any]:
        """Return what is enforced, as JSON Schema."""
        bounds = {"type": "string", "minLength": self.shortest, "maxLength": self.longest, "pattern": self.pattern}
        return bounds | _examples(self.example)


class Whole(serializers.Field):  # type: ignore[type-arg]
    """A JSON integer within bounds; in a query string, its decimal digits. Booleans are no numbers.

    The document shows `example`.
    """

    default_error_messages = {
        "not_whole": "Must be an integer.",
        "out_of_range": "Must be between {lowest} and {highest}.",
    }

    def __init__(
        self, *, lowest: int = 0, highest: int = LARGEST_EXACT, example: int | None = None, **options: Any
    ) -> None:
        self.lowest, self.highest, self.example = lowest, highest, example
        super().__init__(**options)

    def to_internal_value(self, data: Any) -> int:
        """Return the integer; 2.0 is one (JSON Schema 2020-12, 4.2.3)."""
        if isinstance(data, str) and getattr(self.parent, "from_query", False):
            data = int(data) if re.fullmatch(r"-?[0-9]{1,15}", data) else None
        if isinstance(data, float) and data.is_integer() and abs(data) <= LARGEST_EXACT:
            data = int(data)
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("not_whole")
        if not self.lowest <= data <= self.highest:
            self.fail("out_of_range", lowest=self.lowest, highest=self.highest)
        return int(data)

    def to_representation(self, value: Any) -> int:
        """Return it as an integer."""
        return int(value)

    def json_schema(self) -> dict[str, Any]:
        """Return what is enforced, as JSON Schema."""
        return {"type": "integer", "minimum": self.lowest, "maximum": self.highest} | _examples(self.example)


class Identifier(serializers.Field):  # type: ignore[type-arg]
    """A UUID in its canonical, lower-case form (RFC 9562, 4)."""

    default_error_messages = {"not_uuid": "Must be a UUID in lower case with dashes."}

    def to_internal_value(self, data: Any) -> UUID:
        """Return the UUID."""
        if not isinstance(data, str) or not re.fullmatch(UUID_PATTERN, data):
            self.fail("not_uuid")
        return UUID(data)

    def to_representation(self, value: Any) -> str:
        """Return it as text."""
        return str(value)

    def json_schema(self) -> dict[str, Any]:
        """Return what is enforced, as JSON Schema."""
        return {"type": "string", "format": "uuid", "pattern": UUID_PATTERN}


class StrictSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """An object that refuses names it does not know (also called mass assignment)."""

    from_query = False
    default_error_messages = {"unknown": "This name is not known here.", "invalid": "Must be an object."}

    def to_internal_value(self, data: Any) -> Any:
        """Return the validated values, or every complaint at once."""
        strangers = [] if not isinstance(data, dict) else [name for name in data if name not in self._writable()]
        if not strangers:
            return super().to_internal_value(data)
        unknown = serializers.ErrorDetail(str(self.error_messages["unknown"]), code="unknown")
        complaints: dict[str, Any] = {str(name): [unknown] for name in strangers}
        try:
            super().to_internal_value({name: value for name, value in data.items() if name not in complaints})
        except serializers.ValidationError as others:
            complaints |= others.detail if isinstance(others.detail, dict) else {}
        raise serializers.ValidationError(complaints)

    def _writable(self) -> set[str]:
        return {name for name, field in self.fields.items() if not field.read_only}


class QuerySerializer(StrictSerializer):
    """The query string of an operation; each name at most once."""

    from_query = True


@extend_schema_field({"type": "string", "format": "date-time"})
class Moment(serializers.DateTimeField):
    """An instant, RFC 3339 in UTC."""


class Money(serializers.Serializer):  # type: ignore[type-arg]
    """An amount in minor units (cents) of a currency (ISO 4217). Answers only: prices never come from a client."""

    amount_minor = Whole(lowest=-LARGEST_EXACT)
    currency = Text(longest=3, shortest=3, pattern=r"^[A-Z]{3}$")


def _examples(example: str | int | None) -> dict[str, Any]:
    return {} if example is None else {"examples": [example]}


def money(amount_minor: int, currency: str) -> dict[str, Any]:
    """Return what the Money serializer shows."""
    return {"amount_minor": amount_minor, "currency": currency}


__all__ = [
    "ONE_LINE",
    "VERBATIM",
    "Identifier",
    "Moment",
    "Money",
    "QuerySerializer",
    "StrictSerializer",
    "Text",
    "Whole",
    "money",
]
