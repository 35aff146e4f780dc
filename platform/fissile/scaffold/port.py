"""`startport`: what a context asks of another, in its own words, and the adapter that translates the answers.

May touch: a draft.
"""

from __future__ import annotations

from . import source
from .asked import NewPort, asking_chain
from .declaration import with_declared, with_sentence
from .draft import Draft
from .errors import BadName
from .facts import facts_of
from .imports import Sorting, imports_of
from .layout import Layout
from .offers import with_caller
from .pieces import insert, tidy
from .port_words import words_of
from .templates import rendered


def start(draft: Draft, layout: Layout, port: NewPort) -> None:
    """Plan the port, its adapter, the choice in wiring.py, fake and suite, and both declarations.

    Raise BadName, AnchorMissing.
    """
    folder = layout.folder_of(port.context)
    _ensure_no_circle(draft, layout, port)
    _ensure_new(draft, f"{folder}/ports.py", port)
    words = words_of(port, layout.package_of(port.context))
    sorting = Sorting(layout.own_packages())
    adapter = f"adapters/{port.asked.context}.py"
    if not draft.exists(f"{folder}/adapters/__init__.py"):
        draft.create(f"{folder}/adapters/__init__.py", "")
    for room, template in (("ports.py", "ports.py"), (adapter, "adapter.py"), ("wiring.py", "wiring.py")):
        insert(draft, f"{folder}/{room}", rendered(f"port/{template}", words), sorting)
    for path, template in ((f"conformance_{port.name}", "conformance"), (f"test_{port.name}", "test_port")):
        draft.create(f"{folder}/tests/{path}.py", tidy(rendered(f"port/{template}.py", words), sorting))
    _say(draft, layout, port)


def _ensure_no_circle(draft: Draft, layout: Layout, port: NewPort) -> None:
    chain = asking_chain(draft, layout, port.asked.context, port.context)
    if chain:
        raise BadName(
            f"{' asks '.join(chain)}, so {port.context} cannot ask {port.asked.context}: calls never form a circle, or "
            "two contexts wait for each other.",
            where=f"{layout.folder_of(port.asked.context)}/context.py",
            fix=f"listen instead: startprojection {port.context}.{port.value} --from {port.asked.context}.<event>",
        )


def _ensure_new(draft: Draft, path: str, port: NewPort) -> None:
    """Raise BadName for a port or a value that is there and another one."""
    there = source.classes(draft, path)
    protocol = there.get(port.protocol)
    if protocol is not None:
        if f"def {port.method}(" not in "\n".join(draft.read(path).splitlines()[protocol.lineno : protocol.end_lineno]):
            raise BadName(
                f"{port.protocol} is there already, and has no {port.method}.", where=path, fix="name another port"
            )
        return
    imported = [
        alias.name for node in (imports_of(draft.read(path)) if draft.exists(path) else []) for alias in node.names
    ]
    ours = there.get(port.answer)
    is_same = ours is not None and facts_of(ours.body) == list(port.asked.fields)
    if port.answer in imported or (ours is not None and not is_same):
        raise BadName(
            f"{port.answer} is something else in {path}.", where=path, fix="another word of yours for it: --as …"
        )


def _say(draft: Draft, layout: Layout, port: NewPort) -> None:
    folder, theirs = layout.folder_of(port.context), layout.folder_of(port.asked.context)
    context, readme, offers = f"{folder}/context.py", f"{folder}/README.md", f"{theirs}/context.py"
    draft.edit(context, lambda text: with_declared(text, context, "asks", port.wish))
    draft.edit(offers, lambda text: with_caller(text, offers, port.asked.function, port.context))
    if draft.exists(readme):
        sentence = f"`{port.wish}`, through the port `{port.protocol}`."
        draft.edit(
            readme, lambda text: with_sentence(text, readme, "Asks", f"port `{port.protocol}`", sentence=sentence)
        )
