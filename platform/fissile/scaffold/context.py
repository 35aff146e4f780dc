"""`startcontext`: the folder of a new bounded context, and its lines in the table and in the import rules.

May touch: a draft.
"""

from __future__ import annotations

from dataclasses import dataclass

from . import table
from .draft import Draft
from .errors import BadName
from .layout import Layout
from .templates import rendered_folder

# An index is named `<name>idempotencykey_age` by the abstract row; Django allows 30 characters.
_LONGEST_BEFORE_OVERRIDE = 30 - len("idempotencykey_age")
# Never edited once it is made; so it tells whose folder this is.
MARK = "migrations/0001_initial.py"
_OVERRIDE = """\
        # The inherited name would have more than Django's 30 characters.
        indexes: ClassVar[list[Any]] = [models.Index(fields=["created_at"], name="{age}")]
"""
_OVERRIDE_IMPORTS = """\
from typing import Any, ClassVar

from django.db import models

"""
_ROW_IMPORTS = """\
from fissile.data.models import IdempotencyRow
from fissile.events.models import ConsumerRow, InboxRow, LaneRow, OutboxRow, PositionRow
"""


@dataclass(frozen=True, kw_only=True)
class NewContext:
    """A context that shall be."""

    name: str
    package: str
    port: int

    @property
    def folder(self) -> str:
        """Its folder, relative to the project's root."""
        return self.package.replace(".", "/")


def wanted(draft: Draft, layout: Layout, name: str, port: int | None) -> NewContext:
    """Return the context with its port, the table's or the next free one. Raise BadName, AnchorMissing."""
    known = table.read_table(draft.read(layout.contexts) if draft.exists(layout.contexts) else "", layout.contexts)
    package = f"{layout.apps_package}.{name}"
    if (there := known.packages.get(name)) is not None and there != package:
        raise BadName(f"{name} is a context already: {there}.", where=layout.contexts, fix="choose another word")
    if port is not None:
        known.ensure_free(port, name)
        if known.ports.get(name, port) != port:
            raise BadName(
                f"{name} has port {known.ports[name]} already.", where=layout.contexts, fix="leave --port out"
            )
    context = NewContext(name=name, package=package, port=known.ports.get(name) or port or known.next_port())
    mark = f"{context.folder}/{MARK}"
    is_ours = draft.exists(mark) and draft.read(mark) == files(context)[MARK]
    if (name in known.packages or draft.files_of(context.folder)) and not is_ours:
        raise BadName(
            f"{name} is taken: {context.folder} was not made by startcontext.",
            where=layout.contexts if name in known.packages else context.folder,
            fix="choose another word, or move the folder away",
        )
    return context


def files(context: NewContext, purpose: str = "") -> dict[str, str]:
    """Return the text of every file of a new context, by its path inside the folder."""
    name = context.name
    is_long = len(name) > _LONGEST_BEFORE_OVERRIDE
    age = f"{name}_key_age" if is_long else f"{name}idempotencykey_age"
    words = {
        "name": name,
        "Name": name.capitalize(),
        "package": context.package,
        "purpose": purpose or f"A bounded context with a database, events and a role of its own, all called `{name}`.",
        "idempotency_age": age,
        "index_override": _OVERRIDE.format(age=age) if is_long else "",
        "index_imports": _OVERRIDE_IMPORTS if is_long else "",
        "row_imports": _ROW_IMPORTS.rstrip("\n"),
    }
    return {path: text.rstrip("\n") + "\n" if text else "" for path, text in rendered_folder("context", words).items()}


def start(draft: Draft, layout: Layout, context: NewContext, purpose: str = "") -> None:
    """Plan the folder and the registration. A context that is registered gets no file a second time."""
    known = table.read_table(draft.read(layout.contexts), layout.contexts)
    for path, text in files(context, purpose).items():
        inside = f"{context.folder}/{path}"
        if context.name not in known.packages or draft.exists(inside):
            draft.create(inside, text)
    siblings = [package for package in known.packages.values() if package.startswith(f"{layout.apps_package}.")]
    if draft.exists(layout.import_rules):
        draft.edit(
            layout.import_rules,
            lambda text: table.with_import_rules(text, package=context.package, siblings=siblings),
        )
    draft.edit(
        layout.contexts,
        lambda text: table.with_context(
            text, layout.contexts, name=context.name, package=context.package, port=context.port
        ),
    )
