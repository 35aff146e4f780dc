"""`manage.py prove`: run the proofs of the patterns against a house started for it, or against --url."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from importlib import import_module
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from fissile.prove import Proof, ProofResult, Sabotage, SabotageResult, Scene, catalogue, prove, sabotage
from fissile.prove.proof import PATTERNS

MARKS = {"green": "✔", "red": "✘", "broken": "!", "not offered": "–"}


class Command(BaseCommand):
    """Exit 0: no built clause is red (with --sabotage: every named clause went red); 3: findings; 2: usage."""

    help = (
        "Proves the patterns on a running system. Examples: prove · prove 7 9 --topology split · "
        "prove --url http://127.0.0.1:3000 · prove --sabotage --json. Exit codes: 0 done, 2 usage, 3 findings."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Which proofs, where, and how to print."""
        parser.add_argument("numbers", nargs="*", type=int, metavar="N", help="patterns by number; default all")
        parser.add_argument("--url", help="a gateway that somebody else started; only what HTTP shows is looked at")
        parser.add_argument("--topology", default="monolith", help="a cut of the house by its name; default monolith")
        parser.add_argument("--tier", choices=("embedded", "real"), default=settings.FISSILE["tier"])
        parser.add_argument("--sabotage", action="store_true", help="break each pattern and see its clause go red")
        parser.add_argument("--json", action="store_true", help="one JSON document on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the proofs and exit with what was found."""
        if "proofs" not in settings.FISSILE:
            raise CommandError('This project has no proofs; name their module: FISSILE["proofs"].', returncode=2)
        shop = import_module(settings.FISSILE["proofs"])
        known = catalogue(shop.PROOFS)
        wanted = options["numbers"] or list(PATTERNS)
        if strangers := [number for number in wanted if number not in PATTERNS]:
            raise CommandError(f"There is no pattern {strangers[0]}; they are numbered 1 to 22.", returncode=2)
        if options["topology"] not in shop.TOPOLOGIES:
            cuts = ", ".join(shop.TOPOLOGIES)
            raise CommandError(f"There is no cut {options['topology']}; there are {cuts}.", returncode=2)
        if options["sabotage"]:
            if options["url"]:
                raise CommandError("--sabotage breaks a house of its own; leave --url out.", returncode=2)
            controls = self._sabotage(shop, known, wanted, options)
            results: Sequence[Any] = controls
            fine = all(control.caught for control in controls)
        else:
            proofs = self._prove(shop, known, wanted, options)
            results, fine = proofs, not any(proof.is_red for proof in proofs)
        if options["json"]:
            self._print_json(results, fine, options)
        if not fine:
            sys.exit(3)

    def _prove(self, shop: Any, known: Any, wanted: list[int], options: dict[str, Any]) -> list[ProofResult]:
        results = []
        where = {name: options[name] for name in ("url", "topology", "tier")}
        with shop.open_scene(**where, patches={}) as scene:
            for number in wanted:
                proof: Proof | None = known[number]
                result = prove(proof, scene) if proof else ProofResult(number=number, clauses=())
                results.append(result)
                if not options["json"]:
                    self._print(result)
        return results

    def _sabotage(self, shop: Any, known: Any, wanted: list[int], options: dict[str, Any]) -> list[SabotageResult]:
        results = []

        def open_house(break_: Sabotage) -> AbstractContextManager[Scene]:
            where = {name: options[name] for name in ("topology", "tier")}
            found: AbstractContextManager[Scene] = shop.open_scene(
                url=None, **where, patches=break_.patches, plants=break_.plants, stores=break_.stores
            )
            return found

        for proof in (known[number] for number in wanted if known[number]):
            for break_ in proof.sabotages:
                if break_.tiers and options["tier"] not in break_.tiers:
                    continue
                result = sabotage(proof, break_, open_house)
                results.append(result)
                if not options["json"]:
                    mark = "✔ caught" if result.caught else "✘ NOT caught"
                    self.stdout.write(f"{result.number:>2} {result.sabotage}: {mark}")
                    self.stdout.write(f"     {result.clause}: {result.seen}")
        return results

    def _print(self, result: ProofResult) -> None:
        tick = "✔" if result.is_full else " "
        self.stdout.write(f"{tick} {result.number:>2} {result.title:<42} {result.summary}")
        for clause in result.clauses:
            self.stdout.write(f"      {MARKS[clause.verdict]} {clause.name}: {clause.seen} ({clause.seconds:.1f} s)")
        if result.clauses:
            self.stdout.write(f"      code {result.code} · page {result.page}")

    def _print_json(self, results: Sequence[Any], fine: bool, options: dict[str, Any]) -> None:
        rows = [asdict(result) for result in results]
        for row, result in zip(rows, results, strict=True):
            if isinstance(result, ProofResult):
                row |= {"title": result.title, "summary": result.summary, "full": result.is_full}
        document: dict[str, Any] = {
            "schema": "cli/1",
            "command": "prove --sabotage" if options["sabotage"] else "prove",
            "ok": fine,
            "data": {"topology": options["topology"], "tier": options["tier"], "results": rows},
            "warnings": [],
            "next": [],
        }
        self.stdout.write(json.dumps(document, ensure_ascii=False))
