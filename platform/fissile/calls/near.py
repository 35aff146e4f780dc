"""The near transport: the callee is in this process, and gets nothing that a far one would not."""

from __future__ import annotations

import contextvars
from collections.abc import Mapping
from functools import partial

from . import serving
from .codec import Reply


def send(
    context: str, function: str, *, token: str, body: bytes, headers: Mapping[str, str], seconds: float
) -> Reply:
    """Return the callee's answer.

    Runs in an empty set of context variables: only `headers` and the token cross.
    The time limit is the carried deadline in `headers`; the callee's own work in
    Python is not interrupted, its statements are.
    """
    call = partial(serving.serve, context, function, token=token, body=body, headers=dict(headers))
    return contextvars.Context().run(call)
