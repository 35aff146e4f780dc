"""Where the Chromium of the console's journeys comes from, and what is said where there is none."""

from __future__ import annotations

import pytest

from deploy.local import browser
from deploy.local.services import install
from deploy.local.services.instance import ServicesError


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch, tmp_path):
    """A PATH with nothing on it, and nobody who may install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CHROMIUM", raising=False)


def put(tmp_path, name="chromium"):
    program = tmp_path / name
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return str(program)


def apt(monkeypatch, does):
    """Let this be a machine on which apt may be used, and does this."""
    monkeypatch.setattr(install, "can_install", lambda: True)
    monkeypatch.setattr(install, "install", does)


@pytest.mark.parametrize("name", ["chromium", "google-chrome"])
def test_one_on_the_path_is_taken(tmp_path, name):
    path = put(tmp_path, name)

    assert (browser.find(), browser.provide()) == (path, None)


def test_the_one_that_is_named_is_taken_before_it(tmp_path, monkeypatch):
    put(tmp_path)
    monkeypatch.setenv("CHROMIUM", put(tmp_path, "mine"))

    assert browser.find() == str(tmp_path / "mine")


def test_a_named_one_that_is_no_program_is_told_and_no_other_is_installed(tmp_path, monkeypatch):
    apt(monkeypatch, lambda packages: pytest.fail(f"installs {packages}"))
    monkeypatch.setenv("CHROMIUM", str(tmp_path / "nothing"))

    assert "nothing is no program. Fix: apt-get install chromium" in (browser.provide() or "")


def test_where_nothing_may_be_installed_the_fix_is_said():
    assert browser.find() is None
    assert "no Chromium on this machine. Fix: apt-get install chromium" in (browser.provide() or "")


def test_where_it_may_be_it_is_installed(tmp_path, monkeypatch):
    wished = []
    apt(monkeypatch, lambda packages: wished.extend(packages) or put(tmp_path))

    assert browser.provide() is None
    assert "chromium" in wished


def test_what_apt_says_is_handed_on(monkeypatch):
    def refuse(packages):
        raise ServicesError("apt could not install chromium:\n  E: Unable to locate package chromium")

    apt(monkeypatch, refuse)

    assert "Unable to locate package" in (browser.provide() or "")
