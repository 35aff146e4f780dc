"""Signals that tie contexts together inside one process."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .findings import Finding, Rule
from .migrations import swapped
from .names import argument, keyword
from .project import Project, SourceFile

SIGNAL = Rule(
    id="BND030",
    title="signal between contexts",
    why="A signal reaches its own process only: after a cut it is never heard, and nothing says so.",
    fix="let the owner publish an event and consume it",
)
RULES = (SIGNAL,)
_MODEL_SIGNALS = {
    f"django.db.models.signals.{name}"
    for name in ("pre_save", "post_save", "pre_delete", "post_delete", "m2m_changed", "pre_init", "post_init")
}
_METHODS = {"connect", "send", "send_robust", "asend", "asend_robust", "disconnect"}


def find(project: Project) -> Iterator[Finding]:
    """Yield receivers of, and sends over, what another context owns."""
    for file in project.files():
        for call in file.calls():
            dotted = file.names.dotted(call.func)
            if dotted == "django.dispatch.receiver":
                signals = (
                    call.args[0].elts if call.args and isinstance(call.args[0], ast.List | ast.Tuple) else call.args[:1]
                )
                yield from _judge(project, file, call, list(signals))
            elif (
                isinstance(call.func, ast.Attribute)
                and call.func.attr in _METHODS
                and _is_signal(project, file, call.func.value)
            ):
                yield from _judge(project, file, call, [call.func.value])


def _is_signal(project: Project, file: SourceFile, node: ast.expr) -> bool:
    if any(each is not node and _is_signal(project, file, each) for each in file.names.values(node)):
        return True
    dotted = file.names.dotted(node)
    if dotted.startswith(("django.db.models.signals.", "django.core.signals.", "django.contrib.auth.signals.")):
        return True
    module, _, name = dotted.rpartition(".")
    made = project.by_module.get(module)
    values = made.names.globals(name) if made else file.names.bindings(node) if isinstance(node, ast.Name) else []
    names = made.names if made else file.names
    return any(isinstance(b.node, ast.Call) and names.dotted(b.node).endswith("Signal") for b in values)


def _judge(project: Project, file: SourceFile, call: ast.Call, signals: list[ast.expr]) -> Iterator[Finding]:
    for signal in signals:
        dotted = file.names.dotted(signal)
        other = project.context_of_module(dotted.rpartition(".")[0])
        if other not in (None, file.context):
            yield SIGNAL.at(file, call, f"{file.module} uses {dotted}, a signal of {other}", other=str(other))
            return
    is_connected = isinstance(call.func, ast.Attribute) and call.func.attr in ("connect", "disconnect")
    sender = argument(call, 1, "sender") if is_connected else keyword(call, "sender")
    if sender is None:
        if project.is_declared and any(file.names.dotted(signal) in _MODEL_SIGNALS for signal in signals):
            yield SIGNAL.at(file, call, f"{file.module} hears a model signal of every context: no sender is named")
        return
    label, dotted = file.names.text(sender) or swapped(file, sender), file.names.dotted(sender)
    if label is None and (model := file.meanings.rows_of(sender)) is not None:
        label = model._meta.label
    other = project.context_of_model(label) if label else project.context_of_module(dotted.rpartition(".")[0])
    if other not in (None, file.context):
        yield SIGNAL.at(file, call, f"{file.module} hears signals of {label or dotted}", other=str(other))
