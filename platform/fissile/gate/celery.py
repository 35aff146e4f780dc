"""Celery across contexts: names that move with the code, names of others, and messages that no transaction guards."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .findings import Finding, Rule
from .names import argument, keyword
from .project import Project, SourceFile

IMPLICIT = Rule(
    id="BND070",
    title="Celery task with an implicit name",
    why="The name is made from the module's path; when the code moves, tasks in flight are unknown.",
    fix='pin it: @shared_task(name="<context>.<verb>")',
    is_advice_undeclared=True,
)
FOREIGN = Rule(
    id="BND071",
    title="Celery task of another context",
    why="A task name is a call without a contract; the owner cannot change or move it.",
    fix="publish an event, or ask through a port",
)
BARE = Rule(
    id="BND072",
    title="task sent past the outbox",
    why="It is sent although the transaction may roll back, or lost although it commits.",
    fix="record an event in the unit of work; a consumer does the work",
)
RULES = (IMPLICIT, FOREIGN, BARE)
_SENDING = {"delay", "apply_async", "delay_on_commit", "apply_async_on_commit"}
_SIGNING = {"s", "si", "signature"}
_CANVAS = {"celery.chain", "celery.group", "celery.chord", "celery.signature"}


def find(project: Project) -> Iterator[Finding]:
    """Yield task definitions and messages."""
    functions: dict[str, str] = {}
    names: dict[str, str] = {}
    for file in project.files():
        for function, name in _tasks(file):
            functions[f"{file.module}.{function}"] = file.context
            names.setdefault(name or f"{file.module}.{function}", file.context)
    for file in project.files():
        for node in file.nodes:
            if isinstance(node, ast.FunctionDef):
                yield from _defined(project, file, node)
            elif isinstance(node, ast.Call):
                yield from _by_name(project, file, node)
            elif isinstance(node, ast.Attribute):
                yield from _sent(project, file, node, functions)
            elif isinstance(node, ast.Dict):
                yield from _scheduled(project, file, node)
            elif isinstance(node, ast.Constant) and names.get(str(node.value), file.context) != file.context:
                yield from _foreign(project, file, node, str(node.value))


def _decorators(file: SourceFile, function: ast.FunctionDef) -> Iterator[ast.expr]:
    for decorator in function.decorator_list:
        dotted = file.names.dotted(decorator)
        is_app = dotted.endswith(".task") and ("celery" in dotted or dotted.split(".")[-2] in ("app", "celery_app"))
        if dotted in ("celery.shared_task", "celery.app.shared_task") or is_app:
            yield decorator


def _tasks(file: SourceFile) -> Iterator[tuple[str, str | None]]:
    """Yield (function, name of its own) of every task."""
    for node in file.nodes:
        if isinstance(node, ast.FunctionDef):
            for decorator in _decorators(file, node):
                name = keyword(decorator, "name") if isinstance(decorator, ast.Call) else None
                yield node.name, file.names.text(name)


def _defined(project: Project, file: SourceFile, function: ast.FunctionDef) -> Iterator[Finding]:
    for decorator in _decorators(file, function):
        name = file.names.text(keyword(decorator, "name")) if isinstance(decorator, ast.Call) else None
        if name is None:
            if not (isinstance(decorator, ast.Call) and keyword(decorator, "name") is not None):
                yield IMPLICIT.at(file, decorator, f"the task {function.name} has no name of its own")
            continue
        yield from _foreign(project, file, decorator, name)


def _foreign(project: Project, file: SourceFile, where: ast.AST, name: str) -> Iterator[Finding]:
    other = project.context_of_label(name.split(".")[0]) or project.context_of_module(name)
    if other not in (None, file.context):
        yield FOREIGN.at(file, where, f"{file.module} names the task {name} of {other}", other=str(other))


def _scheduled(project: Project, file: SourceFile, entry: ast.Dict) -> Iterator[Finding]:
    """Yield the task of an entry of a timetable, one of a neighbour that is not installed here, too."""
    for key, value in zip(entry.keys, entry.values, strict=True):
        if isinstance(key, ast.Constant) and key.value == "task" and isinstance(value, ast.Constant):
            yield from _foreign(project, file, value, str(value.value))


def _by_name(project: Project, file: SourceFile, call: ast.Call) -> Iterator[Finding]:
    method = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if method != "send_task" and file.names.dotted(call.func) not in ("celery.signature", "celery.canvas.signature"):
        return
    name = file.names.text(argument(call, 0, "name" if method == "send_task" else "task")) or ""
    found = list(_foreign(project, file, call, name))
    if not found and method == "send_task" and project.is_declared:
        found = [BARE.at(file, call, f"{file.module} sends {name or 'a task'} past the outbox")]
    yield from found


def _sent(project: Project, file: SourceFile, node: ast.Attribute, functions: dict[str, str]) -> Iterator[Finding]:
    """Yield uses of a task's own methods, called or handed on: `partial(task.delay, …)` sends it all the same.

    Where nothing is declared there is no outbox, and an app's own task leaves with it.
    """
    if node.attr not in _SENDING | _SIGNING:
        return
    target = _task(file, node.value)
    owner = functions.get(target) or (project.context_of_module(target) if ".tasks." in target else None)
    if owner not in (None, file.context):
        yield FOREIGN.at(file, node, f"{file.module} sends {target} of {owner}", other=str(owner))
    elif project.is_declared and node.attr in _SENDING and (owner is not None or _is_canvas(file, node.value)):
        yield BARE.at(file, node, f"{file.module} sends {target.rsplit('.', 1)[-1]} past the outbox")


def _task(file: SourceFile, node: ast.expr) -> str:
    target = file.names.dotted(node)
    for signing in _SIGNING:
        target = target.removesuffix(f".{signing}")
    return target if "." in target else f"{file.module}.{target}"


def _is_canvas(file: SourceFile, node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and file.names.dotted(node.func) in _CANVAS
