"""One look at the project: its findings, what the baseline knows of them, and how far each context is from leaving."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from django.apps import apps
from grimp.exceptions import GrimpException

from fissile.contexts import registry

from . import baseline as baselines
from . import options as settings
from .baseline import Baseline, Comparison
from .findings import Finding, Rule
from .options import GateError, Options
from .project import Project
from .rules import RULES, findings, is_blocker
from .wording import nearest


@dataclass(frozen=True, kw_only=True)
class Score:
    """The extractability score of a context: the number of blockers that hold it. At 0 it can leave.

    A tie holds both its ends: `reaches_out` are blockers in its own code,
    `reached_into` blockers in its neighbours' code that reach for it.
    """

    name: str
    package: str
    reaches_out: int
    reached_into: int
    advice: int

    @property
    def blockers(self) -> int:
        """All blockers that hold it."""
        return self.reaches_out + self.reached_into

    @property
    def can_leave(self) -> bool:
        """True if nothing holds it."""
        return not self.blockers


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What was found. `baseline` is None where the project has no file."""

    project: Project
    options: Options
    findings: tuple[Finding, ...]
    baseline: Baseline | None
    compared: Comparison

    @property
    def absent(self) -> frozenset[str]:
        """Contexts of the project that are not installed in this process."""
        return _absent(self.project)

    @property
    def blockers(self) -> tuple[Finding, ...]:
        """Findings that hold a context, known ones too."""
        return tuple(finding for finding in self.findings if self.is_blocker(finding))

    @property
    def is_enforced(self) -> bool:
        """True if a new finding fails the system check: contexts are declared, or there is a baseline, or `strict`."""
        return self.project.is_declared or self.baseline is not None or self.options.strict

    def is_blocker(self, finding: Finding) -> bool:
        """True if the finding's context cannot leave while it stands."""
        return is_blocker(self.rule(finding), self.project)

    def rule(self, finding: Finding) -> Rule:
        """Return the rule a finding breaks."""
        return RULES[finding.rule_id]

    @cached_property
    def scores(self) -> tuple[Score, ...]:
        """One score per context, by name."""
        packages = {context.name: context.package for context in self.project.contexts}
        return tuple(self._score(name, packages[name]) for name in sorted(packages))

    def _score(self, name: str, package: str) -> Score:
        own = [finding for finding in self.findings if finding.context == name]
        return Score(
            name=name,
            package=package,
            reaches_out=self._count(own),
            reached_into=self._count(finding for finding in self.findings if finding.other == name != finding.context),
            advice=len(own) - self._count(own),
        )

    def _count(self, some: Iterable[Finding]) -> int:
        return sum(self.is_blocker(finding) for finding in some)


def survey() -> Survey:
    """Look at this process's project; raise GateError if it or its baseline cannot be read."""
    options = settings.read()
    project = Project.found(options.apps)
    _ensure_known(options.apps)
    try:
        found = tuple(findings(project))
    except GrimpException as wrong:
        raise GateError(
            f"The imports of this project cannot be read: {wrong}",
            hint='mend that file, or leave its package out: FISSILE_GATE = {"apps": [prefixes of the others]}',
        ) from wrong
    known = baselines.load(options.baseline)
    compared = baselines.compare(known or Baseline(options.baseline), found, _absent(project))
    return Survey(project=project, options=options, findings=found, baseline=known, compared=compared)


def _ensure_known(prefixes: Iterable[str]) -> None:
    names = [config.name for config in apps.get_app_configs()]
    for prefix in prefixes:
        if not any(name == prefix or name.startswith(f"{prefix}.") for name in names):
            # Silence would look like a project without findings.
            raise GateError(
                f'settings.FISSILE_GATE["apps"] names {prefix}, and no installed app begins so',
                hint=nearest(prefix, names),
            )


def _absent(project: Project) -> frozenset[str]:
    return frozenset(registry.names()) - {context.name for context in project.contexts}
