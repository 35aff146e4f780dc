"""One typed reader of the process environment; reports every error at once.

May touch: the mapping it is given. The only caller is the project's settings.
Addresses of databases are parsed by django-environ, in the settings: here, it
would bring Django into the gateway.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


class ConfigurationError(Exception):
    """The environment does not describe a process that can run; the text lists every fault."""


class Reader:
    """Reads typed values and collects faults; `finish()` raises them together.

    A variable `X` may also come from the file named by `X_FILE` (secrets mounted
    as files); naming both is a fault.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = dict(variables)
        self.faults: list[str] = []

    def text(self, name: str, default: str = "") -> str:
        """Return the value of `name`, or of the file that `name`_FILE points to."""
        path = self._variables.get(f"{name}_FILE")
        if path is None:
            return self._variables.get(name, default)
        if name in self._variables:
            self.fault(name, f"is set, and so is {name}_FILE; keep one of them")
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as wrong:
            self.fault(f"{name}_FILE", f"cannot be read: {wrong}")
            return default

    def flag(self, name: str, default: bool = False) -> bool:
        """Return a boolean: true/false, 1/0, yes/no, on/off."""
        value = self._variables.get(name, "").strip().lower()
        known = {"1": True, "true": True, "yes": True, "on": True,
                 "0": False, "false": False, "no": False, "off": False, "": default}
        if value not in known:
            self.fault(name, f"is {value!r}; use true or false")
        return known.get(value, default)

    def choice(self, name: str, allowed: tuple[str, ...], default: str) -> str:
        """Return one of `allowed`."""
        value = self.text(name, default)
        if value not in allowed:
            self.fault(name, f"is {value!r}; use one of {', '.join(allowed)}")
            return default
        return value

    def share(self, name: str, default: float) -> float:
        """Return a number from 0 to 1."""
        text = self.text(name, str(default))
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not 0 <= value <= 1:
            self.fault(name, f"is {text!r}; use a number from 0 to 1")
            return default
        return value

    def count(self, name: str, default: int) -> int:
        """Return a whole number from 1 up; underscores may stand between digits."""
        text = self.text(name, str(default))
        try:
            value = int(text)
        except ValueError:
            value = 0
        if value < 1:
            self.fault(name, f"is {text!r}; use a whole number from 1 up")
            return default
        return value

    def words(self, name: str, default: str = "") -> tuple[str, ...]:
        """Return the comma- or space-separated words."""
        return tuple(self.text(name, default).replace(",", " ").split())

    def pairs(self, name: str) -> dict[str, str]:
        """Return `a=x b=y` as a dict."""
        found: dict[str, str] = {}
        for word in self.text(name).split():
            key, equals, value = word.partition("=")
            if not equals or not key or not value:
                self.fault(name, f"has {word!r}; write name=http://host:port, separated by spaces")
            elif not value.startswith(("http://", "https://")):
                self.fault(name, f"has {word!r}; an address starts with http:// or https://")
            else:
                found[key] = value.rstrip("/")
        return found

    def checked(self, name: str, check: Callable[[], T], fallback: T) -> T:
        """Return `check()`; a ValueError of it becomes a fault of `name`."""
        try:
            return check()
        except ValueError as wrong:
            self.fault(name, str(wrong))
            return fallback

    def fault(self, name: str, why: str) -> None:
        """Remember that `name` is wrong and why."""
        self.faults.append(f"{name} {why}")

    def finish(self) -> None:
        """Raise ConfigurationError with every fault found so far, if any."""
        if self.faults:
            listed = "\n".join(f"  - {fault}" for fault in self.faults)
            raise ConfigurationError(f"{len(self.faults)} faults in the environment:\n{listed}")


def variables_of(mapping: Mapping[str, Any]) -> dict[str, str]:
    """Return a plain copy, so that nothing later in the process can change what was read."""
    return {str(name): str(value) for name, value in mapping.items()}
