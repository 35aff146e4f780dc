"""What a context, an event or a port may be called, and the forms its name takes. May touch: nothing."""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Collection

from .errors import BadName

# Django allows 30 characters for an index; the longest that is named after a context is `<name>outbox_pending`.
LONGEST_CONTEXT = 16
# Words of the house: `default` is the empty alias, `operations` the operators' database, `gateway` and `all` are roles.
RESERVED = frozenset({
    "default", "operations", "gateway", "all", "fissile", "platform", "settings", "deploy", "tests", "docs", "apps",
    "admin", "api", "internal", "static", "contracts",
})  # fmt: skip
_CONTEXT = re.compile(r"[a-z][a-z0-9]*")
_SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def ensure_context_name(name: str, *, labels: Collection[str]) -> None:
    """Raise BadName unless a new context may have this name. `labels`: the app labels that are taken."""
    if not _CONTEXT.fullmatch(name):
        raise BadName(
            f"{name!r} cannot be a context: it is one lower-case word, because app label, database alias, queue "
            "prefix, role and the start of every table's name are all this word.",
            fix="startcontext billing",
        )
    if len(name) > LONGEST_CONTEXT:
        raise BadName(
            f"{name} has {len(name)} letters; indexes are named after it, and at most {LONGEST_CONTEXT} fit.",
            fix="choose a shorter word",
        )
    if name in RESERVED or keyword.iskeyword(name) or keyword.issoftkeyword(name):
        raise BadName(f"{name} is a word that the house or Python uses itself.", fix="name it after the business")
    if name in sys.stdlib_module_names:
        raise BadName(
            f"{name} is a module of the standard library; a tool that is started beside it imports the wrong one.",
            fix=f"use the business's plural, such as {name}s",
        )
    if name in labels:
        raise BadName(f"{name} is the label of an app that is installed here.", fix="choose another word")


def advice(name: str) -> str | None:
    """Return advice about a context's name that is allowed but unlike the others, or None."""
    if name.endswith(("s", "ing")):
        return None
    return f"contexts are plural nouns of the business ({name}s?) or fields of work (billing); {name} is allowed"


def ensure_snake(name: str, what: str, example: str) -> None:
    """Raise BadName unless a name is lower_case_with_underscores and no keyword."""
    if not _SNAKE.fullmatch(name) or keyword.iskeyword(name):
        raise BadName(f"{name!r} cannot be {what}: it is lower_case_with_underscores.", fix=f"such as {example}")


def split(dotted: str, what: str, example: str) -> tuple[str, str]:
    """Return the two parts of `<context>.<name>`; raise BadName."""
    context, dot, name = dotted.partition(".")
    if not dot or "." in name:
        raise BadName(f"{dotted!r} is not {what}: it is <context>.<name>.", fix=f"such as {example}")
    ensure_snake(name, what, example)
    return context, name


def camel(name: str) -> str:
    """Return `invoice_issued` as `InvoiceIssued`."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))
