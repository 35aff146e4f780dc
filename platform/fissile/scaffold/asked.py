"""What a port asks a neighbour for: the facade function, the type of its answer, and who makes one in tests.

May touch: a draft, read only.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

from . import source
from .declaration import declared
from .draft import Draft
from .errors import AnchorMissing, BadName, NoSuchPart
from .facts import Fact, facts_of
from .layout import Layout
from .names import camel
from .words import article

_KEYS = ("UUID", "str", "int")
_READS = ("get_", "find_")
_FORM = "write its port by hand, as docs of ports show; this makes ports that find one thing by its id"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A facade function that finds one thing by its id."""

    context: str
    package: str
    function: str
    key: Fact
    # The dataclass it answers with, what of it one value holds, and which field is the id that was asked for.
    answer: str
    fields: tuple[Fact, ...]
    own_key: str
    left_out: tuple[str, ...]
    # It may answer None, or refuse with one of these: nobody has this id.
    may_be_none: bool
    unknown: tuple[str, ...]
    # The function of its tests that makes one, as `module:function`.
    known: str

    @property
    def noun(self) -> str:
        """`account` of `get_account`."""
        return self.function.partition("_")[2]


@dataclass(frozen=True, kw_only=True)
class NewPort:
    """A port that shall be: `name` in the asking context, `value` what it answers, `asked` where from."""

    context: str
    name: str
    value: str
    asked: Asked

    @property
    def protocol(self) -> str:
        """The class of the port."""
        return camel(self.name)

    @property
    def adapter(self) -> str:
        """The class that translates."""
        return f"{self.asked.context.capitalize()}{self.protocol}"

    @property
    def answer(self) -> str:
        """The class of what it answers."""
        return camel(self.value)

    @property
    def may_be_none(self) -> bool:
        """True if the neighbour can say that nobody has this id."""
        return self.asked.may_be_none or bool(self.asked.unknown)

    @property
    def method(self) -> str:
        """`find_…` if it may answer None, else `get_…`."""
        return f"{'find' if self.may_be_none else 'get'}_{self.value}"

    @property
    def wish(self) -> str:
        """What context.py declares that it asks."""
        return f"{self.asked.context}.{self.asked.function}"


def asked(draft: Draft, layout: Layout, *, to: str, port: str, known: str) -> Asked:
    """Return what `<context>.<function>` answers; without a function, the only one. Raise NoSuchPart, BadName."""
    context, _, wanted = (to or port).partition(".")
    if not to and context not in layout.packages:
        raise NoSuchPart(
            f"No context is called {port}, and a port needs a neighbour whose contract it translates.",
            where="--to",
            fix=f"--to <context>.<function>, such as {_offers(draft, layout)}; or first: startcontext {port}",
        )
    package, folder = layout.package_of(context), layout.folder_of(context)
    function = _function(draft, folder, context, wanted, noun=port)
    path = f"{folder}/facade.py"
    if not function.name.startswith(_READS):
        raise BadName(
            f"{context}.{function.name} does not say that it only reads (get_…, find_…): whether a call that writes "
            "may be repeated is a decision.",
            where=path,
            fix=_FORM,
        )
    key = _key(function, path)
    answer, may_be_none = _answer(draft, folder, function)
    body = source.body_with_bases(draft, f"{folder}/contracts/types.py", answer)
    fields = tuple(facts_of(body))
    own_key = next((f.name for name in ("id", key.name) for f in fields if f.name == name and f.kind == key.kind), "")
    if not own_key:
        raise NoSuchPart(
            f"{answer.name} does not carry what was asked for: it has neither id nor {key.name} as {key.kind}.",
            where=f"{folder}/contracts/types.py",
            fix=_FORM,
        )
    return Asked(
        context=context,
        package=package,
        function=function.name,
        key=key,
        answer=answer.name,
        fields=tuple(one for one in fields if one.is_plain),
        own_key=own_key,
        left_out=tuple(f"{answer.name}.{one.name}" for one in fields if not one.is_plain),
        may_be_none=may_be_none,
        unknown=_unknown(draft, folder, function),
        known=known or _maker(draft, folder, package, noun=function.name.partition("_")[2]),
    )


def _offers(draft: Draft, layout: Layout) -> str:
    found = [
        f"{name}.{function}"
        for name, package in layout.packages.items()
        for function in source.functions(draft, f"{package.replace('.', '/')}/facade.py")
    ]
    return ", ".join(found) or "(nobody offers anything yet)"


def _function(draft: Draft, folder: str, context: str, wanted: str, *, noun: str) -> ast.FunctionDef:
    there = {name: one for name, one in source.functions(draft, f"{folder}/facade.py").items() if name[:1] != "_"}
    if wanted in there:
        return there[wanted]
    if not wanted and len(there) == 1:
        return next(iter(there.values()))
    if not there or wanted:
        name = wanted or f"get_{noun}"
        thing = name.partition("_")[2] or noun
        raise AnchorMissing(
            f"{context} offers no {name}" + (f"; it offers {', '.join(there)}." if there else "; it has no facade."),
            where=f"{folder}/facade.py",
            lines=[
                f"contracts/types.py   the dataclass that it answers with, such as {thing.title()}",
                f"facade.py            def {name}({thing}_id: UUID) -> {thing.title()}: …",
                f'context.py           offers={{"{name}": ()}}',
                f"README.md            under Promises: `{name}`",
            ],
        )
    raise BadName(
        f"{context} offers {', '.join(there)}.", where="--to", fix=f"say which: --to {context}.{next(iter(there))}"
    )


def _key(function: ast.FunctionDef, path: str) -> Fact:
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    found = [Fact(name=one.arg, annotation=ast.unparse(one.annotation)) for one in arguments if one.annotation]
    if len(arguments) != 1 or len(found) != 1 or found[0].kind not in _KEYS:
        raise NoSuchPart(
            f"{function.name} is not asked with one id ({', '.join(_KEYS)}).",
            where=f"{path}:{function.lineno}",
            fix=_FORM,
        )
    return found[0]


def _answer(draft: Draft, folder: str, function: ast.FunctionDef) -> tuple[ast.ClassDef, bool]:
    said = Fact(name="", annotation=ast.unparse(function.returns) if function.returns else "")
    path = f"{folder}/contracts/types.py"
    found = source.classes(draft, path).get(said.kind.rpartition(".")[2])
    if found is None:
        raise NoSuchPart(
            f"{function.name} answers with {said.annotation or 'nothing it names'}, which is no dataclass of "
            "contracts/types.py.",
            where=path,
            fix=_FORM,
        )
    return found, said.is_optional


def _unknown(draft: Draft, folder: str, function: ast.FunctionDef) -> tuple[str, ...]:
    """Return the refusals with status 404 that the function's docstring names."""
    path = f"{folder}/contracts/errors.py"
    said = ast.get_docstring(function) or ""
    return tuple(
        name
        for name, cls in source.classes(draft, path).items()
        if name in said and any(ast.unparse(node) == "status = 404" for node in cls.body)
    )


def _maker(draft: Draft, folder: str, package: str, *, noun: str) -> str:
    """Return the function of the neighbour's tests that makes one of what is asked for."""
    found = [
        f"{package}.tests.{module}:{name}"
        for module in ("factories", "test_usecases")
        for name, one in source.functions(draft, f"{folder}/tests/{module}.py").items()
        if name.startswith(("a_", "an_")) and not _required(one)
    ]
    fits = [one for one in found if one.rpartition(":")[2].endswith(f"_{noun}")] or found
    if len(fits) == 1:
        return fits[0]
    example = fits[0] if fits else f"{package}.tests.factories:{article(noun)}_{noun}"
    raise NoSuchPart(
        f"Which function of {package}.tests makes what is asked for? "
        + (f"There are {', '.join(fits)}." if fits else "There is none: the near and the far test need a real row."),
        where=f"{folder}/tests/factories.py",
        fix=f"--known {example}; it is called without arguments, and what it returns has an id",
    )


def _required(function: ast.FunctionDef) -> bool:
    arguments = function.args
    positional = len(arguments.posonlyargs) + len(arguments.args) - len(arguments.defaults)
    return positional > 0 or None in arguments.kw_defaults


def asking_chain(draft: Draft, layout: Layout, start: str, end: str) -> list[str]:
    """Return the contexts through which `start` asks `end`, both included; empty if it does not."""
    waiting, seen = [[start]], {start}
    while waiting:
        chain = waiting.pop()
        if chain[-1] == end:
            return chain
        path = f"{layout.folder_of(chain[-1])}/context.py"
        asks = declared(draft.read(path), path, "asks") if draft.exists(path) else []
        for name in sorted({wish.partition(".")[0] for wish in asks} - seen):
            seen.add(name)
            waiting.append([*chain, name])
    return []
