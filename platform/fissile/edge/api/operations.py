"""What an operation says about itself: id, shapes, refusals. The view enforces it, the document shows it.

The one place for which statuses may come from where.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar

from fissile.data.commands import IdempotencyKeyInUse, IdempotencyKeyReused
from fissile.errors import FissileError, UncertainError, UnreachableError
from fissile.trust.tokens import NotAuthenticated

from . import refusals
from .fields import QuerySerializer

# Errors as a door knows them: a class with `status` and `code`, or the two as they are.
Declared = type[FissileError] | tuple[int, str]

# Every public operation is routed by the gateway, which may answer these by itself
# (a service behind it says some of them too, with codes of its own).
GATEWAY: tuple[Declared, ...] = (
    (400, "bad_request"),
    refusals.MalformedRequest,
    refusals.NotFound,
    refusals.MethodNotAllowed,
    (408, "request_timeout"),
    (413, "body_too_large"),
    refusals.ContentTooLarge,
    (414, "address_too_long"),
    (431, "head_too_large"),
    (431, "too_many_headers"),
    (500, "internal"),
    (502, "upstream_unreachable"),
    (502, "upstream_broke_off"),
    (503, "upstream_unavailable"),
    UnreachableError,
    (504, "upstream_timeout"),
    UncertainError,
)
EVERY_OPERATION: tuple[Declared, ...] = (refusals.NotAcceptable, refusals.InvalidRequest)
WITH_TOKEN: tuple[Declared, ...] = (NotAuthenticated,)
WITH_BODY: tuple[Declared, ...] = (refusals.ContentTooLarge, refusals.UnsupportedMediaType)
WITH_KEY: tuple[Declared, ...] = (
    refusals.IdempotencyKeyRequired,
    refusals.IdempotencyKeyInvalid,
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
)

Handler = TypeVar("Handler", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True)
class Operation:
    """The declaration of one operation; see `operation` for the meaning of each part."""

    id: str
    summary: str
    responses: Mapping[int, Any]
    request: Any = None
    query: type[QuerySerializer] = QuerySerializer
    refusals: tuple[Declared, ...] = ()
    idempotent: bool = False
    response_headers: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    links: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def tag(self) -> str:
        """The context, which is the first part of the id."""
        return self.id.split("_", 1)[0]

    def problems(self, *, public: bool) -> dict[int, list[str]]:
        """Return every error status of the operation → the codes it comes with, both sorted."""
        declared = [*GATEWAY, *EVERY_OPERATION, *self.refusals]
        declared += [] if public else WITH_TOKEN
        declared += WITH_BODY if self.request is not None else ()
        declared += WITH_KEY if self.idempotent else ()
        found: dict[int, set[str]] = {}
        for error in declared:
            status, code = error if isinstance(error, tuple) else (error.status, error.code)
            found.setdefault(status, set()).add(code)
        return {status: sorted(codes) for status, codes in sorted(found.items())}


def operation(
    id: str,
    *,
    summary: str,
    responses: Mapping[int, Any],
    request: Any = None,
    query: type[QuerySerializer] = QuerySerializer,
    refusals: tuple[Declared, ...] = (),
    idempotent: bool = False,
    response_headers: Mapping[int, Mapping[str, str]] | None = None,
    links: Mapping[str, Mapping[str, Any]] | None = None,
) -> Callable[[Handler], Handler]:
    """Declare a view's method as an operation.

    `id` is `<context>_<wish>` and never changes. `responses` maps each success
    status to a serializer class (None: no body). `refusals` are the classes that
    this operation adds to what every operation may answer. `idempotent` makes
    Idempotency-Key required. `response_headers` maps status to the headers that
    such an answer always has: name to a description. `links` maps the id of an
    operation that follows a success to what it takes from here: `parameters` or
    `requestBody`, with runtime expressions (OpenAPI 3.1, 4.8.20).
    """
    declared = Operation(
        id=id,
        summary=summary,
        responses=responses,
        request=request,
        query=query,
        refusals=refusals,
        idempotent=idempotent,
        response_headers=response_headers or {},
        links=links or {},
    )

    def mark(handler: Handler) -> Handler:
        handler.operation = declared  # type: ignore[attr-defined]
        return handler

    return mark


def describe(status: int, codes: list[str]) -> str:
    """Return one line for the document: the phrase of the status, then its codes."""
    return f"{HTTPStatus(status).phrase}: {', '.join(codes)}."
