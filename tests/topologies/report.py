"""A parity run as one HTML page without outside requests, and as JSON. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from typing import Any

from tests.topologies import normalised
from tests.topologies.differences import PARTS, Comparison, Difference
from tests.topologies.suite import Result

# A cut that is broken throughout differs everywhere; the JSON has all of it.
MOST_SHOWN = 200

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2125; --pale: #5c6670; --line: #d6dbe0; --page: #fff; --good: #17703a;
  --bad: #b3261e; --tint: #f4f6f8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7ea; --pale: #9aa4ad; --line: #3a4147; --page: #15181b;
  --good: #62c587; --bad: #ff8a80; --tint: #1e2327; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); max-width: 72rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .4rem .7rem;
  border-bottom: 1px solid var(--line); vertical-align: top; } td.n, th.n { text-align: right;
  font-variant-numeric: tabular-nums; } th { color: var(--pale); font-weight: 600; }
.same { color: var(--good); } .different { color: var(--bad); font-weight: 600; } .pale { color: var(--pale); }
details { margin: .6rem 0; } summary { cursor: pointer; } code { font-size: .9em; overflow-wrap: anywhere; }
.difference { background: var(--tint); padding: .6rem .9rem; margin: .6rem 0; border-left: 3px solid var(--bad); }
.difference p { margin: 0 0 .4rem; } .scroll { overflow-x: auto; }
"""


def as_json(result: Result) -> str:
    """Return the whole result: plan, counts, and every difference with its request."""
    return json.dumps(_facts(result), indent=1, ensure_ascii=False) + "\n"


def as_html(result: Result) -> str:
    """Return the page: the table of cuts, then what differs, then what was not compared and how often."""
    return "\n".join(
        [
            '<!doctype html><html lang="en"><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>Parity: {_verdict(result)}</title><style>{_STYLE}</style>",
            f'<h1>Parity: <span class="{_class(result.is_same)}">{_verdict(result)}</span></h1>',
            f"<p>{escape(result.plan.name)}: {len(result.plan.steps())} requests in {len(result.plan.rounds)} rounds,"
            f" each cut compared with <strong>{escape(result.reference.name)}</strong>.</p>",
            *_table(result),
            *_differences(result),
            *_normalisations(result),
            "</html>",
        ]
    )


def _facts(result: Result) -> dict[str, Any]:
    return {
        "plan": result.plan.name,
        "seed": result.plan.seed,
        "requests": len(result.plan.steps()),
        "same": result.is_same,
        "reference": result.reference.name,
        "seconds": {name: round(seconds, 1) for name, seconds in result.seconds.items()},
        "cuts": [
            {
                "name": comparison.cut.name,
                "same": comparison.is_same,
                "unrest": comparison.cut.unrest,
                "asked_again": comparison.cut.asked_again,
                "compared": dict(comparison.compared),
                "differences": [_difference_facts(difference) for difference in comparison.differences],
            }
            for comparison in result.comparisons
        ],
        "normalised": dict(result.reference.met),
        "strange": result.reference.strange,
    }


def _difference_facts(difference: Difference) -> dict[str, Any]:
    places = [{"where": place.where, "reference": place.reference, "cut": place.cut} for place in difference.places]
    return {"part": difference.part, "what": difference.what, "request": difference.number, "places": places}


def _verdict(result: Result) -> str:
    odd = sum(not comparison.is_same for comparison in result.comparisons)
    return "nothing differs" if result.is_same else f"{odd} of {len(result.comparisons)} cuts differ"


def _class(is_same: bool) -> str:
    return "same" if is_same else "different"


def _table(result: Result) -> Iterator[str]:
    heads = "".join(f'<th class="n">{part}</th>' for part in PARTS)
    yield f'<div class="scroll"><table><tr><th>cut</th>{heads}<th class="n">seconds</th><th></th></tr>'
    counts = (
        len(result.reference.answers),
        sum(map(len, result.reference.events.values())),
        sum(map(len, result.reference.rows.values())),
    )
    yield _row(result.reference.name, [str(count) for count in counts], result, result.reference.unrest or "reference")
    for comparison in result.comparisons:
        cells = [_count(comparison, number) for number in range(len(PARTS))]
        verdict = f'<span class="{_class(comparison.is_same)}">{"the same" if comparison.is_same else "differs"}</span>'
        again = f" ({comparison.cut.asked_again} requests sent again)" if comparison.cut.asked_again else ""
        yield _row(comparison.cut.name, cells, result, f"{verdict}{again} {escape(comparison.cut.unrest)}")
    yield "</table></div>"


def _row(name: str, cells: list[str], result: Result, verdict: str) -> str:
    middle = "".join(f'<td class="n">{cell}</td>' for cell in cells)
    return f'<tr><td>{escape(name)}</td>{middle}<td class="n">{result.seconds[name]:.0f}</td><td>{verdict}</td></tr>'


def _count(comparison: Comparison, number: int) -> str:
    part = PARTS[number]
    odd = len(comparison.of(part))
    return f'<span class="{_class(not odd)}">{odd}</span> <span class="pale">of {comparison.compared[part]}</span>'


def _differences(result: Result) -> Iterator[str]:
    for comparison in result.comparisons:
        if comparison.differences:
            yield f"<h2>{escape(comparison.cut.name)}</h2>"
            yield from map(_difference, comparison.differences[:MOST_SHOWN])
            more = len(comparison.differences) - MOST_SHOWN
            if more > 0:
                yield f'<p class="pale">{more} more are in the JSON beside this page.</p>'


def _difference(difference: Difference) -> str:
    rows = "".join(
        f"<tr><td>{escape(place.where)}</td><td><code>{escape(place.reference)}</code></td>"
        f"<td><code>{escape(place.cut)}</code></td></tr>"
        for place in difference.places
    )
    head = "<tr><th></th><th>reference</th><th>this cut</th></tr>"
    return f'<div class="difference scroll"><p>{escape(difference.what)}</p><table>{head}{rows}</table></div>'


def _normalisations(result: Result) -> Iterator[str]:
    runs = [result.reference, *(comparison.cut for comparison in result.comparisons)]
    yield '<h2>What was not compared</h2><div class="scroll"><table><tr><th>rule</th><th>meets</th><th>becomes</th>'
    yield f'<th class="n">met in {escape(result.reference.name)}</th></tr>'
    for name, (meets, becomes) in normalised.RULES.items():
        met = result.reference.met[name]
        words = "".join(f"<td>{escape(text.replace('`', ''))}</td>" for text in (name, meets, becomes))
        yield f'<tr>{words}<td class="n">{met or "never"}</td></tr>'
    yield "</table></div>"
    for run in runs:
        for sentence in run.strange:
            yield f"<p>{escape(run.name)}: {escape(sentence)}, so it was compared as it is.</p>"
