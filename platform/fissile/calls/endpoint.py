"""The internal endpoint: POST /internal/<context>/<function>, derived from facades, for other services only.

May touch: HTTP. Plain Django on purpose: no browsable door, no content negotiation.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from fissile.errors import Refusal

from . import codec, serving


class OnlyPost(Refusal):
    """Calls are sent with POST."""

    code = "calls.only_post"
    status = 405


class OnlyJson(Refusal):
    """Calls are sent as application/json, not compressed."""

    code = "calls.only_json"
    status = 415


# Not a form and no cookie: a service's token is the only credential, so there is nothing to forge.
@csrf_exempt
def answer(request: HttpRequest, context: str, function: str) -> HttpResponse:
    """Answer one call from another service: `{"result": …}` or a problem."""
    if request.method != "POST":
        return _response(codec.problem_reply(OnlyPost()), {"Allow": "POST"})
    if request.content_type != codec.JSON_TYPE or "Content-Encoding" in request.headers:
        return _response(codec.problem_reply(OnlyJson()))
    try:
        # One byte more than is allowed tells too large from just right; the rest is not read.
        body = request.read(codec.LARGEST_CALL_BYTES + 1)
    except UnreadablePostError:
        return _response(codec.problem_reply(serving.UnreadableArguments("The body ended early.")))
    headers = {name.lower(): value for name, value in request.headers.items()}
    reply = serving.serve(context, function, token=_bearer(headers), body=body, headers=headers)
    return _response(reply, {"WWW-Authenticate": "Bearer"} if reply.status == 401 else {})


def _bearer(headers: dict[str, str]) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else None


def _response(reply: codec.Reply, more: dict[str, str] | None = None) -> HttpResponse:
    headers = {
        **reply.headers,
        **(more or {}),
        "Cache-Control": "no-store",
        "Content-Length": str(len(reply.body)),
    }
    return HttpResponse(reply.body, status=reply.status, content_type=reply.content_type, headers=headers)


urlpatterns = [path("<str:context>/<str:function>", answer, name="internal-call")]
