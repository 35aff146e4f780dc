"""What any door may refuse before a use case is asked, by stable code. No framework."""

from __future__ import annotations

from fissile.errors import Refusal


class MalformedRequest(Refusal):
    """The request cannot be read; nothing was done."""

    code = "malformed_request"
    status = 400


class IdempotencyKeyRequired(Refusal):
    """Send an Idempotency-Key header: a new value for each new wish, the same one for a retry."""

    code = "idempotency_key_required"
    status = 400


class IdempotencyKeyInvalid(Refusal):
    """An Idempotency-Key is 1 to 255 visible ASCII characters, in double quotes or without."""

    code = "idempotency_key_invalid"
    status = 400


class Forbidden(Refusal):
    """This is not yours to do."""

    code = "forbidden"
    status = 403


class NotFound(Refusal):
    """There is nothing here."""

    code = "not_found"
    status = 404


class MethodNotAllowed(Refusal):
    """This address does not take that method; the Allow header names those it takes."""

    code = "method_not_allowed"
    status = 405


class NotAcceptable(Refusal):
    """Answers are application/json; the Accept header leaves no room for that."""

    code = "not_acceptable"
    status = 406


class ContentTooLarge(Refusal):
    """The body is larger than this address takes."""

    code = "content_too_large"
    status = 413


class UnsupportedMediaType(Refusal):
    """Send application/json in UTF-8, not compressed."""

    code = "unsupported_media_type"
    status = 415


class InvalidRequest(Refusal):
    """Some fields are not as they must be; `errors` says which and why."""

    code = "invalid_request"
    status = 422


class TooManyRequests(Refusal):
    """Too many requests; wait as long as Retry-After says."""

    code = "too_many_requests"
    status = 429
