"""A process's log line: kept raw in a bounded file, shown short to a person. May touch: STATE_DIR/logs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

# Two files of 10 MB per process: a day of a busy demo, and never a full disk.
MOST_BYTES = 10_000_000
_COLOURS = (36, 32, 35, 33, 34, 96, 92, 95)
_LEVEL_COLOURS = {"warning": 33, "error": 31, "critical": 31}
_NOISE = {
    "timestamp", "time", "level", "event", "message", "msg", "logger", "process", "process_name", "pid", "role",
    "trace_id", "span_id", "correlation_id", "causation_id", "exception", "exc_info", "stack_info",
    "filename", "lineno",
}  # fmt: skip
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


def wants_colour() -> bool:
    """Return whether a person with a terminal, who did not say NO_COLOR, reads this."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def parsed(line: str) -> dict[str, Any] | None:
    """Return the fields of a JSON log line, or None for any other line."""
    if not line.startswith("{"):
        return None
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def severity(fields: Mapping[str, Any] | None) -> int:
    """Return the level as a number; a line without one counts as info."""
    level = str((fields or {}).get("level", "info")).lower()
    return LEVELS.get(level, LEVELS["info"])


class Painter:
    """Turns log lines of the house's processes into short ones for a person."""

    def __init__(self, names: tuple[str, ...], colour: bool) -> None:
        self._width = max(map(len, names), default=0)
        self._colour = (
            {name: _COLOURS[place % len(_COLOURS)] for place, name in enumerate(names)} if colour else {}
        )

    def line(self, name: str, text: str, fields: Mapping[str, Any] | None) -> str:
        """Return `14:02:33 orders-worker  message applied consumer=bff.orders`."""
        head = f"{_clock(fields)} {self._paint(name.ljust(self._width), self._colour.get(name))}"
        if fields is None:
            return f"{head}  {text}"
        level = str(fields.get("level", "info")).lower()
        said = str(fields.get("event") or fields.get("message") or fields.get("msg") or "")
        mark = "" if level in ("info", "debug") else self._paint(level, _LEVEL_COLOURS.get(level)) + " "
        facts = " ".join(f"{key}={_short(value)}" for key, value in fields.items() if key not in _NOISE)
        return f"{head}  {mark}{_short(said, 200)}{' ' + facts if facts else ''}{_cause(fields)}"

    def _paint(self, text: str, colour: int | None) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if colour and self._colour else text


def _clock(fields: Mapping[str, Any] | None) -> str:
    stamp = (fields or {}).get("timestamp") or (fields or {}).get("time")
    try:
        moment = datetime.fromisoformat(str(stamp))
    except ValueError:
        moment = datetime.now().astimezone()
    return moment.astimezone().strftime("%H:%M:%S")


def _short(value: Any, most: int = 80) -> str:
    # A log line may quote what a stranger sent: control characters must not reach the terminal.
    text = "".join(letter if letter.isprintable() else "·" for letter in str(value))
    return text if len(text) <= most else text[: most - 1] + "…"


def _cause(fields: Mapping[str, Any]) -> str:
    cause = str(fields.get("exception") or "").strip()
    return f" ← {_short(cause.splitlines()[-1], 160)}" if cause else ""


class RawLog:
    """Append-only file of one process's lines; a full one is kept once as `<name>.1.jsonl`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)
        self._size = self._file.tell()

    def write(self, line: bytes) -> None:
        """Append a line; begin a new file first when this one is full."""
        if self._size + len(line) > MOST_BYTES:
            self._file.close()
            self._path.replace(self._path.with_suffix(".1.jsonl"))
            self._file = self._path.open("ab", buffering=0)
            self._size = 0
        self._size += self._file.write(line + b"\n") or 0

    def close(self) -> None:
        """Close the file."""
        self._file.close()
