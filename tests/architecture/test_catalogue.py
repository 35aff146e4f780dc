"""The pages tell the truth: README's table, the proofs, the pattern pages, and every path they name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings

from deploy.local.house import TOPOLOGIES
from fissile.prove.proof import PATTERNS
from settings.contexts import CONTEXTS
from tests.proofs import PROOFS
from tests.topologies import normalised, planted

ROOT = Path(__file__).resolve().parents[2]
PAGES = {int(page.name.split("-", 1)[0]): page for page in sorted((ROOT / "docs" / "patterns").glob("[0-9]*.md"))}
PROOFS_BY_NUMBER = {proof.number: proof for proof in PROOFS}
HEADINGS = [
    "The problem",
    "The code path",
    "Try it",
    "How it fails, and what shows it",
    "How to watch it",
    "What changes when it is cut",
    "When not to use it",
    "What is not built yet",
]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "platform" / "README.md",
    *sorted(path for path in (ROOT / "docs").rglob("*.md") if "decisions" not in path.parts),
    *(ROOT / row["package"].replace(".", "/") / "README.md" for row in CONTEXTS.values()),
]
TOP = {path.name for path in ROOT.iterdir()} - {".run", ".venv"}
ROW = re.compile(r"^\| \d+ \|.*\|$", re.MULTILINE)
# `folder/file.py`, `name` or `Class.method`
FUNCTION = re.compile(r"`([\w-]+/[\w./-]+\.py)`(?:,| and) `([A-Za-z_]\w*(?:\.\w+)?)`")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
each_proof = pytest.mark.parametrize("number", sorted(PROOFS_BY_NUMBER))


def readme_table():
    found = ROW.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in found]
    return {int(row[0]): row[1:] for row in rows}


def code_words(text):
    """What stands in backticks, outside of blocks of code."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^\s*```.*?^\s*```", "", text, flags=re.MULTILINE | re.DOTALL))


def named_paths(document):
    """The words in backticks that look like files of this repository."""
    for word in code_words(document.read_text(encoding="utf-8")):
        first = word.split("/", 1)[0]
        is_path = re.fullmatch(r"[\w./-]+", word) and (first in TOP or word.startswith("."))
        if is_path and ("/" in word or word.endswith((".md", ".py", ".toml", ".txt"))):
            yield word


def test_the_readme_has_all_twenty_two_patterns_by_their_names():
    assert {number: row[0] for number, row in readme_table().items()} == PATTERNS


@pytest.mark.parametrize("number", sorted(PATTERNS))
def test_a_pattern_is_claimed_if_and_only_if_it_has_a_proof_and_a_page(number):
    _, status, code, see, page = readme_table()[number]

    if number not in PROOFS_BY_NUMBER:
        assert (status, code, see, page) == ("not built", "", "", "")
        assert number not in PAGES
    else:
        assert status in ("proved", "partial")
        assert see.startswith(f"`prove {number}")
        assert code_words(code)
        assert page == f"[page]({PAGES[number].relative_to(ROOT)})"


@each_proof
def test_a_partial_pattern_says_what_is_missing_and_every_page_has_the_same_shape(number):
    text = PAGES[number].read_text(encoding="utf-8")

    assert text.startswith(f"# {number}. {PATTERNS[number]}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS
    assert text.split("## What is not built yet\n")[1].strip()


@each_proof
def test_a_page_lists_the_clauses_of_its_proof(number):
    section = PAGES[number].read_text(encoding="utf-8").split("## How it fails")[1].split("\n## ")[0]

    listed = [line.removeprefix("- ") for line in section.splitlines() if line.startswith("- ")]

    assert listed == [clause.name for clause in PROOFS_BY_NUMBER[number].clauses]


@each_proof
def test_a_proof_has_a_sabotage_and_points_to_its_page(number):
    proof = PROOFS_BY_NUMBER[number]

    assert proof.sabotages
    assert ROOT / proof.page == PAGES[number]


# The contexts that the pages about scaffolds have the reader make.
MADE_UP = ("apps/billing", "apps/notifications")


@each_document
def test_every_path_that_a_page_names_exists(document):
    here = document.parent
    missing = [
        word
        for word in named_paths(document)
        if not word.startswith((".run", *MADE_UP)) and not (ROOT / word).exists() and not (here / word).exists()
    ]

    assert missing == []


@each_document
def test_every_function_named_after_its_file_is_in_it(document):
    missing = [
        f"{file}: {name}"
        for file, name in FUNCTION.findall(document.read_text(encoding="utf-8"))
        for part in name.split(".")
        if not re.search(
            rf"^\s*(def|class) {part}\b|^{part}\b", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE
        )
    ]

    assert missing == []


@each_document
def test_every_link_between_pages_leads_somewhere(document):
    links = LINK.findall(document.read_text(encoding="utf-8"))

    assert [link for link in links if not (document.parent / link).exists()] == []


@each_document
def test_no_page_promises_what_cannot_be_promised(document):
    text = document.read_text(encoding="utf-8").lower()
    # The glossary names the words that are not used.
    forbidden = ["zero data loss", "guaranteed ordering", "unhackable", "production-proven", "real time"]
    forbidden += [] if document.name == "glossary.md" else ["exactly-once delivery"]

    assert [words for words in forbidden if words in text] == []


def test_the_librarys_page_names_all_its_settings_and_commands():
    page = (ROOT / "platform" / "README.md").read_text(encoding="utf-8")
    settings_part, commands_part = page.split("## Settings\n")[1].split("## Commands\n")
    named = {word for cells in re.findall(r"^\| (`.*?) \|", settings_part, re.MULTILINE) for word in code_words(cells)}
    commands = {
        file.stem
        for folder in ("fissile", "fissile/gate")
        for file in (ROOT / "platform" / folder / "management" / "commands").glob("[!_]*.py")
    }

    assert named == set(settings.FISSILE)
    assert set(code_words(commands_part)) - {"--help"} == commands


def test_the_parity_page_shows_the_lists_that_the_suite_uses():
    page = (ROOT / "docs" / "parity.md").read_text(encoding="utf-8")

    assert f"\n{normalised.as_markdown()}\n" in page
    assert f"\n{planted.as_markdown()}\n" in page
    assert set(re.findall(r"^\| `([\w-]+)` \|", page.split("## The cuts\n")[1], re.MULTILINE)) >= set(TOPOLOGIES)
