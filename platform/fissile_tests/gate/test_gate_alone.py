"""The gate by itself, in a project that has nothing else of the library: one settings line, real processes."""

from __future__ import annotations

import json

import pytest

from .strangers import ANOTHER_TIE, Strangers


@pytest.fixture
def strangers(tmp_path):
    return Strangers(tmp_path)


def test_one_settings_line_leaves_the_project_working_and_says_what_it_saw(strangers):
    done = strangers.manage("check", "--fail-level", "WARNING")

    assert done.returncode == 0
    assert "(fissile.gate.I001) boundaries: 2 blockers and 0 advisory findings in 3 contexts" in done.stderr


def test_the_gate_loads_nothing_of_the_library_that_it_does_not_need(strangers):
    strangers.manage("boundaries", "show")

    heavy = {"celery", "kombu", "rest_framework", "opentelemetry", "structlog", "joserfc", "msgspec", "aiohttp"}
    assert strangers.loaded() & heavy == set()


def test_another_tag_costs_nothing(strangers):
    done = strangers.manage("check", "--tag", "models")

    assert "boundaries" not in done.stderr
    assert "grimp" not in strangers.loaded()


def test_every_app_is_a_context_with_a_score_and_a_tie_holds_both_ends(strangers):
    found = strangers.document("boundaries", "show")["data"]

    scores = {one["name"]: (one["reaches_out"], one["reached_into"], one["can_leave"]) for one in found["contexts"]}
    assert scores == {"billing": (0, 0, True), "library": (0, 2, False), "loans": (2, 0, False)}
    assert found["score"] == {"blockers": 2, "advice": 0, "contexts": 3, "can_leave": 1}
    assert not found["declared"]


def test_show_is_red_while_there_are_blockers_that_no_baseline_knows(strangers):
    before = strangers.manage("boundaries", "show", "--json")
    strangers.manage("boundaries", "baseline")
    after = strangers.manage("boundaries", "show", "--json")

    assert (before.returncode, json.loads(before.stdout)["ok"]) == (3, False)
    assert (after.returncode, json.loads(after.stdout)["ok"]) == (0, True)
    assert [one["known"] for one in json.loads(after.stdout)["data"]["findings"]] == [True, True]


def test_with_a_baseline_only_what_is_new_is_an_error(strangers):
    strangers.manage("boundaries", "baseline")
    quiet = strangers.manage("check", "--fail-level", "WARNING")
    strangers.write(ANOTHER_TIE)
    loud = strangers.manage("check")

    assert (quiet.returncode, quiet.stdout) == (0, "System check identified no issues (0 silenced).\n")
    assert loud.returncode == 1
    assert "loans: (fissile.BND001) shop/loans/views.py:1 shop.loans.views imports shop.library" in loud.stderr
    assert "More: manage.py explain BND001" in loud.stderr
    assert "models.py" not in loud.stderr


def test_lines_written_above_a_known_finding_do_not_make_it_new(strangers):
    strangers.manage("boundaries", "baseline")
    models = strangers.folder / "shop/loans/models.py"
    models.write_text("# a comment\n\n" + models.read_text())

    assert strangers.manage("check", "--fail-level", "WARNING").returncode == 0


def test_what_is_mended_must_leave_the_baseline(strangers):
    strangers.write(ANOTHER_TIE)
    strangers.manage("boundaries", "baseline")
    (strangers.folder / "shop/loans/views.py").unlink()

    told = strangers.manage("check", "--fail-level", "WARNING")
    shrunk = strangers.document("boundaries", "baseline")["data"]

    assert told.returncode == 1
    assert "(fissile.gate.W001) boundaries-baseline.json lists 1 finding that the code no longer has" in told.stderr
    assert (shrunk["findings"], shrunk["added"], shrunk["removed"]) == (2, 0, 1)
    assert strangers.manage("check", "--fail-level", "WARNING").returncode == 0


def test_the_baseline_refuses_to_grow_and_says_where(strangers):
    strangers.manage("boundaries", "baseline")
    written = strangers.baseline.read_bytes()
    strangers.write(ANOTHER_TIE)

    done = strangers.manage("boundaries", "baseline")

    assert done.returncode == 5
    assert "Where shop/loans/views.py:1" in done.stderr
    assert strangers.baseline.read_bytes() == written


def test_it_grows_with_a_reason_which_stays_in_the_file(strangers):
    strangers.manage("boundaries", "baseline")
    strangers.write(ANOTHER_TIE)

    silent = strangers.manage("boundaries", "baseline", "--allow-growth")
    said = strangers.manage("boundaries", "baseline", "--allow-growth", "--reason", "loans moves out in May")

    assert (silent.returncode, said.returncode) == (2, 0)
    assert json.loads(strangers.baseline.read_text())["growth"] == [{"added": 1, "reason": "loans moves out in May"}]


def test_findings_are_errors_without_a_baseline_where_that_is_asked_for(strangers):
    strangers.configure('FISSILE_GATE = {"strict": True}')

    done = strangers.manage("check")

    assert done.returncode == 1
    assert "loans: (fissile.BND010) shop/loans/models.py:7 loans.Loan.book is a ForeignKey" in done.stderr


def test_the_check_of_one_app_names_its_findings_only(strangers):
    strangers.configure('FISSILE_GATE = {"strict": True}')

    assert strangers.manage("check", "billing").returncode == 0
    assert strangers.manage("check", "loans").returncode == 1


def test_prefixes_choose_which_apps_are_contexts(strangers):
    strangers.configure('FISSILE_GATE = {"apps": ["shop."]}')

    found = strangers.document("boundaries", "show")["data"]["contexts"]

    assert [one["name"] for one in found] == ["library", "loans"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('FISSILE_GATE = {"basline": "x"}', "does not know basline"),
        ('FISSILE_GATE = {"apps": "shop."}', "no list of prefixes"),
        ('FISSILE_GATE = {"apps": ["shop", "biling"]}', "names biling, and no installed app begins so"),
        ('FISSILE_GATE = {"baseline": "settings.py"}', "is no baseline"),
    ],
)
def test_a_setting_that_makes_no_sense_is_told_and_breaks_nothing(strangers, line, said):
    strangers.configure(line)

    checked = strangers.manage("check")
    shown = strangers.document("boundaries", "show")

    assert checked.returncode == 0
    assert said in checked.stderr
    assert said in shown["error"]["message"]
    assert shown["error"]["hint"]


def test_a_file_that_does_not_parse_is_named_and_breaks_nothing(strangers):
    strangers.write({"billing/broken.py": "def ("})

    done = strangers.manage("check")

    assert done.returncode == 0
    assert "(fissile.gate.E001)" in done.stderr
    assert "broken.py, line 1" in done.stderr


def test_an_app_in_anothers_folder_that_is_not_installed_ties_nobody(strangers):
    tie = "from shop.library import models"
    config = "from django.apps import AppConfig\n\nclass FaxesConfig(AppConfig):\n    name = 'billing.faxes'\n"
    for folder, apps in (("billing/faxes", config), ("billing/letters", "")):
        strangers.write({f"{folder}/__init__.py": "", f"{folder}/apps.py": apps, f"{folder}/sending.py": tie})

    found = strangers.document("boundaries", "show")["data"]["findings"]

    assert [one["path"] for one in found if one["context"] == "billing"] == ["billing/letters/sending.py"]


def test_a_context_is_explained_by_neighbour_and_channel_from_both_ends(strangers):
    loans = strangers.document("boundaries", "explain", "loans")["data"]
    library = strangers.document("boundaries", "explain", "library")["data"]

    def ties(found):
        return [(tie["context"], tie["channel"], tie["blockers"]) for tie in found]

    assert ties(loans["reaches_out"]) == [("library", "imports", 1), ("library", "relations", 1)]
    assert ties(library["reached_into"]) == [("loans", "imports", 1), ("loans", "relations", 1)]
    assert loans["reached_into"] == library["reaches_out"] == []


def test_a_rule_is_explained_without_looking_at_the_project(strangers):
    strangers.configure('FISSILE_GATE = {"basline": "x"}')

    done = strangers.manage("explain", "fissile.BND010")

    assert done.returncode == 0
    assert done.stdout.startswith("BND010 foreign key to another context's model\n  Why")
