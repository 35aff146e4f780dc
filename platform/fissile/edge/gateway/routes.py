"""The declarative route table: method and path template to upstream and needs. Pure; deny by default.

A path is matched as it was sent, undecoded, against the templates. Nothing is
ever joined, decoded or normalised, so there is nothing to trick (T36): a path
with `%`, `//`, `..`, `;` or a backslash matches no template.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from . import problems

# One path parameter: unreserved characters (RFC 3986, 2.3), and never only dots.
_PARAMETER = r"(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]{1,128}"
_TEMPLATE = re.compile(r"/|(?:/(?:[A-Za-z0-9._-]+|\{[a-z_]+\}))+(?:/\{[a-z_]+\.\.\.\}|/)?")
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
# Operators' and neighbours' doors: no table may open them to the public.
_NEVER_PUBLIC = ("admin", "metrics", "internal")


@dataclass(frozen=True, kw_only=True)
class Route:
    """One or more methods on a path template, and what they need.

    `upstream` None: the gateway answers itself. `public`: no token is asked for,
    and none is passed on. `body_bytes` 0: a body is refused. Small bodies are
    collected before the upstream hears of the request, so that a slow client
    holds none of its threads; `streams` passes large ones through as they come.
    `seconds` is the whole time of the request, its answer included.
    """

    methods: tuple[str, ...]
    template: str
    upstream: str | None
    public: bool = False
    body_bytes: int = 0
    streams: bool = False
    seconds: float = 10.0

    def __post_init__(self) -> None:
        if not _TEMPLATE.fullmatch(self.template):
            raise ValueError(f"{self.template!r} is no path template; write /a/{{id}} or /a/{{rest...}}")
        if self.template.split("/")[1] in _NEVER_PUBLIC:
            raise ValueError(f"{self.template} is an operators' or neighbours' door; it never gets a route")
        if not self.methods or not set(self.methods) <= _METHODS:
            raise ValueError(f"{self.template}: methods {self.methods} must be among {sorted(_METHODS)}")
        if self.seconds <= 0 or self.body_bytes < 0:
            raise ValueError(f"{self.template}: a time limit is above 0 and a body limit not below 0")

    @property
    def name(self) -> str:
        """The low-cardinality name for spans and logs."""
        return self.template


class RouteTable:
    """All routes of a gateway; built once, and wrong tables do not build."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        by_template: dict[str, dict[str, Route]] = {}
        for route in self.routes:
            methods = by_template.setdefault(route.template, {})
            for method in (*route.methods, *(("HEAD",) if "GET" in route.methods else ())):
                if method in methods:
                    raise ValueError(f"{method} {route.template} has two routes; keep one")
                methods[method] = route
        self._literal = {path: methods for path, methods in by_template.items() if "{" not in path}
        self._patterns = [(_pattern(path), methods) for path, methods in by_template.items() if "{" in path]

    @property
    def upstreams(self) -> frozenset[str]:
        """Names of every upstream that some route needs."""
        return frozenset(route.upstream for route in self.routes if route.upstream is not None)

    def match(self, method: str, path: str) -> Route:
        """Return the route, or turn away: 404 without one, 405 with `Allow` for another method.

        Literal paths win over parameters; `path` is the undecoded path of the request.
        """
        methods = self._literal.get(path)
        if methods is None:
            methods = next((known for pattern, known in self._patterns if pattern.fullmatch(path)), None)
        if methods is None:
            problems.not_found()
        route = methods.get(method)
        if route is None:
            problems.method_not_allowed(", ".join(sorted(methods)))
        return route


def _pattern(template: str) -> re.Pattern[str]:
    parts = []
    for segment in template.split("/")[1:]:
        if segment.endswith("...}"):
            parts.append(f"{_PARAMETER}(?:/{_PARAMETER})*")
        elif segment.startswith("{"):
            parts.append(_PARAMETER)
        else:
            parts.append(re.escape(segment))
    return re.compile("/" + "/".join(parts))
