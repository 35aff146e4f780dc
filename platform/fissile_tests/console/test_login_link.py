"""The development login link: once, soon, from this machine, with DEBUG; otherwise it does not exist."""

from __future__ import annotations

import json
import threading

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client, RequestFactory

from fissile.console import devlogin

# The first page shows every context that is installed.
pytestmark = pytest.mark.django_db(databases=["operations", *settings.FISSILE["contexts"]])


@pytest.fixture(autouse=True)
def debugging(settings, tmp_path):
    settings.DEBUG = True
    settings.FISSILE = {**settings.FISSILE, "state_dir": tmp_path}


def follow(token, **extra):
    return Client().get("/admin/dev-login/", {"t": token}, **extra).status_code


def test_the_link_logs_in_once():
    token, browser = devlogin.issue(), Client()

    answer = browser.get("/admin/dev-login/", {"t": token})

    assert (answer.status_code, answer["Location"]) == (302, "/admin/")
    assert answer["Referrer-Policy"] == "no-referrer"
    assert browser.get("/admin/").status_code == 200
    assert follow(token) == 404


def test_the_operator_has_no_password_to_guess():
    devlogin.issue()

    assert not User.objects.get(username="dev").has_usable_password()


def test_a_wrong_token_is_refused_and_burns_nothing():
    token = devlogin.issue()

    assert [follow(wrong) for wrong in ("", "x", token[:-1], token + "x", "\x00")] == [404] * 5
    assert follow(token) == 302


def test_a_newer_link_ends_the_older_one():
    older, newer = devlogin.issue(), devlogin.issue()

    assert (follow(older), follow(newer)) == (404, 302)


def test_a_late_link_is_refused(monkeypatch):
    monkeypatch.setattr(devlogin, "LIFETIME_SECONDS", -1)

    assert follow(devlogin.issue()) == 404


@pytest.mark.parametrize(
    "extra",
    [
        {"REMOTE_ADDR": "10.0.0.7"},
        {"REMOTE_ADDR": ""},
        {"HTTP_X_FORWARDED_FOR": "127.0.0.1"},
        {"HTTP_FORWARDED": "for=127.0.0.1"},
        {"HTTP_VIA": "1.1 proxy"},
    ],
)
def test_a_request_from_elsewhere_sees_nothing(extra):
    token = devlogin.issue()

    assert follow(token, **extra) == 404
    assert follow(token) == 302


def test_without_debug_there_is_no_such_page_and_no_command(settings):
    token = devlogin.issue()
    settings.DEBUG = False

    assert follow(token) == 404
    with pytest.raises(CommandError) as refused:
        call_command("devlogin")
    assert refused.value.returncode == 5


def test_the_token_is_kept_as_a_hash_that_only_its_owner_reads():
    token = devlogin.issue()

    file = devlogin.token_file()
    assert token not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in file.parent.iterdir()] == [file.name]


def test_of_many_at_once_one_gets_in():
    token, won, start = devlogin.issue(), [], threading.Barrier(8)

    def race():
        start.wait(10)
        won.append(devlogin._redeem(token))

    racers = [threading.Thread(target=race) for _ in range(8)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(10)

    assert sorted(won) == [False] * 7 + [True]


def test_a_damaged_token_file_is_a_404():
    devlogin.issue()
    devlogin.token_file().write_text('{"sha256": 7}')

    assert follow("x") == 404


def test_the_command_prints_the_link_alone_on_stdout(capsys):
    call_command("devlogin", "--base-url", "http://127.0.0.1:3002/", "--json")

    document = json.loads(capsys.readouterr().out)
    assert document["ok"]
    assert document["data"]["url"].startswith("http://127.0.0.1:3002/admin/dev-login/?t=")


def test_only_a_get_request_opens_the_door():
    token = devlogin.issue()

    assert Client().post(f"/admin/dev-login/?t={token}").status_code == 405
    assert devlogin._is_from_here(RequestFactory().get("/"))
