"""THE list of what two runs of a plan may differ in, and the code that makes them alike. Pure.

Whatever is not in this list is compared as it is. docs/parity.md shows these tables; a test keeps it in step.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatch
from typing import Any
from uuid import UUID

# rule → (what it meets, what that becomes)
RULES: Mapping[str, tuple[str, str]] = {
    "id": (
        "a UUID, with or without dashes",
        "`id-41`: the answer to request 41 was the first to name it (`id-41.1`: and it is the second such one);"
        " an id that no answer named becomes a print of all that is tied to it",
    ),
    "event": ("the id of an event, wherever it is referred to", "its aggregate and version"),
    "moment": ("an ISO 8601 moment within the run", "`<moment>`"),
    "access_token": ("a signed token", "its subject and lifetime"),
    "refresh_token": ("43 characters in a member of that name", "`<refresh token>`"),
    "next_cursor": ("a page's cursor", "`<after id-7>`: the row it points to"),
    "key": ("`kid`, `x` and `y` of a public key, 43 characters each", "`<key>`"),
    "trace": ("`traceparent` of a message", "`<trace>`"),
    "correlation": ("`parity-41`, the correlation id of a request", "of a race: that of its first request"),
    "secret": ("an Argon2id hash, or the SHA-256 of a refresh token, in its column", "`<secret>`"),
    "late": (
        "503, or a part of the dashboard that is `late` or `unreachable`",
        "the answer to the same request sent again, three times at most; the report counts them",
    ),
    "race": (
        "the answers of requests sent at once",
        "the set of them; for one idempotency key exactly one fresh answer, and each of the others a replay"
        " of it or 409 `idempotency_key_in_use`",
    ),
}
HEADERS_LEFT_OUT: Mapping[str, str] = {
    "date": "the moment",
    "content-length": "the body is compared itself",
    "traceresponse": "a random trace id",
}
# table → columns left out ("*": the whole table) → why
COLUMNS_LEFT_OUT: Mapping[str, Mapping[str, str]] = {
    "*": {"id where it is a number": "the order in which unrelated rows happened to come"},
    "*_lane": {"*": "which process holds the relay's leases, and until when"},
    "*_outbox": {
        "seq": "the order in which unrelated events happened to come",
        "lane": "computed from the aggregate's random id",
        "attempts": "trouble that has passed",
        "next_at": "trouble that has passed",
        "reason": "trouble that has passed",
    },
    "*_inbox": {
        "attempts": "trouble that has passed",
        "due": "trouble that has passed",
        "marked_until": "trouble that has passed",
    },
    "*_consumer": {"duplicates": "how often a broker brought again what was applied"},
    "users_refresh_token": {"expires_at": "a moment, weeks after the run"},
}
_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b|\b[0-9a-f]{32}\b")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?")
_TOKEN = re.compile(r"[\w-]+\.([\w-]+)\.[\w-]+")
_PUBLIC = re.compile(r"[\w-]{43}")
_CURSOR = re.compile(r"\d{1,16}\.([0-9a-f]{32})")
_TRACE = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_CORRELATION = re.compile(r"parity-(\d+)")
_SECRET = re.compile(r"\$argon2id\$.+|[0-9a-f]{64}")
# The database's clock and ours are one machine's; the first rows of a shop are older than its first request.
_SLACK = timedelta(minutes=10)


def column_is_left_out(table: str, column: str, value: Any) -> bool:
    """Return whether a column of a table is in the list of what is not compared."""
    if column == "id" and isinstance(value, int):
        return True
    return any(
        fnmatch(table, pattern) and not columns.keys().isdisjoint({column, "*"})
        for pattern, columns in COLUMNS_LEFT_OUT.items()
        if pattern != "*"
    )


@dataclass(kw_only=True)
class Plain:
    """Applies the rules to the values of one run.

    `name_of` names an id. `met` counts how often each rule applied, and `strange`
    says where a rule expected its form and found another; that is compared as it is.
    """

    began: datetime
    ended: datetime
    name_of: Callable[[str], str]
    races: Mapping[int, int] = field(default_factory=dict)
    met: Counter[str] = field(default_factory=Counter)
    strange: list[str] = field(default_factory=list)

    def __call__(self, value: Any, name: str = "") -> Any:
        """Return a JSON value or a database's with the rules applied; `name` is the member or column it stands in."""
        if isinstance(value, Mapping):
            # Sorted: which id is met first must not hang on the order in which a database keeps an object's members.
            return {key: self(value[key], str(key)) for key in sorted(value)}
        if isinstance(value, (list, tuple)):
            return [self(item, name) for item in value]
        if isinstance(value, datetime):
            value = value.isoformat()
        if isinstance(value, UUID):
            value = str(value)
        return self._text(value, name) if isinstance(value, str) else value

    def _text(self, text: str, name: str) -> Any:
        # `$response.body#/refresh_token` stands in an OpenAPI document, and is no refresh token.
        if (named := _BY_NAME.get(name)) and not text.startswith("$response."):
            rule, form = named
            if form is None or not (found := form.fullmatch(text)):
                special = self._cursor(text) if rule == "next_cursor" else None
                return special or self._stranger(rule, name, text)
            self.met[rule] += 1
            return self._token(found) if rule == "access_token" else f"<{rule.replace('_', ' ')}>"
        if text[:1] in ("{", "["):
            try:
                return self(json.loads(text), name)
            except ValueError:
                pass
        text = _MOMENT.sub(self._moment, text)
        text = _CORRELATION.sub(self._correlation, text)
        return _UUID.sub(self._id, text)

    def _stranger(self, rule: str, name: str, text: str) -> str:
        self.strange.append(f"{name}: {text[:60]!r} is no {rule}")
        return text

    def _id(self, found: re.Match[str]) -> str:
        self.met["id"] += 1
        return self.name_of(str(UUID(found[0])))

    def _moment(self, found: re.Match[str]) -> str:
        moment = datetime.fromisoformat(found[0])
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if not self.began - _SLACK <= moment <= self.ended + _SLACK:
            return found[0]
        self.met["moment"] += 1
        return "<moment>"

    def _correlation(self, found: re.Match[str]) -> str:
        self.met["correlation"] += 1
        return f"parity-{self.races.get(int(found[1]), int(found[1]))}"

    def _token(self, found: re.Match[str]) -> str:
        claims = json.loads(base64.urlsafe_b64decode(found[1] + "=="))
        return f"<token of {self.name_of(claims['sub'])} for {claims['exp'] - claims['iat']} s>"

    def _cursor(self, text: str) -> str | None:
        try:
            found = _CURSOR.fullmatch(base64.urlsafe_b64decode(text + "==").decode("ascii"))
        except (ValueError, binascii.Error):
            return None
        if found is None:
            return None
        self.met["next_cursor"] += 1
        return f"<after {self.name_of(str(UUID(found[1])))}>"


# Members and columns whose whole value a rule takes, and the form it must have.
_BY_NAME: Mapping[str, tuple[str, re.Pattern[str] | None]] = {
    "access_token": ("access_token", _TOKEN),
    "refresh_token": ("refresh_token", _PUBLIC),
    "next_cursor": ("next_cursor", None),
    "kid": ("key", _PUBLIC),
    "x": ("key", _PUBLIC),
    "y": ("key", _PUBLIC),
    "traceparent": ("trace", _TRACE),
    "password_hash": ("secret", _SECRET),
    "digest": ("secret", _SECRET),
}


def as_markdown() -> str:
    """Return the tables as docs/parity.md shows them."""
    lines = ["| rule | what it meets | what that becomes |", "|---|---|---|"]
    lines += [f"| {name} | {meets} | {becomes} |" for name, (meets, becomes) in RULES.items()]
    lines += ["", "| left out | why |", "|---|---|"]
    lines += [f"| header `{name}` | {why} |" for name, why in HEADERS_LEFT_OUT.items()]
    for table, columns in COLUMNS_LEFT_OUT.items():
        where = "any table" if table == "*" else f"tables `{table}`" if "*" in table else f"table `{table}`"
        lines += [f"| {where}, {_column(column)} | {why} |" for column, why in columns.items()]
    return "\n".join(lines)


def _column(name: str) -> str:
    words = name.split(" ", 1)
    if name == "*":
        return "every column"
    return f"column `{words[0]}`" + (f" {words[1]}" if len(words) > 1 else "")
