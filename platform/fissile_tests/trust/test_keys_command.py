"""`manage.py keys`, and the promise that trust needs no Django."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest
from django.core.management import CommandError, call_command

from fissile.contexts import registry
from fissile.trust import configuration, keys


def run(action):
    out = io.StringIO()
    call_command("keys", action, stdout=out)
    return out.getvalue()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(configuration, "_configured", None)
    configuration.configure(keys_dir=tmp_path / "keys")
    return tmp_path / "keys"


def test_ensure_makes_a_pair_for_every_installed_context(folder):
    first = run("ensure")

    wanted = {keys.ACCESS, *(keys.service_key(context.name) for context in registry.installed())}
    assert {pair.name for pair in keys.found(folder)} == wanted
    assert run("ensure") == first


def test_list_shows_ids_and_modes_and_nothing_private(folder):
    run("ensure")

    shown = run("list")

    for pair in keys.found(folder):
        assert f"{pair.kid}  0600  published: 1" in shown
        assert keys.load_private(pair.private).as_dict(private=True)["d"] not in shown


def test_list_of_nothing_says_how_to_make_keys(folder):
    assert "manage.py keys ensure" in run("list")


def test_a_folder_that_is_none_is_one_clear_sentence(folder):
    folder.write_text("a file")

    with pytest.raises(CommandError, match="KEYS_DIR"):
        run("ensure")


def test_trust_loads_without_django():
    code = "import sys, fissile.trust; assert not any(name.split('.')[0] == 'django' for name in sys.modules)"

    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
