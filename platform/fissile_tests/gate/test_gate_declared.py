"""The gate over contexts that declare themselves: what the checks report, and what the commands answer."""

from __future__ import annotations

import json

import pytest
from django.core import checks
from django.core.management import CommandError, call_command

from fissile.contexts import Context
from fissile.gate.project import GateContext, Project
from fissile.gate.rules import RULES, findings

PIER = Context(
    name="pier",
    package="pier",
    consumes=("harbour.tide_rose.v1",),
    publishes=("pier.ship_docked.v1",),
    takes={"pier.ring_bell.v1": ("harbour",)},
    sends=("harbour.light_lamp.v1",),
    requests=("quay.name_ship.v1",),
)
HEARS = """
from fissile.events.consumers import consumes
from fissile_tests.shoplet.events import ParcelPackedV1


@consumes(ParcelPackedV1, into="{into}")
def unload(event, message):
    pass
"""

# Contracts of a neighbour that is on the path and not installed, and handlers that declare nothing.
COMMANDS = """
from fissile.messages import Command


class DredgeBedV1(Command):
    name = "harbour.dredge_bed.v1"


class NameShipV1(Command):
    name = "quay.name_ship.v1"
"""
DIRECTED = """
from fissile.events.receivers import takes, takes_reply
from fissile_tests.shoplet.wishes import FillBasketV1, WeighParcelV1
from quay.contracts.commands import DredgeBedV1, NameShipV1


@takes(FillBasketV1)
def fill(command, message):
    DredgeBedV1()
    NameShipV1()


@takes_reply(WeighParcelV1, into="{into}")
def weigh(reply, message):
    pass
"""


@pytest.fixture
def pier(tmp_path, monkeypatch):
    """A context on disk, as the only one of this process."""
    root = tmp_path / "pier"
    root.mkdir()
    (root / "__init__.py").write_text("")
    (root / "context.py").write_text('CONSUMES = (\n    "harbour.tide_rose.v1",\n)\n')
    (root / "consumers.py").write_text(HEARS.format(into="pier"))
    monkeypatch.syspath_prepend(str(tmp_path))
    context = GateContext(name="pier", package="pier", root=root, labels=frozenset({"pier"}), declaration=PIER)
    project = Project(contexts=(context,), root=tmp_path)
    monkeypatch.setattr(Project, "found", classmethod(lambda cls, only=(): project))
    monkeypatch.setattr("django.conf.settings.BASE_DIR", tmp_path)
    monkeypatch.chdir(tmp_path)
    return project


def told(project):
    return {(one.rule_id, one.path.name, one.line, one.what) for one in findings(project)}


def test_a_difference_between_declaration_and_handlers_is_told_both_ways(pier):
    assert told(pier) >= {
        ("BND002", "consumers.py", 6, "unload handles depot.parcel_packed.v1, which context.py does not declare"),
        ("BND003", "context.py", 2, "pier declares that it consumes harbour.tide_rose.v1; no handler does"),
    }


def test_a_handler_that_hears_for_another_context_is_told(pier):
    (pier.get("pier").root / "consumers.py").write_text(HEARS.format(into="quay"))

    assert ("BND002", "consumers.py", 6, "unload hears depot.parcel_packed.v1 for quay, which is another context") in (
        told(pier)
    )


def test_what_is_said_to_one_alone_and_its_declaration_are_compared_both_ways(pier, tmp_path):
    contracts = tmp_path / "quay" / "contracts"
    contracts.mkdir(parents=True)
    (contracts / "commands.py").write_text(COMMANDS)
    names = ('"harbour.tide_rose.v1"', *(f'"{name}"' for name in (*PIER.takes, *PIER.sends, *PIER.requests)))
    (pier.get("pier").root / "context.py").write_text("NAMES = (\n    " + ",\n    ".join(names) + ",\n)\n")
    (pier.get("pier").root / "consumers.py").write_text(DIRECTED.format(into="pier"))

    assert {(rule, what) for rule, _, _, what in told(pier)} >= {
        ("BND002", "fill takes shoplet.fill_basket.v1, which context.py does not declare"),
        ("BND002", "weigh hears replies to depot.weigh_parcel.v1, which context.py does not request"),
        ("BND002", "pier.consumers makes harbour.dredge_bed.v1, which context.py neither sends nor requests"),
        ("BND003", "pier declares that it takes pier.ring_bell.v1; no handler does"),
        ("BND003", "pier declares that it requests quay.name_ship.v1; none hears replies"),
        ("BND003", "pier declares that it sends harbour.light_lamp.v1; no code makes one"),
    }


def test_replies_are_heard_for_no_other_context(pier):
    (pier.get("pier").root / "consumers.py").write_text(DIRECTED.format(into="quay"))

    assert "weigh hears replies to depot.weigh_parcel.v1 for quay, which is another context" in {
        what for _, _, _, what in told(pier)
    }


def test_each_blocker_is_an_error_with_its_place_its_fix_and_a_stable_id(pier):
    found = [one for one in checks.run_checks(tags=["boundaries"]) if one.id == "fissile.BND002"]

    assert [(one.level, one.obj) for one in found] == [(checks.ERROR, "pier")]
    assert found[0].msg.startswith("pier/consumers.py:6 unload handles depot.parcel_packed.v1")
    assert RULES["BND002"].why in found[0].hint
    assert RULES["BND002"].fix in found[0].hint
    assert found[0].hint.endswith("More: manage.py explain BND002")


def test_no_other_tag_runs_the_gate(pier):
    found = checks.run_checks(tags=["models", "urls", "compatibility"])

    assert [one for one in found if "BND" in (one.id or "")] == []


def test_a_declared_context_is_explained_with_what_settings_alone_can_cut(pier, capsys):
    call_command("boundaries", "explain", "pier", "--json")

    data = json.loads(capsys.readouterr().out)["data"]
    assert data["declared"]["consumes"] == ["harbour.tide_rose.v1"]
    assert [tie["channel"] for tie in data["alone"]] == ["declarations"]
    assert not data["can_leave"]


def test_show_can_be_narrowed_to_a_rule_and_scores_stay_those_of_the_whole(pier, capsys):
    with pytest.raises(SystemExit) as ended:
        call_command("boundaries", "show", "--rule", "bnd003", "--json")

    document = json.loads(capsys.readouterr().out)
    assert ended.value.code == 3
    assert {one["rule"] for one in document["data"]["findings"]} == {"BND003"}
    assert document["data"]["score"]["blockers"] == len(findings(pier))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["boundaries", "show", "--context", "peer"], "did you mean pier?"),
        (["boundaries", "explain", "peer"], "did you mean pier?"),
        (["boundaries", "show", "--rule", "BND2"], "did you mean BND"),
        (["explain", "BDN002"], "did you mean BND002?"),
    ],
)
def test_a_mistyped_name_is_a_usage_error_with_the_nearest_one(pier, arguments, said):
    with pytest.raises(CommandError, match=said.replace("?", r"\?")) as wrong:
        call_command(*arguments)

    assert wrong.value.returncode == 2


@pytest.mark.parametrize("identity", sorted(RULES))
def test_every_rule_is_explained_with_why_and_fix(identity, capsys):
    call_command("explain", identity, "--json")

    data = json.loads(capsys.readouterr().out)["data"]
    assert (data["id"], data["why"], data["fix"]) == (identity, RULES[identity].why, RULES[identity].fix)
