"""What the gateway answers by itself: every refusal it knows, as problem details. Pure."""

from __future__ import annotations

import json
from typing import NoReturn

from fissile.messages import PROBLEM_TYPE, Problem


class TurnedAway(Exception):
    """The gateway answers with `problem`, and no upstream hears of the request (any more)."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


def turn_away(status: int, code: str, detail: str, **headers: str) -> NoReturn:
    """Raise TurnedAway; header names are written with underscores."""
    raise TurnedAway(problem(status, code, detail, **headers))


def problem(status: int, code: str, detail: str, **headers: str) -> Problem:
    """Return a problem whose extra headers are written with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Problem(status=status, code=code, detail=detail, headers=named)


def bad_request(detail: str) -> NoReturn:
    """400: the request can be read in two ways, or in none."""
    turn_away(400, "bad_request", detail)


def not_found() -> NoReturn:
    """404: no route. The path is not echoed: it is the caller's text."""
    turn_away(404, "not_found", "There is nothing at this address.")


def method_not_allowed(allowed: str) -> NoReturn:
    """405 with Allow."""
    turn_away(405, "method_not_allowed", f"This address answers {allowed}.", allow=allowed)


def not_authenticated(challenge: str) -> NoReturn:
    """401; one sentence for every reason, so that no reason can be told from another."""
    turn_away(
        401,
        "not_authenticated",
        "A valid access token is needed: Authorization: Bearer <access_token>.",
        www_authenticate=challenge,
    )


def body_too_large(limit_bytes: int) -> NoReturn:
    """413."""
    turn_away(413, "body_too_large", f"The body of this request may have {limit_bytes} bytes.")


def body_too_slow() -> Problem:
    """408: the client did not deliver its request in the time of the route."""
    return problem(408, "request_timeout", "The request did not arrive in time; send it again.")


def upstream_unreachable(name: str) -> NoReturn:
    """502: no connection, so nothing happened; safe to try again."""
    turn_away(502, "upstream_unreachable", f"{name} cannot be reached; nothing was done.", retry_after="1")


def upstream_broke_off(name: str) -> NoReturn:
    """502: the connection broke after the request was sent; it may have happened."""
    turn_away(
        502,
        "upstream_broke_off",
        f"{name} broke off before it answered; retry with the same Idempotency-Key.",
        retry_after="1",
    )


def upstream_has_no_address(name: str) -> NoReturn:
    """503: the route is known and the service behind it has no address here."""
    turn_away(503, "upstream_unavailable", f"{name} is not in service here.", retry_after="5")


def upstream_too_slow(name: str) -> Problem:
    """504: it may have happened."""
    return problem(
        504,
        "upstream_timeout",
        f"{name} did not answer in time; retry with the same Idempotency-Key.",
        retry_after="1",
    )


def internal() -> Problem:
    """500: a fault of the gateway's own."""
    return problem(500, "internal", "Something broke inside; it has been logged.")


def rendered(answer: Problem) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Return the headers and the body of a problem."""
    body = json.dumps(answer.body(), ensure_ascii=False, separators=(",", ":")).encode()
    headers = [
        (b"content-type", PROBLEM_TYPE.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]
    headers += [(name.lower().encode("ascii"), value.encode("ascii")) for name, value in answer.headers.items()]
    return headers, body
