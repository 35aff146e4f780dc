"""The floor plan as tests: what must never be in the tree, whatever a linter says."""

from __future__ import annotations

import ast
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from settings.contexts import CONTEXTS

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = [row["package"] for row in CONTEXTS.values()]
PRODUCTION = [*sorted((ROOT / "apps").iterdir()), ROOT / "bff_app", ROOT / "gateway_app", ROOT / "platform" / "fissile"]


def sources(*roots: Path) -> list[Path]:
    found = [path for root in roots if root.is_dir() for path in root.rglob("*.py")]
    return [path for path in found if "tests" not in path.parts and "migrations" not in path.parts]


def imported_by(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def test_the_folder_named_platform_does_not_shadow_the_standard_library():
    assert not (ROOT / "platform" / "__init__.py").exists()
    assert platform.__file__.endswith("platform.py")
    subprocess.run([sys.executable, "-c", "import uuid"], cwd=ROOT, check=True)


def test_the_packages_that_contracts_live_in_are_empty():
    for package in ("apps", *PACKAGES):
        assert (ROOT / package.replace(".", "/") / "__init__.py").read_text() == ""


@pytest.mark.parametrize("module", [*(f"{package}.context" for package in PACKAGES), "gateway_app.asgi"])
def test_declarations_contracts_and_the_gateway_load_without_django(module):
    code = f"import sys, {module}; sys.exit(any(name.split('.')[0] == 'django' for name in sys.modules))"

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={"ROLE": "gateway", "PATH": ""}, check=False)

    assert done.returncode == 0


@pytest.mark.parametrize("path", sorted(ROOT.glob("apps/*/domain.py")), ids=lambda path: path.parent.name)
def test_the_domain_knows_no_clock_and_no_machine(path):
    assert not imported_by(path) & {"time", "os", "random", "socket", "secrets", "fissile.data", "django"}


def test_only_the_settings_read_the_process_environment():
    offenders = [
        str(path.relative_to(ROOT))
        for path in sources(*PRODUCTION)
        if "testing" not in path.parts  # the test kit passes its own environment on to what it starts
        and ("os.environ" in path.read_text() or "os.getenv" in path.read_text())
    ]

    assert offenders == []


def test_nothing_in_production_asks_whether_it_is_under_test():
    suspects = ("PYTEST_CURRENT_TEST", "'pytest' in sys.modules", '"pytest" in sys.modules', "TESTING")
    offenders = [
        str(path.relative_to(ROOT))
        for path in sources(*PRODUCTION)
        if any(suspect in path.read_text() for suspect in suspects)
    ]

    assert offenders == []


def test_production_never_imports_the_test_kit():
    offenders = [
        str(path.relative_to(ROOT))
        for path in sources(*PRODUCTION, ROOT / "settings")
        if "testing" not in path.parts and any(name.startswith("fissile.testing") for name in imported_by(path))
    ]

    assert offenders == []


def test_no_transaction_is_opened_without_naming_its_database():
    offenders = [
        f"{path.relative_to(ROOT)}: {call}"
        for path in sources(*PRODUCTION)
        for call in ("transaction.atomic()", "on_commit(lambda", "@transaction.atomic\n")
        if call in path.read_text()
    ]

    assert offenders == []


def test_nothing_pickles():
    offenders = [
        str(path.relative_to(ROOT))
        for path in sources(*PRODUCTION, ROOT / "settings")
        if imported_by(path) & {"pickle", "shelve", "marshal"}
    ]

    assert offenders == []


def test_no_module_outgrows_four_hundred_lines():
    long = [
        f"{path.relative_to(ROOT)}: {len(path.read_text().splitlines())}"
        for path in sources(*PRODUCTION, ROOT / "settings", ROOT / "deploy", ROOT / "tests")
        if len(path.read_text().splitlines()) > 400
    ]

    assert long == []


def test_every_production_module_says_what_it_is_for():
    silent = [
        str(path.relative_to(ROOT))
        for path in sources(*PRODUCTION, ROOT / "settings")
        if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]

    assert silent == []
