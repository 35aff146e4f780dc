"""The one translation from what went wrong to an error answer: RFC 9457, in DRF and outside of it.

Malformed (cannot be read) is 400; well-formed but wrong is 422 with `errors`.
"""

from __future__ import annotations

import logging
from typing import Any

from django.core import exceptions as django_errors
from django.core.signals import got_request_exception
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework import exceptions as drf_errors
from rest_framework.response import Response

from fissile.errors import FissileError, UnreachableError
from fissile.messages import PROBLEM_TYPE, Problem, problem_from

from . import refusals
from .authentication import REALM
from .invalid import errors_in
from .rendering import Renderer

logger = logging.getLogger("fissile.edge")

_BY_STATUS: dict[int, type[FissileError]] = {
    400: refusals.MalformedRequest,
    403: refusals.Forbidden,
    404: refusals.NotFound,
    405: refusals.MethodNotAllowed,
    406: refusals.NotAcceptable,
    413: refusals.ContentTooLarge,
    415: refusals.UnsupportedMediaType,
    422: refusals.InvalidRequest,
    429: refusals.TooManyRequests,
    503: UnreachableError,
}
_NOT_AUTHENTICATED = Problem(
    status=401,
    code="not_authenticated",
    detail="Show a valid access token: Authorization: Bearer <token>.",
    headers={"WWW-Authenticate": REALM},
)
INTERNAL = problem_from(FissileError())


def problem_of(error: BaseException) -> Problem | None:
    """Return the problem an exception stands for, or None if nobody foresaw it."""
    match error:
        case FissileError(status=401):
            problem = problem_from(error)
            # Only what is wrong with a bearer token is `invalid_token` (RFC 6750, 3.1).
            challenge = f'{REALM}, error="invalid_token"' if problem.code == _NOT_AUTHENTICATED.code else REALM
            return Problem(
                status=401,
                code=problem.code,
                detail=problem.detail,
                facts=problem.facts,
                headers={**problem.headers, "WWW-Authenticate": challenge},
            )
        case FissileError():
            return problem_from(error)
        case drf_errors.NotAuthenticated() | drf_errors.AuthenticationFailed():
            return _NOT_AUTHENTICATED
        case drf_errors.ValidationError():
            return problem_from(refusals.InvalidRequest(errors=errors_in(error.detail)))
        case drf_errors.APIException():
            return problem_for(error.status_code)
        case Http404():
            return problem_for(404)
        case django_errors.PermissionDenied():
            return problem_for(403)
        case django_errors.RequestDataTooBig():
            return problem_for(413)
        case django_errors.SuspiciousOperation() | django_errors.BadRequest():
            return problem_for(400)
        case OperationalError() | InterfaceError():
            return problem_from(UnreachableError())
    return None


def problem_for(status: int) -> Problem:
    """Return the plain problem of an HTTP status; `internal` for one that has none."""
    if status == 401:
        return _NOT_AUTHENTICATED
    family = _BY_STATUS.get(status)
    return INTERNAL if family is None else problem_from(family())


def exception_handler(error: Exception, context: dict[str, Any]) -> Response:
    """DRF's EXCEPTION_HANDLER: answer every exception of a view with a problem."""
    view = context.get("view")
    problem = problem_of(error)
    if problem is None:
        request = context.get("request")
        report_unforeseen(error, getattr(request, "_request", request))
        problem = INTERNAL
    else:
        report_foreseen(error, problem)
    response = Response(problem.body(), status=problem.status, headers=problem.headers, content_type=PROBLEM_TYPE)
    if problem.status == 405 and view is not None:
        response["Allow"] = ", ".join(view.allowed_methods)
    _spare_second_log(response)
    return response


def http_problem(problem: Problem) -> HttpResponse:
    """Return a problem as a plain Django response, for doors without DRF."""
    response = HttpResponse(
        Renderer().render(problem.body()), status=problem.status, headers=problem.headers, content_type=PROBLEM_TYPE
    )
    _spare_second_log(response)
    return response


def _spare_second_log(response: Any) -> None:
    # Django logs every 5xx as an error and every 4xx as a warning unless somebody
    # has; here a refusal is information and an outage a warning, logged once.
    response._has_been_logged = True


def report_foreseen(error: BaseException, problem: Problem) -> None:
    """Log a translated error: refusals as info, outages as warnings, lies as errors."""
    if problem.status == 500:
        logger.error("broken_contract", exc_info=error)
    elif problem.status >= 500:
        logger.warning("%s: %s", problem.code, error, exc_info=error.__cause__)
    else:
        logger.info("%s: %s", problem.code, problem.status)


def report_unforeseen(error: BaseException, request: HttpRequest | None) -> None:
    """Log a bug with its stack, and tell Django's signal, which the test client and error trackers hear."""
    logger.error("unforeseen: %s", type(error).__name__, exc_info=error)
    got_request_exception.send(sender=None, request=request)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler400."""
    return http_problem(problem_of(exception) or problem_for(400))


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler403."""
    return http_problem(problem_for(403))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler404."""
    return http_problem(problem_for(404))


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500."""
    return http_problem(INTERNAL)
