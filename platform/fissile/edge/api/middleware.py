"""Problems for whatever fails outside DRF: unknown addresses, bad hosts, bugs. The operator's pages keep theirs."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from fissile.messages import PROBLEM_TYPE

from .problems import INTERNAL, http_problem, problem_for, problem_of, report_foreseen, report_unforeseen
from .rendering import Renderer

# Pages for people: Django's own error pages, with its debug page in DEBUG.
_PAGES = ("/admin/", "/static/")


class ProblemMiddleware:
    """Outermost but for the watcher. In DEBUG too: what a client sees must not depend on it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Turn an error page of the layers below into a problem, headers kept."""
        response = self.get_response(request)
        if response.status_code < 400 or _is_page(request) or not isinstance(response, HttpResponse):
            return response
        if response.headers.get("Content-Type", "").startswith(("text/html", "text/plain")):
            _become_problem(response)
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer an exception of a plain Django view."""
        problem = problem_of(exception)
        if problem is not None and not _is_page(request):
            report_foreseen(exception, problem)
            return http_problem(problem)
        if _is_page(request):
            return None
        report_unforeseen(exception, request)
        return http_problem(INTERNAL)


def _is_page(request: HttpRequest) -> bool:
    return request.path.startswith(_PAGES)


def _become_problem(response: HttpResponse) -> None:
    problem = problem_for(response.status_code)
    if problem is INTERNAL:
        response.status_code = 500
    response.content = Renderer().render(problem.body())
    response.headers["Content-Type"] = PROBLEM_TYPE
    response.headers["Content-Length"] = str(len(response.content))
    for name, value in problem.headers.items():
        response.headers.setdefault(name, value)
