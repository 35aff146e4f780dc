"""All rules, and all checks: the one list of the gate's modules."""

from __future__ import annotations

from collections.abc import Iterator

from . import (
    admin,
    cache,
    celery,
    configuration,
    declarations,
    imports,
    lookups,
    migrations,
    relations,
    runtime_rules,
    signals,
    sql,
    transactions,
    urls,
    writes,
)
from .findings import Finding, Rule
from .project import Project

CHECKS = (
    imports, declarations, relations, lookups, sql, signals, migrations, admin, urls, celery, cache, configuration,
    transactions, writes,
)  # fmt: skip
RULES: dict[str, Rule] = {
    rule.id: rule for module in (*CHECKS, runtime_rules) for rule in sorted(module.RULES, key=lambda rule: rule.id)
}
# How two contexts are tied: the name of the check that sees it, such as imports or relations.
CHANNELS: dict[str, str] = {
    rule.id: module.__name__.rpartition(".")[2] for module in (*CHECKS, runtime_rules) for rule in module.RULES
}


def findings(project: Project) -> list[Finding]:
    """Return everything that ties the project's contexts together, once per place and rule, by path and line."""
    return sorted({(f.path, f.line, f.rule_id, f.other): f for f in _all(project)}.values())


def is_blocker(rule: Rule, project: Project) -> bool:
    """True if a context cannot leave while this stands."""
    return rule.is_blocker and (project.is_declared or not rule.is_advice_undeclared)


def _all(project: Project) -> Iterator[Finding]:
    for module in CHECKS:
        yield from module.find(project)
